package api

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// CloseObject ends an object whose members were written as `,"Name":value`
// from start on: it turns the first comma into the opening brace, so that no
// encoder has to know which member comes first.
func CloseObject(b []byte, start int) []byte {
	if len(b) == start {
		return append(b, '{', '}')
	}
	b[start] = '{'
	return append(b, '}')
}

// CloseArray does the same for elements written as `,value`.
func CloseArray(b []byte, start int) []byte {
	if len(b) == start {
		return append(b, '[', ']')
	}
	b[start] = '['
	return append(b, ']')
}

// AppendString appends s as a JSON string. Invalid UTF-8 becomes U+FFFD.
func AppendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7F {
			// The error only says that bytes were replaced.
			b, _ = jsontext.AppendQuote(b, s)
			return b
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// AppendInString appends JSON text as the inside of a JSON string. The text has no space between its tokens,
// as what this package and the generated code append: only quotes and backslashes have to be escaped.
func AppendInString(b, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '"')
		if i < 0 {
			return appendBackslashes(b, text)
		}
		b = append(appendBackslashes(b, text[:i]), '\\', '"')
		text = text[i+1:]
	}
}

func appendBackslashes(b, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return append(b, text...)
		}
		b = append(append(b, text[:i]...), '\\', '\\')
		text = text[i+1:]
	}
}

// AppendStrings appends a list of strings.
func AppendStrings[S ~string](b []byte, list []S) []byte {
	start := len(b)
	for _, s := range list {
		b = AppendString(append(b, ','), string(s))
	}
	return CloseArray(b, start)
}

// AppendInt appends a number.
func AppendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

// AppendBool appends true or false.
func AppendBool(b []byte, v bool) []byte { return strconv.AppendBool(b, v) }

// SortedKeys appends the keys of m to buf, which may be on the caller's stack,
// and sorts them: the same value always has the same encoding.
func SortedKeys[T any](m map[string]T, buf []string) []string {
	for k := range m {
		buf = append(buf, k)
	}
	slices.Sort(buf)
	return buf
}
