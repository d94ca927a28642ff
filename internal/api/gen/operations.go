package main

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/carillon-chat/carillon/internal/api/model"
)

// operation is a row of the table.
type operation struct {
	Name, Input, Output  string // Go names
	Method, Path, Target string
	Query                map[string]string
	Labels               []string
	Status               int
	Unsigned, Bearer     bool
	ReadOnly             bool
	Idempotency          string
	Wrapper              string
	Errors               []string
}

var label = regexp.MustCompile(`\{(\w+)\}`)

func (p *planner) planOperations() error {
	for _, name := range slices.Sorted(maps.Keys(p.Operations)) {
		m := p.Operations[name]
		op := operation{
			Name: name, Input: name + "Request", Output: name + "Response",
			Method: m.Method, Path: m.Path, Query: m.Query, Status: m.Status, Unsigned: m.Unsigned, ReadOnly: p.readOnly(name),
			Idempotency: m.IdempotencyToken, Wrapper: m.ResultWrapper, Errors: m.Errors,
		}

		if p.Metadata.TargetPrefix != "" {
			op.Target = p.Metadata.TargetPrefix + "." + name
		}
		for _, l := range label.FindAllStringSubmatch(m.Path, -1) {
			op.Labels = append(op.Labels, l[1])
		}

		// An operation without members has an empty structure of its own.
		if m.Input != "" {
			op.Input = typeName(m.Input)
			op.Bearer = slices.ContainsFunc(p.Shapes[m.Input].Members, func(x model.Member) bool { return x.Name == "ChimeBearer" })
		} else {
			p.addEmpty(op.Input, "is the input of "+name+", which has no members.", true)
		}
		if m.Output != "" {
			op.Output = typeName(m.Output)
		} else {
			p.addEmpty(op.Output, "is the output of "+name+", which has no members.", false)
		}

		p.pkg.Operations = append(p.pkg.Operations, op)
	}
	return nil
}

// addEmpty gives every operation a request and a response type.
func (p *planner) addEmpty(name, doc string, request bool) {
	p.pkg.Structs = append(p.pkg.Structs, &structure{Name: name, Doc: doc, Request: request, Response: !request, Encoded: !request})
}

// Fields gives the row's literal, without what it has in common with others.
func (op operation) Fields() string {
	var b strings.Builder
	str := func(name, value string) {
		if value != "" {
			b.WriteString(name + ": " + strconv.Quote(value) + ", ")
		}
	}

	list := func(name string, values []string) {
		if len(values) > 0 {
			b.WriteString(name + ": []string{")
			for _, v := range values {
				b.WriteString(strconv.Quote(v) + ", ")
			}
			b.WriteString("}, ")
		}
	}

	// In the order of the fields of api.Operation; what is empty is left out.
	str("Name", op.Name)
	str("Target", op.Target)
	str("Method", op.Method)
	str("Path", op.Path)
	if len(op.Query) > 0 {
		b.WriteString("Query: map[string]string{")
		for _, k := range slices.Sorted(maps.Keys(op.Query)) {
			b.WriteString(strconv.Quote(k) + ": " + strconv.Quote(op.Query[k]) + ", ")
		}
		b.WriteString("}, ")
	}
	list("Labels", op.Labels)
	b.WriteString("Status: " + strconv.Itoa(op.Status) + ", ")
	if op.Unsigned {
		b.WriteString("Unsigned: true, ")
	}
	if op.ReadOnly {
		b.WriteString("ReadOnly: true, ")
	}
	if op.Bearer {
		b.WriteString("Bearer: true, ")
	}
	str("Idempotency", op.Idempotency)
	str("Wrapper", op.Wrapper)
	list("Errors", op.Errors)
	return b.String()
}
