package policy

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the answers that the package gives into testdata/*.txt")

// TestCases asks the questions of testdata/*.txt; testdata/README.md describes the files.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no case files", err)
	}
	questions := 0
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := caseRunner{t: t, file: file, lines: strings.Split(string(text), "\n")}
			r.run()
			questions += r.questions
			if got := strings.Join(r.out, "\n"); *update && got != string(text) {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	t.Logf("%d questions", questions)
}

// caseRunner goes through the lines of a file and writes them out again with the answers given.
type caseRunner struct {
	t         *testing.T
	file      string
	lines     []string
	at        int
	out       []string
	questions int

	set   Set
	trust *Document
	given caseContext
}

func (r *caseRunner) run() {
	for r.at < len(r.lines) {
		line := r.take()
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "", "#":
		case "==":
			r.set, r.trust, r.given = Set{}, nil, nil
		case "given":
			r.given = append(r.given, r.context(rest)...)
		case "policy":
			r.set.Identity = append(r.set.Identity, Policy{rest, r.parse(r.json())})
		case "boundary":
			r.set.HasBoundary = true
			r.set.Boundary = append(r.set.Boundary, Policy{rest, r.parse(r.json())})
		case "session":
			r.set.HasSession = true
			r.set.Session = append(r.set.Session, Policy{rest, r.parse(r.json())})
		case "trust":
			doc, err := ParseTrust([]byte(r.json()))
			if err != nil {
				r.t.Fatalf("%s:%d: %v", r.file, r.at, err)
			}
			r.trust = doc
		case "ask":
			r.ask(rest)
		case "condition":
			r.table(`"Action":"chime:X","Resource":"*","Condition":`+rest, func(s string) Question {
				return Question{Action: "chime:X", Resource: "x", Context: append(r.context(s), r.given...)}
			})
		case "resource":
			r.table(`"Action":"chime:X","Resource":`+rest, func(s string) Question {
				return Question{Action: "chime:X", Resource: s, Context: r.given}
			})
		case "action":
			r.table(`"Resource":"*","Action":`+rest, func(s string) Question { return Question{Action: s, Resource: "x"} })
		case "refuse":
			r.refuse(rest)
		case "keys":
			r.answer(cmp.Or(strings.Join(r.parse(r.json()).ContextKeys(), ", "), "none"))
		default:
			r.t.Fatalf("%s:%d: what is %q?", r.file, r.at, line)
		}
	}
}

func (r *caseRunner) take() string {
	line := r.lines[r.at]
	r.at++
	r.out = append(r.out, line)
	return line
}

func (r *caseRunner) peek(prefix string) bool {
	return r.at < len(r.lines) && strings.HasPrefix(r.lines[r.at], prefix)
}

// json takes lines up to an empty line or an answer.
func (r *caseRunner) json() string {
	var text []string
	for r.at < len(r.lines) && r.lines[r.at] != "" && !r.peek("-> ") {
		text = append(text, r.take())
	}
	return strings.Join(text, "\n")
}

func (r *caseRunner) parse(text string) *Document {
	doc, err := Parse([]byte(text))
	if err != nil {
		r.t.Fatalf("%s:%d: %v", r.file, r.at, err)
	}
	return doc
}

// answer compares the lines that begin with an arrow with those it is given.
func (r *caseRunner) answer(got ...string) {
	r.questions++
	at, n := r.at+1, len(r.out)
	var want []string
	for r.peek("-> ") {
		want = append(want, strings.TrimPrefix(r.take(), "-> "))
	}
	r.out = r.out[:n]
	for _, line := range got {
		r.out = append(r.out, "-> "+line)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") && !*update {
		r.t.Errorf("%s:%d: answered %q, want %q", r.file, at, got, want)
	}
}

func (r *caseRunner) ask(what string) {
	q := Question{}
	q.Action, q.Resource, _ = strings.Cut(what, " ")
	var context caseContext
	for r.peek("  ") {
		line := strings.TrimSpace(r.take())
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "AWS":
			q.Principal.AWS = append(q.Principal.AWS, rest)
		case "Federated":
			q.Principal.Federated = rest
		case "Service":
			q.Principal.Service = rest
		default:
			context = append(context, r.context(line)...)
		}
	}
	q.Context = append(context, r.given...)
	d := r.set.Decide(q)
	if r.trust != nil {
		d = r.trust.Trusts(q)
	}
	verb := "refused "
	if d.Allowed {
		verb = "allowed "
	}
	answer := []string{verb + d.Reason()}
	if len(d.Missing) > 0 {
		answer = append(answer, "missing "+strings.Join(d.Missing, ", "))
	}
	if !d.Steady {
		answer = append(answer, "may change")
	}
	r.answer(answer...)
}

// table puts the rest of a statement to each of the lines that follow.
func (r *caseRunner) table(rest string, question func(string) Question) {
	set := Set{Identity: []Policy{{"", r.parse(`{"Version":"2012-10-17","Statement":{"Effect":"Allow",` + rest + `}}`)}}}
	for r.peek("  ") {
		line := r.take()
		asked, want, found := strings.Cut(line, " -> ")
		if !found {
			r.t.Fatalf("%s:%d: no answer", r.file, r.at)
		}
		got := "no"
		if set.Decide(question(strings.TrimSpace(asked))).Allowed {
			got = "yes"
		}
		r.questions++
		r.out[len(r.out)-1] = asked + " -> " + got
		if got != want && !*update {
			r.t.Errorf("%s:%d: %s: answered %s", r.file, r.at, line, got)
		}
	}
}

func (r *caseRunner) refuse(what string) {
	read := Parse
	if what == "trust" {
		read = ParseTrust
	}
	if _, err := read([]byte(r.json())); err != nil {
		r.answer(err.Error())
	} else {
		r.answer("accepted")
	}
}

// caseContext gives the values that a case file lists.
type caseContext []caseValue

type caseValue struct {
	key    string
	values []string
	steady bool
}

func (c caseContext) Lookup(key string) ([]string, bool, bool) {
	for _, v := range c {
		if v.key == key {
			return v.values, true, v.steady
		}
	}
	return nil, false, true
}

// context reads "key = value | value; key ~ value".
func (r *caseRunner) context(text string) (list caseContext) {
	if text == "(nothing)" {
		return nil
	}
	for entry := range strings.SplitSeq(text, "; ") {
		v := caseValue{steady: true}
		key, values, found := strings.Cut(entry, " = ")
		if !found {
			key, values, found = strings.Cut(entry, " ~ ")
			v.steady = false
		}
		if !found {
			r.t.Fatalf("%s:%d: %q is no key with a value", r.file, r.at, entry)
		}
		v.key = strings.ToLower(key)
		for value := range strings.SplitSeq(values, " | ") {
			if values != "()" {
				v.values = append(v.values, strings.ReplaceAll(value, `""`, ""))
			}
		}
		list = append(list, v)
	}
	return list
}

// String makes failures of properties readable.
func (c caseContext) String() string { return fmt.Sprint([]caseValue(c)) }
