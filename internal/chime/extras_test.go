package chime

import (
	"slices"
	"strings"
	"testing"
)

func TestExtrasAreParsedByTheirNames(t *testing.T) {
	for list, want := range map[string]string{
		"":                       "",
		"typing":                 "typing",
		"unread,presence":        "presence,unread",
		"presence,,typing":       "presence,typing",
		"presense,TYPING,unread": "unread",
		"unread,unread":          "unread",
		"presence,typing,unread": strings.Join(AllExtras.Names(), ","),
	} {
		if got := ParseExtras(strings.Split(list, ",")).Names(); got == nil || strings.Join(got, ",") != want {
			t.Errorf("%q is %q, want %q", list, got, want)
		}
	}
	if !slices.IsSorted(extraNames[:]) {
		t.Errorf("%q are not in order", extraNames)
	}
}
