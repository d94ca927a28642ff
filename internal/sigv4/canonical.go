package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
)

// maxKept bounds the buffers that stay in the pool, in bytes each.
const maxKept = 64 << 10

// scratch is the memory of one verification, reused.
type scratch struct {
	path      string
	query     query
	omit      string   // query parameter left out of the signature, see Options.unsignedToken
	signed    []string // names in SignedHeaders
	spelling  []byte   // one header name as http.Header spells it
	headers   []byte   // canonical headers
	body      [2 * sha256.Size]byte
	canonical []byte // canonical request
	toSign    []byte // one free block, then the string to sign
}

// reset forgets the request.
func (s *scratch) reset() {
	s.query.reset()
	clear(s.signed)
	s.path, s.omit, s.signed = "", "", s.signed[:0]
	if cap(s.canonical)+cap(s.headers)+cap(s.query.text) > maxKept {
		s.canonical, s.headers, s.query.text = nil, nil, nil
	}
}

// namedHashes checks each hash of the body that the request names, in a header
// or in the query.
func (s *scratch) namedHashes(r *Request, check func(where, value string) error) error {
	if values := r.Header["X-Amz-Content-Sha256"]; len(values) > 0 {
		if err := check("the header x-amz-content-sha256", values[0]); err != nil {
			return err
		}
	}
	if value, ok := s.query.get(paramBodyHash); ok {
		return check("the query parameter "+paramBodyHash, value)
	}
	return nil
}

// wholeBody refuses the words that stand for a body that is unsigned or signed in pieces.
func wholeBody(where, value string) error {
	if value == "UNSIGNED-PAYLOAD" || strings.HasPrefix(value, "STREAMING-") {
		return invalid(StepBody, "%s is %s; this service accepts only the SHA-256 of the body in lower-case hexadecimal digits", where, quote(value))
	}
	return nil
}

// checkBody stores the hash of the body, and refuses a request that names a different one.
func (s *scratch) checkBody(r *Request) error {
	hex.Encode(s.body[:], r.BodyHash[:])
	return s.namedHashes(r, func(where, value string) error {
		if value != string(s.body[:]) {
			return invalid(StepBody, "%s is %s; the SHA-256 of the body received is %s", where, quote(value), s.body[:])
		}
		return nil
	})
}

// variant is what of a request clients sign as they send it.
type variant struct {
	path  bool // as sent: escaped once
	query bool // as sent
}

// matches reports whether the signature of the claim is that of the request
// under the key, in its first spelling.
func (s *scratch) matches(r *Request, c *claim, key *signingKey) bool {
	return equal(c.signature, key.mac(s.build(r, c, variant{})))
}

// matchesOtherwise tries the other spellings of the public clients: any of the
// hosts, the query of a presigned URL as sent, the path escaped once. Each
// covers the same bytes as the first. The number of trials does not depend on
// the key.
func (s *scratch) matchesOtherwise(r *Request, c *claim, key *signingKey, hosts []string) bool {
	ok := false
	for i, host := range hosts {
		var err error
		if s.headers, s.spelling, err = appendHeaders(s.headers[:0], s.spelling, r, host, s.signed); err != nil {
			continue // a host that is no header
		}
		if i > 0 {
			ok = s.matches(r, c, key) || ok
		}
		if c.presigned {
			ok = equal(c.signature, key.mac(s.build(r, c, variant{query: true}))) || ok
			s.query.sort()
		} else if i == 0 && escapedOnce(s.path) {
			ok = equal(c.signature, key.mac(s.build(r, c, variant{path: true}))) || ok
		}
	}
	return ok
}

// escapedOnce reports whether a path that is signed as sent names the same as
// one that is signed escaped once more. With an escaped percent sign it might
// be the canonical form of another path, whose signature it must not take.
func escapedOnce(path string) bool {
	return strings.Contains(path, "%") && !strings.Contains(path, "%25")
}

// build makes the canonical request and from it the string to sign, which
// follows one free block in the result.
func (s *scratch) build(r *Request, c *claim, sent variant) []byte {
	b := append(s.canonical[:0], r.Method...)
	b = append(b, '\n')

	// The path: escaped once more, or as the client sent it.
	if sent.path {
		b = append(b, s.path...)
	} else {
		b = appendPath(b, s.path)
	}
	b = append(b, '\n')

	// The query, without the signature.
	if sent.query {
		b = s.query.appendSent(b)
	} else {
		b = s.query.appendStrict(b, s.omit)
	}
	b = append(b, '\n')

	// The signed headers and the body's hash end the canonical request.
	b = append(b, s.headers...)
	b = append(b, '\n')
	b = append(b, c.signedHeaders...)
	b = append(b, '\n')
	b = append(b, s.body[:]...)
	s.canonical = b

	// The string to sign names the canonical request by its hash.
	hash := sha256.Sum256(b)
	var free [blockSize]byte
	b = append(s.toSign[:0], free[:]...)
	b = append(b, algorithm...)
	b = append(b, '\n')
	b = append(b, c.date...)
	b = append(b, '\n')
	b = appendScope(b, c.day, c.scope)
	b = append(b, '\n')
	b = hex.AppendEncode(b, hash[:])
	s.toSign = b
	return b
}

func appendScope(b []byte, day string, scope Scope) []byte {
	for _, part := range [...]string{day, scope.Region, scope.Service} {
		b = append(b, part...)
		b = append(b, '/')
	}
	return append(b, terminator...)
}

// tokenText is a session token in a canonical request, as header or parameter.
var tokenText = regexp.MustCompile(`(?i)(x-amz-security-token)(:[^\n]*|=[^&\n]*)`)

// redact replaces session tokens in a canonical request by their length.
func redact(canonical string) string {
	return tokenText.ReplaceAllStringFunc(canonical, func(found string) string {
		named := len(paramToken) + 1
		return found[:named] + "<" + strconv.Itoa(len(found)-named) + " bytes not shown>"
	})
}
