package policy

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// statement is drawn; Go's encoder writes it as policy JSON.
type statement struct {
	Effect      Effect
	Action      []string                       `json:",omitempty"`
	NotAction   []string                       `json:",omitempty"`
	Resource    []string                       `json:",omitempty"`
	NotResource []string                       `json:",omitempty"`
	Condition   map[string]map[string][]string `json:",omitempty"`
}

var (
	someActions   = rapid.SliceOfN(rapid.SampledFrom([]string{"a:Get", "a:Put", "a:*", "a:?et", "*", "b:Get", "b:G*t"}), 1, 3)
	someResources = rapid.SliceOfN(rapid.SampledFrom([]string{"*", "arn:p:s:::x", "arn:p:s:::x/*", "arn:p:s:::${k:var}", "arn:p:s:::${k:none}/y", "arn:p:s:::?"}), 1, 3)
	someCondition = rapid.SampledFrom([]string{"StringEquals", "StringNotEquals", "StringLike", "StringNotLikeIfExists", "ForAllValues:StringEquals", "ForAnyValue:StringNotEquals", "ForAnyValue:StringLike"})
	someKey       = rapid.SampledFrom([]string{"k:var", "k:list", "k:none"})
	someValues    = rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y*", "${k:var}", "${k:none}", "${k:none, 'x'}", ""}), 1, 2)
)

func drawStatement(t *rapid.T, effects ...Effect) statement {
	s := statement{Effect: rapid.SampledFrom(effects).Draw(t, "effect")}
	if rapid.IntRange(0, 3).Draw(t, "not action") > 0 {
		s.Action = someActions.Draw(t, "actions")
	} else {
		s.NotAction = someActions.Draw(t, "actions")
	}
	if rapid.IntRange(0, 3).Draw(t, "not resource") > 0 {
		s.Resource = someResources.Draw(t, "resources")
	} else {
		s.NotResource = someResources.Draw(t, "resources")
	}
	if rapid.Bool().Draw(t, "conditional") {
		s.Condition = map[string]map[string][]string{someCondition.Draw(t, "operator"): {someKey.Draw(t, "key"): someValues.Draw(t, "values")}}
	}
	return s
}

func drawStatements(t *rapid.T, effects ...Effect) []statement {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) statement { return drawStatement(t, effects...) }), 1, 4).Draw(t, "statements")
}

func drawQuestion(t *rapid.T) Question {
	context := caseContext{
		{"k:var", []string{rapid.SampledFrom([]string{"x", "*", "y1"}).Draw(t, "variable")}, true},
		{"k:list", rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y1", "z", ""}), 0, 3).Draw(t, "list"), rapid.Bool().Draw(t, "steady")},
	}
	return Question{
		Action:   rapid.SampledFrom([]string{"a:Get", "A:PUT", "b:get", "c:Other"}).Draw(t, "action"),
		Resource: rapid.SampledFrom([]string{"arn:p:s:::x", "arn:p:s:::x/y", "arn:p:s:::y1", "arn:p:s:::*", "arn:p:s:::yy"}).Draw(t, "resource"),
		Context:  context,
	}
}

func policyOf(t *rapid.T, statements ...statement) Policy {
	text, err := json.Marshal(map[string]any{"Version": Version2012, "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return Policy{"P", doc}
}

func TestAddingAnAllowRemovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		statements, q := drawStatements(t, Allow, Deny), drawQuestion(t)
		before := (&Set{Identity: []Policy{policyOf(t, statements...)}}).Decide(q)
		more := append(slices.Clone(statements), drawStatement(t, Allow))
		after := (&Set{Identity: []Policy{policyOf(t, more...)}}).Decide(q)
		if before.Allowed && !after.Allowed || before.Explicit != after.Explicit {
			t.Fatalf("before: %v %s; after: %v %s", before.Allowed, before.Reason(), after.Allowed, after.Reason())
		}
	})
}

func TestDenyWins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		allows, deny, q := drawStatements(t, Allow), drawStatement(t, Deny), drawQuestion(t)
		denied := (&Set{Identity: []Policy{policyOf(t, deny)}}).Decide(q).Explicit
		allowed := (&Set{Identity: []Policy{policyOf(t, allows...)}}).Decide(q).Allowed
		at := rapid.IntRange(0, len(allows)).Draw(t, "at")
		all := slices.Insert(slices.Clone(allows), at, deny)
		layer := rapid.IntRange(0, 2).Draw(t, "layer")
		set := &Set{Identity: []Policy{policyOf(t, all...)}}
		if layer > 0 {
			set = &Set{Identity: []Policy{policyOf(t, allows...)}}
			set.Session = []Policy{policyOf(t, deny)}
			if layer == 2 {
				set.Boundary, set.Session = set.Session, nil
			}
		}
		d := set.Decide(q)
		if d.Explicit != denied || d.Allowed != (allowed && !denied) {
			t.Fatalf("allowed %v %s; an allow matches: %v, the deny matches: %v", d.Allowed, d.Reason(), allowed, denied)
		}
		if denied && d.Statement.Effect != Deny {
			t.Fatal("the statement that decided is no deny")
		}
	})
}

func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		statements, q := drawStatements(t, Allow, Deny), drawQuestion(t)
		mixed := rapid.Permutation(statements).Draw(t, "mixed")
		a := (&Set{Identity: []Policy{policyOf(t, statements...)}}).Decide(q)
		b := (&Set{Identity: []Policy{policyOf(t, mixed...)}}).Decide(q)
		if a.Allowed != b.Allowed || a.Explicit != b.Explicit {
			t.Fatalf("%s, and in another order %s", a.Reason(), b.Reason())
		}
		// Nor does it matter into how many policies they are divided.
		set := &Set{}
		for _, s := range mixed {
			set.Identity = append(set.Identity, policyOf(t, s))
		}
		if c := set.Decide(q); a.Allowed != c.Allowed || a.Explicit != c.Explicit {
			t.Fatalf("%s, and in policies of their own %s", a.Reason(), c.Reason())
		}
	})
}

func TestLimitsOnlyNarrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own, limit, q := policyOf(t, drawStatements(t, Allow, Deny)...), policyOf(t, drawStatements(t, Allow, Deny)...), drawQuestion(t)
		wide := (&Set{Identity: []Policy{own}}).Decide(q)
		alone := (&Set{Identity: []Policy{limit}}).Decide(q)
		for _, set := range []*Set{
			{Identity: []Policy{own}, Session: []Policy{limit}, HasSession: true},
			{Identity: []Policy{own}, Boundary: []Policy{limit}, HasBoundary: true},
		} {
			if d := set.Decide(q); d.Allowed != (wide.Allowed && alone.Allowed) {
				t.Fatalf("allowed %v %s; without the limit %v, by the limit %v", d.Allowed, d.Reason(), wide.Allowed, alone.Allowed)
			}
		}
		for _, set := range []*Set{{Identity: []Policy{own}, HasSession: true}, {Identity: []Policy{own}, HasBoundary: true}} {
			if set.Decide(q).Allowed {
				t.Fatal("a limit without policies allows something")
			}
		}
	})
}

// The decision is that of the statements that match one by one.
func TestDecideFollowsTheMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, q := &Set{Identity: []Policy{policyOf(t, drawStatements(t, Allow, Deny)...)}}, drawQuestion(t)
		d := set.Decide(q)
		effects := map[Effect]bool{}
		listed := d.Statement == nil
		for _, m := range set.Matches(q) {
			effects[m.Statement.Effect] = true
			listed = listed || m.Statement == d.Statement && m.Index == d.Index && m.Policy == d.Policy
		}
		if d.Explicit != effects[Deny] || d.Allowed != (effects[Allow] && !effects[Deny]) || !listed {
			t.Fatalf("%s, but the statements that match have %v", d.Reason(), effects)
		}
	})
}

// What is not said to be able to change may be kept: another value of a changing key gives the
// same answer.
func TestSteadyDecisionsCanBeKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set, q := &Set{Identity: []Policy{policyOf(t, drawStatements(t, Allow, Deny)...)}}, drawQuestion(t)
		context := q.Context.(caseContext)
		context[1].steady = false
		first := set.Decide(q)
		context[1].values = []string{"other"}
		if second := set.Decide(q); first.Steady && (first.Allowed != second.Allowed || !second.Steady) {
			t.Fatalf("first %s, then %s", first.Reason(), second.Reason())
		}
	})
}

// A document written again from its statements decides the same.
func TestStatementsKeepTheirText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := policyOf(t, drawStatements(t, Allow, Deny)...), drawQuestion(t)
		again, err := Parse([]byte(document(p.Document)))
		if err != nil {
			t.Fatal(err)
		}
		a, b := (&Set{Identity: []Policy{p}}).Decide(q), (&Set{Identity: []Policy{{"P", again}}}).Decide(q)
		if a.Allowed != b.Allowed || a.Reason() != b.Reason() {
			t.Fatalf("%s, and written again %s", a.Reason(), b.Reason())
		}
	})
}

func TestMatchEqualsANaiveOne(t *testing.T) {
	letters := rapid.SampledFrom([]rune("abé*?"))
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(letters, 0, 10, -1).Draw(t, "pattern")
		text := rapid.StringOfN(letters, 0, 12, -1).Draw(t, "text")
		want := naive(pattern).MatchString(text)
		if got := match(encodeWildcards(pattern), text); got != want {
			t.Fatalf("match(%q, %q) = %v", pattern, text, got)
		}
		set := Set{Identity: []Policy{policyOf(t, statement{Effect: Allow, Action: []string{"*"}, Resource: []string{"arn:" + pattern + ":::::"}})}}
		if got := set.Decide(Question{Action: "a:b", Resource: "arn:" + text + ":::::"}).Allowed; got != want {
			t.Fatalf("the resource %q for %q: %v", pattern, text, got)
		}
	})
}

func TestActionsEqualANaiveMatcher(t *testing.T) {
	letters := rapid.SampledFrom([]rune("abAB*?"))
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.StringOfN(letters, 1, 6, -1), 1, 5).Draw(t, "names")
		action := "s:" + rapid.StringOfN(rapid.SampledFrom([]rune("abAB")), 1, 8, -1).Draw(t, "action")
		want := false
		var list []string
		for _, n := range names {
			list = append(list, "s:"+n)
			want = want || naive(strings.ToLower("s:"+n)).MatchString(strings.ToLower(action))
		}
		allow := Set{Identity: []Policy{policyOf(t, statement{Effect: Allow, Action: list, Resource: []string{"*"}})}}
		except := Set{Identity: []Policy{policyOf(t, statement{Effect: Allow, NotAction: list, Resource: []string{"*"}})}}
		q := Question{Action: action, Resource: "x"}
		if got := allow.Decide(q).Allowed; got != want || except.Decide(q).Allowed == want {
			t.Fatalf("%q among %q: %v, want %v", action, list, got, want)
		}
	})
}

func naive(pattern string) *regexp.Regexp {
	expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile(`\A(?s:` + expression + `)\z`)
}
