package client

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns the text with everything that is not printable escaped as Go does it: newlines
// as \n, the escape character of terminals as \x1b, marks that turn the direction of writing as
// \u202e. What is not UTF-8 becomes U+FFFD. A program that prints names and messages on a terminal
// prints them so: users choose them, and a terminal obeys what it is shown.
func Printable(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, unprintable) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if !unprintable(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
