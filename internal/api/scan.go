package api

import (
	"strings"
	"unicode/utf8"
)

// The scanners below stand for patterns of the models that regular expressions
// serve badly: Go refuses a repeat above 1000, and a scan takes a hundredth of
// the time. Strings are valid UTF-8 when they get here.

// IsARN reports whether s has the form of an ARN: the models' pattern ChimeArn,
// arn:[a-z0-9-\.]{1,63}:([a-z0-9-\.]{0,63}:){3}[^/].{0,1023}.
func IsARN(s string) bool {
	rest, ok := strings.CutPrefix(s, "arn:")
	if !ok {
		return false
	}
	for part := range 4 {
		n := 0
		for n < len(rest) && arnBytes[rest[n]] {
			n++
		}
		if n > 63 || n == 0 && part == 0 || n == len(rest) || rest[n] != ':' {
			return false
		}
		rest = rest[n+1:]
	}
	if rest == "" || rest[0] == '/' {
		return false
	}
	// The resource's first character may be a line break, as [^/] says.
	_, size := utf8.DecodeRuneInString(rest)
	tail := rest[size:]
	return !strings.Contains(tail, "\n") && (len(tail) <= 1023 || utf8.RuneCountInString(tail) <= 1023)
}

// arnBytes are the bytes of [a-z0-9-\.].
var arnBytes = byteSet("abcdefghijklmnopqrstuvwxyz0123456789-.")

// byteSet makes a table to test bytes by.
func byteSet(members string) (set [256]bool) {
	for i := range len(members) {
		set[members[i]] = true
	}
	return set
}

// IsToken reports whether s matches [-_a-zA-Z0-9]*.
func IsToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// IsID reports whether s is an id that a caller may choose (UserId, ChannelId):
// [A-Za-z0-9]([A-Za-z0-9:\-_.@]{0,62}[A-Za-z0-9])?.
func IsID(s string) bool {
	n := len(s)
	if n == 0 || n > 64 || !isAlphanumeric(s[0]) || !isAlphanumeric(s[n-1]) {
		return false
	}
	for i := range n {
		switch c := s[i]; {
		case isAlphanumeric(c):
		case c == ':', c == '-', c == '_', c == '.', c == '@':
		default:
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// IsLine reports whether s matches .*: it has no line feed.
func IsLine(s string) bool { return strings.IndexByte(s, '\n') < 0 }

// IsText reports whether s has only characters that may stand in a name: those
// of XML 1.0 without C1 controls other than U+0085.
func IsText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 && c != '\t' && c != '\n' && c != '\r' || c == 0x7F {
			return false
		}
		if s[i] >= utf8.RuneSelf {
			return isWideText(s[i:])
		}
	}
	return true
}

func isWideText(s string) bool {
	for _, r := range s {
		switch {
		case r < 0x20:
			if r != '\t' && r != '\n' && r != '\r' {
				return false
			}
		case r == 0x7F, r > 0x7F && r < 0xA0 && r != 0x85, r == 0xFFFE, r == 0xFFFF:
			return false
		}
	}
	return true
}
