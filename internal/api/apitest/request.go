// Package apitest makes requests from the API models, for tests: a minimal and
// a full valid request of every operation, and every way to break exactly one
// constraint of it. It knows the models and nothing of the generated code, so
// each checks the other.
package apitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/model"
)

// Request is a request of one operation, unsigned.
type Request struct {
	Service, Operation string

	Method string
	Path   string     // percent-encoded as SDKs do it: everything but letters, digits and -_.~
	Query  url.Values // with the fixed parameters of the operation
	Header http.Header
	Body   []byte     // JSON, or the encoded form; nil when there is none
	Form   url.Values // query protocol only
	Labels map[string]string

	// Members holds every member by its name in the model, as encoding/json
	// would read it: string, int, bool, []any, map[string]any.
	Members map[string]any
}

// Input is the request as Operation.Decode takes it.
func (r *Request) Input() *api.Input {
	return &api.Input{
		Path:   func(label string) string { return r.Labels[label] },
		Query:  r.Query,
		Header: r.Header,
		Body:   r.Body,
		Form:   r.Form,
	}
}

// Target is the path with the query.
func (r *Request) Target() string {
	if len(r.Query) == 0 {
		return r.Path
	}
	return r.Path + "?" + r.Query.Encode()
}

// newRequest puts members where the model says they travel.
func newRequest(m *model.Model, operation string, members map[string]any) (*Request, error) {
	op := m.Operations[operation]
	r := &Request{
		Service: m.Service, Operation: operation, Method: op.Method, Path: op.Path,
		Query: url.Values{}, Header: http.Header{}, Labels: map[string]string{}, Members: members,
	}

	for k, v := range op.Query {
		r.Query.Set(k, v)
	}

	// What has no location travels in the body.
	body := map[string]any{}
	if op.Input != "" {
		for _, member := range m.Shapes[op.Input].Members {
			v, ok := members[member.Name]
			if !ok {
				continue
			}
			switch member.Location {
			case "uri":
				r.Labels[member.Wire()] = fmt.Sprint(v)
				r.Path = strings.Replace(r.Path, "{"+member.Wire()+"}", escape(fmt.Sprint(v)), 1)
			case "querystring":
				r.Query.Set(member.Wire(), fmt.Sprint(v))
			case "header":
				r.Header.Set(member.Wire(), fmt.Sprint(v))
			default:
				body[member.Name] = v
			}
		}
	}

	return r, r.setBody(m, body)
}

func (r *Request) setBody(m *model.Model, body map[string]any) (err error) {
	switch m.Metadata.Protocol {
	case "query":
		r.Form = url.Values{"Action": {r.Operation}}
		flatten(r.Form, "", body)
		r.Body = []byte(r.Form.Encode())
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case "json":
		r.Header.Set("X-Amz-Target", m.Metadata.TargetPrefix+"."+r.Operation)
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Body, err = json.Marshal(body)
	default:
		if len(body) > 0 {
			r.Header.Set("Content-Type", "application/json")
			r.Body, err = json.Marshal(body)
		}
	}
	return err
}

// flatten writes members as parameters of the query protocol.
func flatten(form url.Values, prefix string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if prefix != "" {
			prefix += "."
		}
		for name, item := range v {
			flatten(form, prefix+name, item)
		}
	case []any:
		if len(v) == 0 {
			form.Set(prefix, "")
		}
		for i, item := range v {
			flatten(form, prefix+".member."+strconv.Itoa(i+1), item)
		}
	default:
		form.Set(prefix, fmt.Sprint(v))
	}
}

// escape is the strict percent-encoding of path labels.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
