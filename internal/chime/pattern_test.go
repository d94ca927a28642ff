package chime_test

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
)

func TestPatterns(t *testing.T) {
	const arn = "arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-audit"
	for pattern, want := range map[chime.Pattern]bool{
		arn: true, "*": true, "**": true, "arn:aws:kinesis:*": true, "*:stream/chime-messaging-audit": true, "*audit*": true,
		"arn:*:kinesis:*:stream/*": true, "*" + arn + "*": true, "arn:*-*-audit": true,

		"": false, arn + "x": false, "arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-audi": false, "*audi": false, "rn:*": false, "arn:aws:lambda:*": false, "*audit*audit": false, "arn*arn*": false,
		"*audit-*": false, "?*": false,
	} {
		if got := pattern.Matches(arn); got != want {
			t.Errorf("%q: %v", pattern, got)
		}
	}
	if chime.Pattern("ab*ba").Matches("aba") {
		t.Error("one text stands for two pieces")
	}
}
