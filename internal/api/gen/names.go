package main

import (
	"strings"
	"unicode"
)

// typeName is a shape's Go type: the model's name, exported.
func typeName(shape string) string { return upperFirst(shape) }

// fieldName is a member's Go name: Arn, Id and Url in capitals at the end of a
// word, also in the plural.
func fieldName(member string) string {
	s := upperFirst(member)
	var b strings.Builder
	for i := 0; i < len(s); {
		if word := initialism(s[i:]); word != "" {
			b.WriteString(strings.ToUpper(word))
			i += len(word)
			continue
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

// initialism gives the word at the start of s that is spelled in capitals.
func initialism(s string) string {
	for _, word := range []string{"Arn", "Id", "Url"} {
		rest, ok := strings.CutPrefix(s, word)
		if !ok {
			continue
		}
		rest = strings.TrimPrefix(rest, "s")
		if rest == "" || unicode.IsUpper(rune(rest[0])) {
			return word
		}
	}
	return ""
}

// constName is the Go constant of an enumeration's value.
func constName(typ, value string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(value, func(r rune) bool { return r == '_' || r == '-' }) {
		if strings.ToUpper(word) == word {
			word = strings.ToLower(word)
		}
		b.WriteString(upperFirst(word))
	}
	return typ + fieldName(b.String())
}

func upperFirst(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
