package nats

import (
	"encoding/hex"
	"strings"
)

// kind is what a subject carries.
type kind string

const (
	kindLive kind = "live" // ephemeral events
	kindLog  kind = "log"  // committed events
)

// subject is that of an app instance: PREFIX.KIND.APP. An app instance whose id is no token of letters, digits
// and hyphens has an underscore and the id in hexadecimal digits in its place, and the account an underscore.
func subject(prefix string, k kind, app string) string {
	if !isPlain(app) {
		app = "_" + hex.EncodeToString([]byte(app))
	}
	return prefix + "." + string(k) + "." + app
}

// parseSubject is the inverse of subject.
func parseSubject(prefix, text string) (k kind, app string, ok bool) {
	rest, ok := strings.CutPrefix(text, prefix+".")
	if !ok {
		return "", "", false
	}
	name, token, ok := strings.Cut(rest, ".")
	if k = kind(name); !ok || k != kindLive && k != kindLog {
		return "", "", false
	}
	if isPlain(token) {
		return k, token, true
	}
	digits, ok := strings.CutPrefix(token, "_")
	if !ok {
		return "", "", false
	}
	id, err := hex.DecodeString(digits)
	return k, string(id), err == nil
}

// isPlain reports whether an id can be a token as it is.
func isPlain(id string) bool {
	for i := range len(id) {
		c := id[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return id != ""
}
