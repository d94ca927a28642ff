package apitest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/carillon-chat/carillon/internal/api/model"
)

// Violation is a request that is valid but for one constraint.
type Violation struct {
	*Request
	Member      string // path of the member that breaks it: Tags[0].Key
	Description string // "too long"
}

// Violations breaks every constraint of an operation's input once: missing,
// too short, too long, out of range, not in the enumeration, not matching the
// pattern, of the wrong type, too many or too few elements, nested ones too.
func (s *Service) Violations(operation string) ([]Violation, error) {
	op, err := s.operation(operation)
	if err != nil || op.Input == "" {
		return nil, err
	}
	b := breaker{builder{s.model.Shapes, false}, s.model.Metadata.Protocol != "query"}
	faults, err := b.structure(op.Input)
	if err != nil {
		return nil, err
	}

	var list []Violation
	for _, f := range faults {
		members, ok := f.value.(map[string]any)
		if !ok {
			continue // the input itself is no structure: for tests of the body
		}
		r, err := newRequest(s.model, operation, members)
		if err != nil {
			return nil, err
		}
		if strings.Contains(r.Path, "{") || strings.Contains(r.Path, "//") || strings.HasSuffix(r.Path, "/") && r.Path != "/" {
			continue // without its label a path is another path
		}
		list = append(list, Violation{r, f.path, f.what})
	}
	return list, nil
}

// fault is a value of a shape with one thing wrong in it.
type fault struct {
	path, what string
	value      any
}

// breaker makes faulty values around the valid ones of a builder.
type breaker struct {
	builder
	typed bool // the protocol has strings and numbers of their own types
}

func (b breaker) structure(name string) ([]fault, error) {
	var faults []fault
	valid, err := b.builder.structure(name)
	if err != nil {
		return nil, err
	}

	for _, m := range b.shapes[name].Members {
		if m.Required {
			without := maps.Clone(valid)
			delete(without, m.Name)
			faults = append(faults, fault{m.Name, "missing", without})
		}
		inner, err := b.member(m)
		if err != nil {
			return nil, err
		}
		for _, f := range inner {
			with := maps.Clone(valid)
			with[m.Name] = f.value
			faults = append(faults, fault{join(m.Name, f.path), f.what, with})
		}
	}

	if b.typed {
		faults = append(faults, fault{"", "a string and not a structure", "text"})
	}
	return faults, nil
}

// member breaks a member where it travels: outside the body all is text, and a
// header cannot hold control characters.
func (b breaker) member(m model.Member) ([]fault, error) {
	if m.Location == "" {
		return b.value(m.Shape)
	}
	b.typed = false
	if b.shapes[m.Shape].Type == "timestamp" {
		return []fault{{"", "not a time", "yesterday"}, {"", "too precise", "2021-06-03T16:26:31.0123456789Z"}}, nil
	}
	faults, err := b.value(m.Shape)
	if b.shapes[m.Shape].Type != "string" || m.Location == "querystring" {
		return faults, err
	}
	return slices.DeleteFunc(faults, func(f fault) bool {
		return f.value == "" || m.Location == "header" && strings.ContainsFunc(fmt.Sprint(f.value), func(r rune) bool { return r < ' ' })
	}), err
}

func (b breaker) value(name string) ([]fault, error) {
	s := b.shapes[name]
	switch s.Type {
	case "structure":
		return b.structure(name)
	case "string":
		return b.text(name, s)
	case "integer":
		return b.integer(s), nil
	case "boolean":
		return []fault{{"", "not a boolean", "maybe"}}, nil
	case "timestamp":
		return []fault{{"", "not a number of seconds", "yesterday"}}, nil
	case "list":
		return b.list(s)
	case "map":
		return b.mapping(s)
	}
	return nil, fmt.Errorf("shape %s: type %s is not supported", name, s.Type)
}

func (b breaker) text(name string, s *model.Shape) ([]fault, error) {
	var faults []fault
	if b.typed {
		faults = append(faults, fault{"", "a number and not a string", 7}, fault{"", "a list and not a string", []any{"a"}})
	}
	if s.Enum != nil {
		return append(faults, fault{"", "not in the enumeration", "NO_SUCH_VALUE"}, fault{"", "empty enumeration value", ""}), nil
	}

	v, err := sampleOf(name, s)
	if err != nil {
		return nil, err
	}
	low := 0
	if s.Min != nil {
		low = *s.Min
	}

	if low > 0 {
		faults = append(faults, fault{"", "too short", strings.Repeat("a", low-1)})
	}
	if s.Max != nil {
		faults = append(faults, fault{"", "too long", v.text(*s.Max + 1)})
	}
	if v.bad != "" {
		faults = append(faults, fault{"", "not matching the pattern", v.mismatch(low)})
	}
	return faults, nil
}

func (b breaker) integer(s *model.Shape) []fault {
	faults := []fault{{"", "not an integer", "many"}}
	if b.typed {
		faults = append(faults, fault{"", "a fraction", 1.5})
	} else {
		faults = append(faults, fault{"", "a fraction", "1.5"}, fault{"", "an empty number", ""}, fault{"", "beyond 64 bits", "99999999999999999999"})
	}
	if s.Min != nil {
		faults = append(faults, fault{"", "below the range", *s.Min - 1})
	}
	if s.Max != nil {
		faults = append(faults, fault{"", "above the range", *s.Max + 1})
	}
	return faults
}

func (b breaker) list(s *model.Shape) ([]fault, error) {
	var faults []fault
	// In a form an element without members is no element.
	elem, err := builder{b.shapes, !b.typed}.value(string(s.Member))
	if err != nil {
		return nil, err
	}
	if b.typed {
		faults = append(faults, fault{"", "a string and not a list", "text"}, fault{"[0]", "a null element", []any{nil}})
	}
	if s.Min != nil && *s.Min > 0 {
		faults = append(faults, fault{"", "too few elements", slices.Repeat([]any{elem}, *s.Min-1)})
	}
	if s.Max != nil {
		faults = append(faults, fault{"", "too many elements", slices.Repeat([]any{elem}, *s.Max+1)})
	}
	inner, err := b.value(string(s.Member))
	for _, f := range inner {
		faults = append(faults, fault{join("[0]", f.path), f.what, []any{f.value}})
	}
	return faults, err
}

func (b breaker) mapping(s *model.Shape) ([]fault, error) {
	var faults []fault
	elem, err := b.builder.value(string(s.Value))
	if err != nil {
		return nil, err
	}
	if b.typed {
		faults = append(faults, fault{"", "a string and not a map", "text"})
	}
	if s.Max != nil {
		m := map[string]any{}
		for i := range *s.Max + 1 {
			m["k"+strconv.Itoa(i)] = elem
		}

		faults = append(faults, fault{"", "too many entries", m})
	}
	keys, err := breaker{b.builder, false}.value(string(s.Key))
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		// The exact spelling of a strange key is not the matter of this test.

		faults = append(faults, fault{"", "key " + k.what, map[string]any{fmt.Sprint(k.value): elem}})
	}
	inner, err := b.value(string(s.Value))
	for _, f := range inner {
		faults = append(faults, fault{join("key", f.path), f.what, map[string]any{"key": f.value}})
	}
	return faults, err
}

func join(head, tail string) string {
	if tail == "" || tail[0] == '[' {
		return head + tail
	}
	return head + "." + tail
}
