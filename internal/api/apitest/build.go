package apitest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/carillon-chat/carillon/internal/api/model"
)

// Service makes requests of one service.
type Service struct{ model *model.Model }

// Load reads the model of a service.
func Load(service string) (*Service, error) {
	m, err := model.Load(service)
	return &Service{m}, err
}

// Operations lists the names of the operations, sorted.
func (s *Service) Operations() []string { return slices.Sorted(maps.Keys(s.model.Operations)) }

// Minimal makes a valid request with the required members only.
func (s *Service) Minimal(operation string) (*Request, error) { return s.build(operation, false) }

// Full makes a valid request with every member, down to the last structure.
func (s *Service) Full(operation string) (*Request, error) { return s.build(operation, true) }

func (s *Service) build(operation string, full bool) (*Request, error) {
	op, err := s.operation(operation)
	if err != nil {
		return nil, err
	}
	members, err := builder{s.model.Shapes, full}.structure(op.Input)
	if err != nil {
		return nil, err
	}
	return newRequest(s.model, operation, members)
}

func (s *Service) operation(name string) (*model.Operation, error) {
	op := s.model.Operations[name]
	if op == nil {
		return nil, fmt.Errorf("%s has no operation %s", s.model.Service, name)
	}
	return op, nil
}

// builder makes valid values.
type builder struct {
	shapes map[string]*model.Shape
	full   bool
}

func (b builder) structure(name string) (map[string]any, error) {
	members := map[string]any{}
	if name == "" {
		return members, nil
	}
	for _, member := range b.shapes[name].Members {
		if !member.Required && !b.full {
			continue
		}
		v, err := b.member(member)
		if err != nil {
			return nil, err
		}
		members[member.Name] = v
	}
	return members, nil
}

func (b builder) member(m model.Member) (any, error) {
	if b.shapes[m.Shape].Type == "timestamp" && m.TimestampFormat == "iso8601" {
		return "2021-06-03T16:26:31.013Z", nil
	}
	return b.value(m.Shape)
}

func (b builder) value(name string) (any, error) {
	s := b.shapes[name]
	low := 0
	if s.Min != nil {
		low = *s.Min
	}

	switch s.Type {
	case "structure":
		return b.structure(name)
	case "string":
		if s.Enum != nil {
			return s.Enum[0], nil
		}
		v, err := sampleOf(name, s)
		return v.text(max(low, 1)), err
	case "integer":
		return max(low, 1), nil
	case "boolean":
		return true, nil
	case "timestamp":
		return 1622737591, nil
	case "list":
		list := []any{}
		for range max(low, 1) {
			v, err := b.value(string(s.Member))
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil

	case "map":
		key, err := b.value(string(s.Key))
		if err != nil {
			return nil, err
		}
		v, err := b.value(string(s.Value))
		return map[string]any{fmt.Sprint(key): v}, err
	}
	return nil, fmt.Errorf("shape %s: type %s is not supported", name, s.Type)
}
