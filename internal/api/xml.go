package api

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendOpen appends a start tag.
func AppendOpen(b []byte, name string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	return append(b, '>')
}

// AppendEnd appends an end tag.
func AppendEnd(b []byte, name string) []byte {
	b = append(b, '<', '/')
	b = append(b, name...)
	return append(b, '>')
}

// AppendElement appends an element with text.
func AppendElement(b []byte, name, text string) []byte {
	b = AppendOpen(b, name)
	b = AppendText(b, text)
	return AppendEnd(b, name)
}

// AppendIntElement appends an element with a number.
func AppendIntElement(b []byte, name string, n int) []byte {
	return AppendEnd(strconv.AppendInt(AppendOpen(b, name), int64(n), 10), name)
}

// AppendBoolElement appends an element with true or false.
func AppendBoolElement(b []byte, name string, v bool) []byte {
	return AppendEnd(strconv.AppendBool(AppendOpen(b, name), v), name)
}

// AppendTimeElement appends an element with an ISO 8601 time, UTC, with
// milliseconds.
func AppendTimeElement(b []byte, name string, t time.Time) []byte {
	return AppendEnd(appendISO(AppendOpen(b, name), t), name)
}

// AppendText appends character data, also fit for a quoted attribute. What XML
// 1.0 cannot hold becomes U+FFFD.
func AppendText(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			b = appendXMLByte(b, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == 0xFFFE || r == 0xFFFF {
			r = utf8.RuneError
		}
		b = utf8.AppendRune(b, r)
		i += size
	}
	return b
}

func appendXMLByte(b []byte, c byte) []byte {
	switch {
	case c == '&':
		return append(b, "&amp;"...)
	case c == '<':
		return append(b, "&lt;"...)
	case c == '>':
		return append(b, "&gt;"...)
	case c == '"':
		return append(b, "&#34;"...)
	case c == '\'':
		return append(b, "&#39;"...)
	case c == '\t':
		return append(b, "&#x9;"...)
	case c == '\n':
		return append(b, "&#xA;"...)
	case c == '\r':
		return append(b, "&#xD;"...)
	case c < ' ':
		return append(b, "\uFFFD"...)
	}
	return append(b, c)
}
