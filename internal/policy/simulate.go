package policy

import (
	"slices"
	"strings"
)

// Layer is where a policy of a Set stands.
type Layer int

// The layers of a Set.
const (
	LayerIdentity Layer = iota
	LayerBoundary
	LayerSession
)

// Match is a statement that matches a question.
type Match struct {
	Layer     Layer
	Policy    string
	Statement *Statement
	Index     int // of the statement in its policy, from 0
}

// Matches lists every statement that matches the question, whatever its effect: layer by layer, in
// the order of the text. Decide stops where the answer is known; a simulation shows them all.
func (s *Set) Matches(q Question) []Match {
	e := evaluation{q: q, steady: true}
	var space [actionSpace]byte
	lower := appendLower(space[:0], q.Action)
	var list []Match

	for layer, policies := range [][]Policy{s.Identity, s.Boundary, s.Session} {
		for _, p := range policies {
			if p.Document == nil {
				continue
			}
			for i := range p.Document.Statements {
				if st := &p.Document.Statements[i]; e.matches(st, lower) {
					list = append(list, Match{Layer(layer), p.Name, st, i})
				}
			}
		}
	}
	return list
}

// Size is how much text a question is compared with: the bytes of all patterns and values, and the
// number of conditions. To compare one with a text takes at most as many steps as both have bytes,
// multiplied.
func (s *Set) Size() (bytes, conditions int) {
	for _, policies := range [][]Policy{s.Identity, s.Boundary, s.Session} {
		for _, p := range policies {
			if p.Document == nil {
				continue
			}
			for i := range p.Document.Statements {
				st := &p.Document.Statements[i]
				for _, list := range [][]string{st.Actions, st.NotActions, st.Resources, st.NotResources} {
					bytes += length(list)
				}
				for _, c := range st.Conditions {
					bytes, conditions = bytes+length(c.Values), conditions+1
				}
			}
		}
	}
	return bytes, conditions
}

func length(list []string) (n int) {
	for _, text := range list {
		n += len(text)
	}
	return n
}

// ContextKeys lists the condition keys that the document's conditions and variables look up: as
// written where they are first seen, each once whatever its case, sorted.
func (d *Document) ContextKeys() []string {
	var keys []string
	seen := make(map[string]bool)

	// Keys are compared without regard to case and keep their first spelling.
	add := func(name string) {
		if lower := strings.ToLower(name); !seen[lower] {
			seen[lower] = true
			keys = append(keys, name)
		}
	}
	addAll := func(list []template) {
		for _, t := range list {
			for _, p := range t.rest {
				add(p.variable.name)
			}
		}
	}

	for _, s := range d.Statements {
		addAll(s.resources)
		for _, c := range s.Conditions {
			add(c.Key)
			addAll(c.texts)
		}
	}

	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return keys
}
