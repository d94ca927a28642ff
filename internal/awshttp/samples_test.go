package awshttp_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/model"
)

// samples makes for every operation the smallest signed request that its model
// accepts.
type samples map[string]*model.Model

func loadSamples(t testing.TB) samples {
	t.Helper()
	s := samples{}
	for _, service := range model.Services {
		m, err := model.Load(service)
		if err != nil {
			t.Fatal(err)
		}
		s[service] = m
	}
	return s
}

func (s samples) request(op *api.Operation) *http.Request {
	m := s[op.Service]
	var members []model.Member
	if in := m.Operations[op.Name].Input; in != "" {
		members = m.Shapes[in].Members
	}
	path, query, header, body := op.Path, url.Values{}, http.Header{}, map[string]any{}
	for name, value := range op.Query {
		query.Set(name, value)
	}
	for _, member := range members {
		if !member.Required && member.Wire() != "x-amz-chime-bearer" {
			continue
		}
		value := s.value(m, member.Shape)
		switch member.Location {
		case "uri":
			path = strings.ReplaceAll(path, "{"+member.Wire()+"}", strings.ReplaceAll(url.QueryEscape(value.(string)), "+", "%20"))
		case "querystring":
			query.Set(member.Wire(), value.(string))
		case "header":
			header.Set(member.Wire(), value.(string))
		default:
			body[member.Wire()] = value
		}
	}
	if op.Protocol == api.Query {
		f := url.Values{"Action": {op.Name}, "Version": {map[string]string{"sts": "2011-06-15", "iam": "2010-05-08"}[op.Service]}}
		flatten(f, "", body)
		return form(op.SigningName, f.Encode())
	}
	text, _ := json.Marshal(body)
	if op.Protocol == api.JSON {
		return target(op.SigningName, op.Target, string(text))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	r := request(op.Method, path, string(text))
	for name := range header {
		r.Header.Set(name, header.Get(name))
	}
	return r
}

// flatten writes members as the query protocol does.
func flatten(f url.Values, prefix string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			flatten(f, strings.TrimPrefix(prefix+"."+name, "."), member)
		}
	case []any:
		for _, element := range v { // one element
			flatten(f, prefix+".member.1", element)
		}
	case string:
		f.Set(prefix, v)
	}
}

// value is the smallest value of a shape.
func (s samples) value(m *model.Model, name string) any {
	shape := m.Shapes[name]
	switch shape.Type {
	case "structure":
		v := map[string]any{}
		for _, member := range shape.Members {
			if member.Required || shape.Union && len(v) == 0 {
				v[member.Wire()] = s.value(m, member.Shape)
			}
		}
		return v
	case "list":
		return []any{s.value(m, string(shape.Member))}
	case "map":
		return map[string]any{s.value(m, string(shape.Key)).(string): s.value(m, string(shape.Value))}
	case "integer":
		if shape.Min != nil {
			return *shape.Min
		}
		return 1
	case "boolean":
		return true
	case "timestamp":
		return 1622737591
	}
	return text(name, shape)
}

func text(name string, shape *model.Shape) string {
	switch {
	case len(shape.Enum) > 0:
		return shape.Enum[0]
	case strings.HasPrefix(shape.Pattern, "arn:aws:lex:"):
		return "arn:aws:lex:us-east-1:000000000000:bot-alias/AAAAAAAAAA/AAAAAAAAAA"
	case strings.HasPrefix(shape.Pattern, "arn:aws:lambda:"):
		return "arn:aws:lambda:us-east-1:000000000000:function:f"
	case strings.Contains(strings.ToLower(name), "arn"):
		return appARN
	case strings.HasPrefix(name, "Identity"):
		return "us-east-1:0"
	case strings.HasPrefix(shape.Pattern, "v[1-9]"):
		return "v1"
	}
	length := 1
	if shape.Min != nil {
		length = max(length, *shape.Min)
	}
	return strings.Repeat("a", length)
}
