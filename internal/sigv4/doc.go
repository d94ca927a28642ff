// Package sigv4 verifies and makes AWS Signature Version 4 signatures, in the
// Authorization header and in the query of a presigned URL.
//
// What it promises:
//
//   - A request is accepted only when the method, the raw target, the Host,
//     every signed header and the body are those the key's holder signed, for
//     one of the scopes this server serves, inside the time allowed.
//   - Screen refuses without the body, and before it is read, whatever no body
//     could mend.
//   - What acts on a request must be signed: host always, and every x-amz-*
//     header that is present, so that no proxy can add an x-amz-chime-bearer or
//     exchange a session token on the way.
//   - The canonical path is the path as sent, escaped once more, as every AWS
//     service but S3 does it; a path signed as sent is accepted where it can
//     mean nothing else. The host is the Host header as sent, or when that does
//     not match, one of a few other names of this server (see candidates). No
//     header of a proxy is believed, and a proxy that rewrites the path breaks
//     the signature.
//   - The expected signature and the secret never appear in a result, an error
//     or its explanation; session tokens are cut out of explanations.
//   - Verifying a header signature allocates nothing once the signing key is
//     cached.
//
// The package is pure: the caller brings the clock, the keys and the hash of
// the body. The rules are those of spec 2.2 and 2.4
// and of docs/spec/clients.md 3.1.
package sigv4
