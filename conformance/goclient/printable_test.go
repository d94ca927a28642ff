package goclient_test

import (
	"testing"

	"github.com/carillon-chat/carillon/client"
)

func TestNothingPrintableMovesTheCursor(t *testing.T) {
	for text, want := range map[string]string{
		"Grüße, 日本 👍":              "Grüße, 日本 👍",
		"two\nlines\ttabs":         `two\nlines\ttabs`,
		"\x1b[2J\x1b]0;title\x07":  `\x1b[2J\x1b]0;title\a`,
		"right\u202eto left\u2066": `right\u202eto left\u2066`,
		"\u009b31m and \x7f":       `\u009b31m and \x7f`,
		"no UTF-8: \xff":           "no UTF-8: \ufffd",
	} {
		if got := client.Printable(text); got != want {
			t.Errorf("%q is printed as %s, want %s", text, got, want)
		}
	}
}
