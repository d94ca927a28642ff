package policy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// addDocuments gives the fuzzer every document of the case files.
func addDocuments(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	documents := regexp.MustCompile(`(?m)^\{(?:.+\n)+`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, found := range documents.FindAllString(string(text), -1) {
			document, _, _ := strings.Cut(found, "\n-> ")
			f.Add(document)
		}
	}
}

// What is read can be asked anything, and is read the same from its own statements.
func FuzzParse(f *testing.F) {
	addDocuments(f)
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func([]byte) (*Document, error){Parse, ParseTrust} {
			doc, err := read([]byte(text))
			if err != nil {
				if doc != nil || err.Error() == "" {
					t.Fatal("a document with an error, or an error that says nothing")
				}
				continue
			}
			set := &Set{Identity: []Policy{{"P", doc}}, Session: []Policy{{"S", doc}}, HasSession: true}
			q := Question{
				Action: "chime:Connect", Resource: app + "/user/ann", Context: ann,
				Principal: Principal{AWS: []string{"111122223333"}, Federated: "cognito-identity.amazonaws.com"},
			}
			d := set.Decide(q)
			if d.Allowed == (d.Statement == nil || d.Statement.Effect == Deny) {
				t.Fatalf("allowed %v %s", d.Allowed, d.Reason())
			}
			q.Action = "sts:AssumeRole"
			if d = doc.Trusts(q); d.Allowed && d.Statement.Principals == nil {
				t.Fatal("an identity policy trusts somebody")
			}
			doc.ContextKeys()
			again, err := read([]byte(strings.Replace(document(doc), `"Version":"",`, "", 1)))
			if err != nil || len(again.Statements) != len(doc.Statements) {
				t.Fatalf("read again from its own text: %v", err)
			}
			for i, s := range doc.Statements {
				if s.JSON() != again.Statements[i].JSON() || s.Start.Line > s.End.Line {
					t.Fatalf("statement %d is not where it says", i+1)
				}
			}
		}
	})
}

// The matcher agrees with a regular expression, with and without variables.
func FuzzMatch(f *testing.F) {
	f.Add("arn:aws:chime:*:app-instance/?/${k:v}", "arn:aws:chime:us-east-1:app-instance/A/x", "x")
	f.Add("*a*b?c*", "xxabbbcabc", "")
	f.Add("${*}${$}{k:v}${k:none, '*'}", "*${k:v}*", "*")
	f.Add("*??", "é\xA9", "é")
	f.Fuzz(func(t *testing.T, pattern, text, value string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) || !utf8.ValidString(value) || len(pattern) > 1000 {
			return
		}
		compiled, err := compileTemplate(pattern, true, true)
		if err != nil {
			return
		}
		var expression strings.Builder
		expression.WriteString(`\A(?s:`)
		write := func(s string) {
			expression.WriteString(strings.NewReplacer("\xFF", ".*", "\xFE", ".").Replace(quote(s)))
		}
		write(compiled.text)
		for _, p := range compiled.rest {
			if p.variable.key == "k:v" || p.variable.hasFallback {
				v := p.variable.fallback
				if p.variable.key == "k:v" {
					v = value
				}
				expression.WriteString(regexp.QuoteMeta(v))
			} else {
				expression.WriteString(`\z[^\s\S]`) // nothing
			}
			write(p.text)
		}
		expression.WriteString(`)\z`)
		want, err := regexp.MatchString(expression.String(), text)
		if err != nil {
			return // larger than the regular expressions of Go can be
		}
		e := evaluation{q: Question{Resource: text, Context: caseContext{{"k:v", []string{value}, true}}}}
		if got, _ := e.matchResource(&compiled); got != want {
			t.Fatalf("%q with %q for %q: %v", pattern, value, text, got)
		}
	})
}

// quote leaves the bytes that stand for wildcards alone.
func quote(s string) string {
	var b strings.Builder
	for s != "" {
		n := literalLength(s)
		b.WriteString(regexp.QuoteMeta(s[:n]))
		if n < len(s) {
			b.WriteByte(s[n])
			n++
		}
		s = s[n:]
	}
	return b.String()
}
