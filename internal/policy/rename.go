package policy

import "strings"

// span is where a string of a document is, with its quotes.
type span struct{ begin, end int }

// RenamePrincipals gives the text of a trust policy with other names for its AWS principals: each that
// has a name in other gets that. The rest of the text stays as it is, and so does a text that is no trust
// policy.
func RenamePrincipals(text string, other map[string]string) string {
	d, err := ParseTrust([]byte(text))
	if err != nil {
		return text
	}
	var b strings.Builder
	done := 0
	for _, s := range d.Statements {
		for i, at := range s.Principals.spans {
			if name, renamed := other[s.Principals.AWS[i]]; renamed {
				b.WriteString(text[done:at.begin] + `"` + name + `"`)
				done = at.end
			}
		}
	}
	return b.String() + text[done:]
}
