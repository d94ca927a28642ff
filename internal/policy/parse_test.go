package policy

import (
	"strings"
	"testing"
)

// None of these would end within the life of the test if its cost were exponential.
func TestHostileDocumentsAreCheap(t *testing.T) {
	stars := "arn:aws:chime:::" + strings.Repeat("*a?", 5000) + "b"
	doc := mustParse(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:`+strings.Repeat("*a", 1000)+`","Resource":"`+stars+`"}}`)
	set := &Set{Identity: []Policy{{"P", doc}}}
	d := set.Decide(Question{Action: "chime:" + strings.Repeat("a", 1001), Resource: "arn:aws:chime:::" + strings.Repeat("a", 2000)})
	if d.Allowed {
		t.Error("a pattern with a b at its end matches text without one")
	}
	for name, text := range map[string]string{
		"deep":           `{"Version":"2012-10-17","Statement":` + strings.Repeat("[", 10_000),
		"deep condition": `{"Statement":{"Condition":` + strings.Repeat(`{"a":`, 3000),
		"deep unknown":   strings.Repeat(`{"a":`, 3000),
		"long":           `{"Version":"2012-10-17","Id":"` + strings.Repeat("x", MaxDocumentSize) + `","Statement":[]}`,
		"open list":      `{"Statement":{"Action":[` + strings.Repeat(`"a:b",`, 3000),
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	many := `{"Version":"2012-10-17","Statement":[` + strings.Repeat(`{"Effect":"Deny","NotAction":"*","Resource":"*"},`, 400) +
		`{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	set = &Set{Identity: []Policy{{"P", mustParse(t, many)}}}
	if d := set.Decide(Question{Action: "chime:Connect", Resource: "x"}); !d.Allowed || d.Index != 400 {
		t.Errorf("allowed %v %s", d.Allowed, d.Reason())
	}
}

func TestStatementsSayWhereTheyAre(t *testing.T) {
	doc := mustParse(t, `{"Statement": [
  {"Effect": "Allow", "Action": "chime:*",
   "Resource": "*"},
  {"Sid": "Second", "Condition": {"Bool": {"k:a": true}}, "Effect": "Deny", "Action": "*", "Resource": "*"}
]}`)
	for i, want := range []struct {
		start, end Position
		text       string
	}{
		{Position{2, 3}, Position{3, 20}, "{\"Effect\": \"Allow\", \"Action\": \"chime:*\",\n   \"Resource\": \"*\"}"},
		{Position{4, 3}, Position{4, 108}, `{"Sid": "Second", "Condition": {"Bool": {"k:a": true}}, "Effect": "Deny", "Action": "*", "Resource": "*"}`},
	} {
		s := doc.Statements[i]
		if s.Start != want.start || s.End != want.end || s.JSON() != want.text {
			t.Errorf("statement %d: %v to %v: %s", i+1, s.Start, s.End, s.JSON())
		}
	}
}

func TestDocumentKeepsWhatWasWritten(t *testing.T) {
	doc := mustParse(t, `{"Version":"2012-10-17","Id":"I","Statement":{"Sid":"S","Effect":"Deny","NotAction":"Chime:X","NotResource":["*","arn:a:b:::c"],
		"Condition":{"ForAllValues:StringLikeIfExists":{"aws:TagKeys":["a",1,true]}}}}`)
	s := doc.Statements[0]
	c := s.Conditions[0]
	if doc.Version != Version2012 || doc.ID != "I" || s.Sid != "S" || s.Effect != Deny || s.Actions != nil || s.Resources != nil ||
		strings.Join(s.NotActions, ",") != "Chime:X" || strings.Join(s.NotResources, ",") != "*,arn:a:b:::c" ||
		c.Operator != "ForAllValues:StringLikeIfExists" || c.Key != "aws:TagKeys" || strings.Join(c.Values, ",") != "a,1,true" {
		t.Errorf("%+v", doc)
	}
	trust, err := ParseTrust([]byte(`{"Statement":{"Effect":"Allow","Action":"sts:*","Principal":{"AWS":["111122223333"],"Service":"x"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if p := trust.Statements[0].Principals; p.Everyone || len(p.AWS) != 1 || len(p.Service) != 1 {
		t.Errorf("%+v", trust.Statements[0])
	}
}

// The two kinds of policy cannot stand in for each other.
func TestPoliciesInTheWrongPlaceMatchNothing(t *testing.T) {
	trust, err := ParseTrust([]byte(`{"Statement":{"Effect":"Allow","Action":"sts:*","Principal":"*"}}`))
	if err != nil {
		t.Fatal(err)
	}
	q := Question{Action: "sts:AssumeRole", Resource: "*", Principal: Principal{AWS: []string{"111122223333"}}}
	if d := (&Set{Identity: []Policy{{"P", trust}}}).Decide(q); d.Allowed {
		t.Error("a trust policy allows its holder something")
	}
	if d := mustParse(t, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`).Trusts(q); d.Allowed || d.Limit != LimitTrust {
		t.Error("an identity policy trusts somebody")
	}
}

func TestMatchesListEveryLayer(t *testing.T) {
	all := mustParse(t, `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"chime:Delete*","Resource":"*"}]}`)
	set := &Set{
		Identity: []Policy{{"I", all}, {"none", nil}}, Boundary: []Policy{{"B", all}}, Session: []Policy{{"S", all}},
		HasBoundary: true, HasSession: true,
	}
	var got []string
	for _, m := range set.Matches(Question{Action: "chime:DeleteChannel", Resource: "x"}) {
		got = append(got, m.Policy+string(m.Statement.Effect)+string(rune('0'+m.Layer))+string(rune('0'+m.Index)))
	}
	if strings.Join(got, " ") != "IAllow00 IDeny01 BAllow10 BDeny11 SAllow20 SDeny21" {
		t.Error(got)
	}
}
