package apitest_test

import (
	"reflect"
	"time"

	"github.com/carillon-chat/carillon/internal/api/model"
)

// direction tells apart the trees of requests and answers, whose numbers and
// times encoding/json reads differently from how apitest writes them.
type direction int

const (
	forInput direction = iota
	forOutput
)

// tree turns a generated value into what encoding/json would read, with the
// names of the model. Members and fields are in the same order.
func (s *service) tree(shape string, v reflect.Value, d direction) any {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	sh := s.model.Shapes[shape]
	switch sh.Type {
	case "structure":
		members := map[string]any{}
		for i, member := range sh.Members {
			f := v.Field(i)
			if s.absent(shape, member, f, d) {
				continue
			}
			members[member.Name] = s.tree(member.Shape, f, d)
			if t, isTime := f.Interface().(*time.Time); isTime && d == forInput && member.Location == "" { // a number in the body
				members[member.Name] = int(t.Unix())
			}
		}
		return members
	case "list":
		list := []any{}
		for i := range v.Len() {
			list = append(list, s.tree(string(sh.Member), v.Index(i), d))
		}
		return list
	case "map":
		entries := map[string]any{}
		for _, k := range v.MapKeys() {
			entries[k.String()] = s.tree(string(sh.Value), v.MapIndex(k), d)
		}
		return entries
	case "timestamp":
		if t := v.Interface().(time.Time).UTC(); d == forInput {
			return t.Format("2006-01-02T15:04:05.000Z")
		} else {
			return float64(t.UnixMilli()) / 1000
		}
	case "integer":
		if d == forOutput {
			return float64(v.Int())
		}
		return int(v.Int())
	case "boolean":
		return v.Bool()
	}
	return v.String()
}

// absent tells whether the conventions leave a member out.
func (s *service) absent(owner string, member model.Member, v reflect.Value, d direction) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Map:
		return v.IsNil()
	case reflect.Slice:
		return v.IsNil() && !(d == forOutput && (member.Required || s.listsPage(owner, member.Name)))
	case reflect.String:
		plainInRequest := member.Required && s.model.Shapes[member.Shape].Enum == nil && s.inInputs[owner]
		return v.Len() == 0 && !plainInRequest
	}
	return false
}

func (s *service) listsPage(owner, member string) bool {
	for _, op := range s.model.Operations {
		if op.Output != owner || op.Pagination == nil {
			continue
		}
		for _, item := range op.Pagination.Items {
			if item == member {
				return true
			}
		}
	}
	return false
}

// shapesOfRequests gives the shapes that requests reach.
func shapesOfRequests(m *model.Model) map[string]bool {
	set := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if name == "" || set[name] {
			return
		}
		set[name] = true
		s := m.Shapes[name]
		for _, member := range s.Members {
			visit(member.Shape)
		}
		visit(string(s.Member))
		visit(string(s.Value))
	}
	for _, op := range m.Operations {
		visit(op.Input)
	}
	return set
}
