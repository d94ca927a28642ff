package api

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// The references are the models' patterns, read by package regexp as far as it
// can: the repeat above 1000 is checked by counting.
var (
	refARN   = regexp.MustCompile(`\A(?s:arn:[a-z0-9-\.]{1,63}:[a-z0-9-\.]{0,63}:[a-z0-9-\.]{0,63}:[a-z0-9-\.]{0,63}:([^/])([^\n]*))\z`)
	refID    = regexp.MustCompile(`\A(?:[A-Za-z0-9]([A-Za-z0-9\:\-_\.\@]{0,62}[A-Za-z0-9])?)\z`)
	refToken = regexp.MustCompile(`\A[-_a-zA-Z0-9]*\z`)
	refLine  = regexp.MustCompile(`\A.*\z`)
	refText  = regexp.MustCompile(`\A[\x{0009}\x{000A}\x{000D}\x{0020}-\x{007E}\x{0085}\x{00A0}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]*\z`)
)

func slowARN(s string) bool {
	m := refARN.FindStringSubmatch(s)
	return m != nil && utf8.RuneCountInString(m[2]) <= 1023
}

// nearARN makes strings that are ARNs or nearly so.
func nearARN() *rapid.Generator[string] {
	part := rapid.OneOf(
		rapid.StringMatching(`[a-z0-9.-]{0,5}`),
		rapid.StringMatching(`[a-z]{60,66}`),
		rapid.StringMatching(`[a-zA-Z_:/é]{0,3}`),
	)
	resource := rapid.OneOf(
		rapid.StringMatching(`[a-z/:@\n]{0,8}`),
		rapid.String(),
		rapid.Map(rapid.IntRange(1020, 1028), func(n int) string { return strings.Repeat("x", n) }),
		rapid.Map(rapid.IntRange(1020, 1028), func(n int) string { return strings.Repeat("é", n) }),
	)
	return rapid.Custom(func(t *rapid.T) string {
		head := rapid.SampledFrom([]string{"arn:", "arn", "ARN:", ""}).Draw(t, "head")
		return head + part.Draw(t, "partition") + ":" + part.Draw(t, "service") + ":" + part.Draw(t, "region") + ":" +
			part.Draw(t, "account") + ":" + resource.Draw(t, "resource")
	})
}

func TestScannersAgreeWithThePatterns(t *testing.T) {
	short := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zA-Z0-9:@._-]{0,70}`), rapid.StringMatching(`[a-z\n\r\t ]{0,5}`))
	edges := rapid.StringOf(rapid.SampledFrom([]rune("a \x00\t\n\r\x1f~\x7f\u0080\u0085\u009f\u00a0\ud7ff\ue000\ufffd\ufffe\uffff\U00010000\U0010ffff")))
	cases := []struct {
		name string
		fast func(string) bool
		slow func(string) bool
		gen  *rapid.Generator[string]
	}{
		{"ARN", IsARN, slowARN, nearARN()},
		{"ARN of anything", IsARN, slowARN, rapid.String()},
		{"ID", IsID, refID.MatchString, short},
		{"token", IsToken, refToken.MatchString, short},
		{"line", IsLine, refLine.MatchString, rapid.OneOf(short, edges)},
		{"text", IsText, refText.MatchString, rapid.OneOf(short, edges)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := c.gen.Draw(t, "s")
				if !utf8.ValidString(s) {
					t.Skip("scanners see valid UTF-8 only")
				}
				if c.fast(s) != c.slow(s) {
					t.Fatalf("%q: scanner %v, pattern %v", s, c.fast(s), c.slow(s))
				}
			})
		})
	}
}

func TestARNEdges(t *testing.T) {
	cases := map[string]bool{
		"arn:aws:chime:us-east-1:123456789012:app-instance/A/user/us-east-1:abc@x": true,
		"arn:a::::x":                            true,
		"arn:::::x":                             false, // the partition has one character at least
		"arn:a::::":                             false,
		"arn:a::::/x":                           false,
		"arn:a::::\nx":                          true, // as the pattern has it
		"arn:a::::x\n":                          false,
		"arn:a:::x":                             false,
		"":                                      false,
		"arn:A::::x":                            false,
		"arn:a::::" + strings.Repeat("x", 1024): true,
		"arn:a::::" + strings.Repeat("x", 1025): false,
		"arn:" + strings.Repeat("a", 63) + "::::x":             true,
		"arn:" + strings.Repeat("a", 64) + "::::x":             false,
		"arn:a:" + strings.Repeat("a", 64) + ":::x":            false,
		"arn:a::::" + strings.Repeat("\U0001F600", 1024):       true,
		"arn:a::::" + strings.Repeat("\U0001F600", 1024) + "x": false,
	}
	for s, want := range cases {
		if IsARN(s) != want {
			t.Errorf("%.40q: got %v", s, !want)
		}
	}
}
