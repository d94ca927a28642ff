package sigv4

import "strings"

const upperHex = "0123456789ABCDEF"

// unreserved marks the bytes that stay bare in a canonical URI (RFC 3986).
var unreserved = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") {
		set[c] = true
	}
	return set
}()

// appendPath appends the canonical form of a path as sent: every byte but the
// unreserved ones and the slash is escaped, the percent sign included, which
// is what makes an escaped path escaped twice.
func appendPath(b []byte, path string) []byte {
	if path == "" {
		return append(b, '/')
	}
	start := 0
	for i := 0; i < len(path); i++ {
		if c := path[i]; !unreserved[c] && c != '/' {
			b = append(b, path[start:i]...)
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
			start = i + 1
		}
	}
	return append(b, path[start:]...)
}

// appendStrict appends one name or value of a query as sent, decoded and then
// escaped strictly. A plus is a plus. It reports whether every percent sign
// began an escape.
func appendStrict(b []byte, s string) ([]byte, bool) {
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if unreserved[c] {
			continue
		}

		b = append(b, s[start:i]...)
		if c == '%' {
			var ok bool
			if c, ok = unhex(s[i+1:]); !ok {
				return b, false
			}
			i += 2
		}

		if unreserved[c] {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
		start = i + 1
	}
	return append(b, s[start:]...), true
}

// unescape decodes a value that appendStrict accepted. It allocates only when
// there is something to decode.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if decoded, ok := unhex(s[i+1:]); ok {
				c = decoded
				i += 2
			}
		}
		out.WriteByte(c)
	}
	return out.String()
}

// unhex reads the two hexadecimal digits at the start of s.
func unhex(s string) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	high, ok1 := nibble(s[0])
	low, ok2 := nibble(s[1])
	return high<<4 | low, ok1 && ok2
}

func nibble(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// appendEscaped appends a decoded name or value, escaped strictly.
func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; unreserved[c] {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}
