package main

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/api/model"
)

// structure is a Go type with what its methods need.
type structure struct {
	Name, Doc string
	Fields    []*field
	Request   bool // input of an operation
	Decoded   bool // part of an input, below the top
	Response  bool // output of an operation
	Encoded   bool // part of an output
	Checked   bool // has constraints

	Identified bool // has members that name things
}

// field is a member. The code of each method is given as statements.
type field struct {
	Go, Model, Type, Comment string

	member      model.Member
	shape       *model.Shape
	constrained bool // values can be refused
	omitEmpty   bool // answers leave an empty string out
	always      bool // a list that is encoded even when nil
	scalarMap   bool // a map whose values are strings
	identifies  bool // names a thing, or has a member that does
}

func (p *planner) planStruct(name string) error {
	s := p.Shapes[name]
	st := &structure{Name: typeName(name), Encoded: p.out[name]}
	for _, op := range p.pkg.Operations {
		st.Request = st.Request || op.Input == st.Name
		st.Response = st.Response || op.Output == st.Name
	}
	st.Decoded = p.in[name] && !st.Request
	st.Checked = p.in[name] && p.constrained(name)
	st.Doc = p.structDoc(st)
	for _, m := range s.Members {
		f, err := p.planField(name, m)
		if err != nil {
			return fmt.Errorf("member %s: %w", m.Name, err)
		}
		st.Fields = append(st.Fields, f)
	}
	p.pkg.Structs = append(p.pkg.Structs, st)
	return nil
}

func (p *planner) structDoc(st *structure) string {
	for _, op := range p.pkg.Operations {
		switch st.Name {
		case op.Input:
			return "is the input of " + op.Name + "."
		case op.Output:
			return "is the output of " + op.Name + "."
		}
	}
	if st.Decoded && st.Encoded {
		return "is part of requests and answers."
	}
	if st.Decoded {
		return "is part of requests."
	}
	return "is part of answers."
}

func (p *planner) planField(owner string, m model.Member) (*field, error) {
	f := &field{Go: fieldName(m.Name), Model: m.Name, member: m, shape: p.Shapes[m.Shape]}
	if p.out[owner] && m.Location != "" {
		return nil, fmt.Errorf("an answer cannot have a member in %s", m.Location)
	}
	f.constrained = p.in[owner] && p.constrained(m.Shape)
	f.omitEmpty = !p.in[owner]
	f.always = m.Required || p.items[owner+"."+m.Name]
	f.scalarMap = f.shape.Type == "map" && p.Shapes[string(f.shape.Value)].Type == "string"
	typ, err := p.goType(m.Shape, p.plain(owner, f))
	f.Type = typ
	f.Comment = p.fieldComment(f)
	return f, err
}

// emptyOrAbsent are members of answers that have two ways to hold nothing, for
// some clients take only one of them.
var emptyOrAbsent = map[string]bool{"ChannelMessage.Content": true, "ChannelMessageSummary.Content": true}

// plain reports whether a scalar is a plain value: required, or in an answer, where empty means
// absent as a rule. A required string of a request that may be empty needs a pointer to show its
// absence; a path label cannot be absent or empty.
func (p *planner) plain(owner string, f *field) bool {
	switch {
	case f.shape.Type == "timestamp":
		return f.member.Required
	case emptyOrAbsent[owner+"."+f.Model]:
		return false
	case !p.in[owner]:
		return true
	case f.shape.Type == "string" && f.member.Location != "uri" && p.emptyAllowed(f.member.Shape):
		return false
	}
	return f.member.Required
}

// emptyAllowed reports whether the empty string holds the constraints, so that
// absence needs a pointer.
func (p *planner) emptyAllowed(name string) bool {
	s := p.Shapes[name]
	return s.Enum == nil && (s.Min == nil || *s.Min == 0) && matchesEmpty(s.Pattern)
}

func (p *planner) goType(name string, plain bool) (string, error) {
	s := p.Shapes[name]
	pointer := "*"
	if plain {
		pointer = ""
	}

	switch s.Type {
	case "string":
		if s.Enum != nil {
			return typeName(name), nil
		}
		return pointer + "string", nil
	case "integer":
		return pointer + "int", nil
	case "boolean":
		return "bool", nil
	case "timestamp":
		return pointer + "time.Time", nil
	case "structure":
		return "*" + typeName(name), nil
	case "list":
		elem, err := p.elementType(string(s.Member))
		return "[]" + elem, err
	case "map":
		elem, err := p.elementType(string(s.Value))
		return "map[string]" + elem, err
	}
	return "", fmt.Errorf("type %s is not supported", s.Type)
}

// elementType is the type of a list's or map's element, always a value.
func (p *planner) elementType(name string) (string, error) {
	switch s := p.Shapes[name]; s.Type {
	case "string", "structure":
		typ, err := p.goType(name, true)
		return strings.TrimPrefix(typ, "*"), err
	default:
		return "", fmt.Errorf("elements of type %s are not supported", s.Type)
	}
}

// fieldComment says what a reader of the type needs: presence, place, bounds.
func (p *planner) fieldComment(f *field) string {
	var parts []string
	if f.member.Required {
		parts = append(parts, "required")
	}
	switch f.member.Location {
	case "uri":
		parts = append(parts, "path label "+f.member.Wire())
	case "querystring":
		parts = append(parts, "query "+f.member.Wire())
	case "header":
		parts = append(parts, "header "+f.member.Wire())
	}
	if b := p.boundsComment(f.member.Shape); b != "" {
		parts = append(parts, b)
	}
	if f.shape.Sensitive {
		parts = append(parts, "sensitive")
	}
	return strings.Join(parts, ", ")
}

func (p *planner) boundsComment(name string) string {
	s := p.Shapes[name]
	if s.Min == nil && s.Max == nil {
		return ""
	}
	unit := map[string]string{"string": "character", "list": "element", "map": "entry"}[s.Type]
	if countsBytes(name) {
		unit = "byte"
	}
	low, high := 0, 0
	if s.Min != nil {
		low = *s.Min
	}
	if s.Max != nil {
		high = *s.Max
	}
	switch {
	case s.Max == nil:
		return fmt.Sprintf("at least %d", low) + plural(low, unit)
	case s.Min == nil:
		return fmt.Sprintf("at most %d", high) + plural(high, unit)
	case low == high:
		return fmt.Sprintf("exactly %d", high) + plural(high, unit)
	}
	return fmt.Sprintf("%d to %d", low, high) + plural(high, unit)
}

func plural(n int, unit string) string {
	switch {
	case unit == "":
		return ""
	case n == 1:
		return " " + unit
	case strings.HasSuffix(unit, "y"):
		return " " + strings.TrimSuffix(unit, "y") + "ies"
	}
	return " " + unit + "s"
}

// wireNote names a member's place in an error, where it has another name there.
func (f *field) wireNote() string {
	switch f.member.Location {
	case "querystring":
		return "query parameter " + f.member.Wire()
	case "header":
		return "header " + textproto.CanonicalMIMEHeaderKey(f.member.Wire())
	}
	return ""
}

// Located reports whether any member travels outside the body.
func (st *structure) Located() bool { return slices.ContainsFunc(st.Fields, (*field).Located) }

// Body reports whether any member travels in the body.
func (st *structure) Body() bool {
	return slices.ContainsFunc(st.Fields, func(f *field) bool { return !f.Located() })
}

// Strings are the string members.
func (st *structure) Strings() []*field {
	var list []*field
	for _, f := range st.Fields {
		if f.shape.Type == "string" {
			list = append(list, f)
		}
	}
	return list
}
