package chime

import "strings"

// Pattern is a text in which each * stands for any text, also an empty one. Settings choose by patterns
// what stands for the resources of other services that ARNs name.
type Pattern string

// Matches reports whether the pattern stands for the ARN.
func (p Pattern) Matches(arn string) bool {
	head, rest, star := strings.Cut(string(p), "*")
	if !star {
		return head == arn
	}
	arn, ok := strings.CutPrefix(arn, head)

	// Each piece between two stars is looked for as early as it comes, and the last at the end.
	for ok && star {
		var piece string
		if piece, rest, star = strings.Cut(rest, "*"); star {
			_, arn, ok = strings.Cut(arn, piece)
		} else {
			ok = strings.HasSuffix(arn, piece)
		}
	}
	return ok
}
