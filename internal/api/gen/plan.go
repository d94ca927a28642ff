package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/api/model"
)

// pkg is what the templates see of one API.
type pkg struct {
	Name, Doc  string
	Service    string
	Meta       model.Metadata
	Protocol   string // Go constant of package api
	Invalid    string // Go name of the exception for a broken constraint
	Enums      []enum
	Structs    []*structure
	Checks     []check
	Operations []operation
	Exceptions []exception
}

type enum struct {
	Name    string
	Values  []enumValue
	Decoded bool // appears in requests
}

type enumValue struct{ Const, Wire string }

type exception struct {
	Name, Code string
	Status     int
}

// planner holds what the parts of a plan need of the model.
type planner struct {
	*model.Model
	in, out map[string]bool // shapes reached from inputs, from outputs
	items   map[string]bool // Output.Member pairs that list a page
	pkg     *pkg
}

func plan(m *model.Model) (*pkg, error) {
	info, ok := packages[m.Service]
	if !ok {
		return nil, fmt.Errorf("no package is named for it")
	}
	p := &planner{Model: m, in: map[string]bool{}, out: map[string]bool{}, items: map[string]bool{}}
	p.pkg = &pkg{Name: info.name, Doc: info.doc, Service: m.Service, Meta: m.Metadata}
	switch m.Metadata.Protocol {
	case "rest-json":
		p.pkg.Protocol, p.pkg.Invalid = "RESTJSON", "api.BadRequestException"
	case "query":
		p.pkg.Protocol, p.pkg.Invalid = "Query", "api.ValidationError"
	case "json":
		p.pkg.Protocol, p.pkg.Invalid = "JSON", "InvalidParameterException"
	default:
		return nil, fmt.Errorf("unknown protocol %q", m.Metadata.Protocol)
	}
	for _, step := range []func() error{p.reach, p.planOperations, p.planTypes, p.planChecks, p.planExceptions, p.planIDs} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return p.pkg, nil
}

// reach marks the shapes of requests and of responses. A structure in both follows the rule of
// requests, in which absent and empty differ.
func (p *planner) reach() error {
	for _, op := range p.Operations {
		if err := p.mark(op.Input, p.in); err != nil {
			return err
		}
		if err := p.mark(op.Output, p.out); err != nil {
			return err
		}
		if op.Pagination != nil {
			for _, item := range op.Pagination.Items {
				p.items[op.Output+"."+item] = true
			}
		}
	}
	return nil
}

func (p *planner) mark(name string, set map[string]bool) error {
	if name == "" || set[name] {
		return nil
	}
	s, ok := p.Shapes[name]
	if !ok {
		return fmt.Errorf("shape %s is missing", name)
	}
	if s.Union {
		return fmt.Errorf("shape %s: unions are not supported", name)
	}
	set[name] = true
	for _, m := range s.Members {
		if err := p.mark(m.Shape, set); err != nil {
			return err
		}
	}
	for _, ref := range []model.Ref{s.Member, s.Key, s.Value} {
		if err := p.mark(string(ref), set); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) planTypes() error {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(p.Shapes)) {
		if !p.in[name] && !p.out[name] {
			continue
		}
		if p.Shapes[name].Type == "structure" || p.Shapes[name].Enum != nil {
			if seen[typeName(name)] {
				return fmt.Errorf("two shapes are called %s", typeName(name))
			}
			seen[typeName(name)] = true
		}
		if err := p.planType(name); err != nil {
			return fmt.Errorf("shape %s: %w", name, err)
		}
	}
	slices.SortFunc(p.pkg.Structs, func(a, b *structure) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func (p *planner) planType(name string) error {
	s := p.Shapes[name]
	switch {
	case s.Enum != nil:
		e := enum{Name: typeName(name), Decoded: p.in[name]}
		for _, v := range s.Enum {
			e.Values = append(e.Values, enumValue{constName(e.Name, v), v})
		}
		p.pkg.Enums = append(p.pkg.Enums, e)
	case s.Type == "structure":
		return p.planStruct(name)
	}
	return nil
}

func (p *planner) planExceptions() error {
	if p.pkg.Protocol == "RESTJSON" {
		return nil // the nine of package api
	}
	for _, name := range slices.Sorted(maps.Keys(p.Shapes)) {
		fault := p.Shapes[name].Error
		if fault == nil {
			continue
		}
		status := fault.Status
		if status == 0 { // the json protocol names none
			status = 400
			if fault.Fault == "server" {
				status = 500
			}
		}
		p.pkg.Exceptions = append(p.pkg.Exceptions, exception{name, fault.Code, status})
	}
	return nil
}

var unicodeEscape = regexp.MustCompile(`\\u([0-9A-F]{4,6})`)

// goPattern turns a pattern of the model into one of package regexp.
func goPattern(pattern string) string {
	return `\A(?:` + unicodeEscape.ReplaceAllString(pattern, `\x{$1}`) + `)\z`
}
