package policy

import (
	"os"
	"strings"
	"testing"
)

// demoSet is the user policy of the public demo, as testdata/deployments.txt has it.
func demoSet(tb testing.TB) *Set {
	tb.Helper()
	text, err := os.ReadFile("testdata/deployments.txt")
	if err != nil {
		tb.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "policy inline policy user\n")
	document, _, _ := strings.Cut(after, "\n\n")
	doc, err := Parse([]byte(document))
	if err != nil {
		tb.Fatal(err)
	}
	return &Set{Identity: []Policy{{"inline policy user", doc}}}
}

const app = "arn:aws:chime:us-east-1:111122223333:app-instance/APP"

var ann Context = caseContext{{"aws:principaltag/useruuid", []string{"ann"}, true}}

func BenchmarkDecide(b *testing.B) {
	set := demoSet(b)
	for name, resource := range map[string]string{
		"channel": app + "/channel/0f1e2d3c4b5a69788796a5b4c3d2e1f0",
		"user":    app + "/user/ann",
		"refused": app + "/user/bob",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.Decide(Question{Action: "chime:SendChannelMessage", Resource: resource, Context: ann})
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	text := []byte(document(demoSet(b).Identity[0].Document))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

// document writes a document again from its statements.
func document(d *Document) string {
	var list []string
	for _, s := range d.Statements {
		list = append(list, s.JSON())
	}
	return `{"Version":"` + d.Version + `","Statement":[` + strings.Join(list, ",") + `]}`
}

// A decision is asked for with every request: it must leave nothing for the garbage collector.
func TestDecideDoesNotAllocate(t *testing.T) {
	wild := mustParse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["chime:*Channel*","chime:Connect"],"Resource":"arn:aws:chime:*:*:app-instance/*/channel/?*"}]}`)
	conditions := mustParse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{
		"StringLike":{"aws:PrincipalTag/UserUUID":["b*","${aws:PrincipalTag/UserUUID}"]},"StringNotEquals":{"aws:PrincipalTag/UserUUID":"bob"}}}]}`)
	demo := demoSet(t)
	limited := &Set{Identity: demo.Identity, HasBoundary: true, Boundary: demo.Identity, HasSession: true, Session: []Policy{{"session policy 1", wild}}}
	for name, tc := range map[string]struct {
		set      *Set
		resource string
		allowed  bool
	}{
		"exact actions":     {demo, app + "/channel/c", true},
		"variable":          {demo, app + "/user/ann", true},
		"refused":           {demo, app + "/user/bob", false},
		"three layers":      {limited, app + "/channel/c", true},
		"refused by limits": {limited, app + "/user/ann", false},
		"conditions":        {&Set{Identity: []Policy{{"P", conditions}}}, app + "/user/ann", true},
	} {
		q := Question{Action: "chime:SendChannelMessage", Resource: tc.resource, Context: ann}
		if got := tc.set.Decide(q); got.Allowed != tc.allowed {
			t.Errorf("%s: allowed %v %s", name, got.Allowed, got.Reason())
		}
		if n := testing.AllocsPerRun(100, func() { tc.set.Decide(q) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func mustParse(tb testing.TB, text string) *Document {
	tb.Helper()
	doc, err := Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}
