// Package oidc verifies the ID tokens of OpenID Connect issuers that are registered with IAM, and
// makes those of the service's own issuer, Cognito identity.
//
// Any client may send a token, so no claim is believed before the signature is verified with
// a key of the registered issuer that it names: which algorithms are accepted, where keys are
// fetched, and how often, is decided here and never by the token. Only asymmetric algorithms are
// accepted, each only with a key of its type; keys or addresses of keys in a token's header are
// ignored.
//
// Keys are fetched as OpenID Connect Discovery says, over the guarded client of package outbound: https, no
// redirects, bounded in time and size, and never from an address of a private network unless the
// operator lists it. Fetched keys are kept for KeysLifetime. A token
// that names a key that is not among them makes the keys be fetched again, at most once in
// FetchPause however many such tokens come, and at most one fetch of an issuer is under way.
// The issuer's certificate must be one that the machine trusts; thumbprints of a provider are
// kept by IAM and not used.
package oidc
