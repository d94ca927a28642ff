package awshttp

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
)

// routes find the operation of a verified request.
type routes struct {
	rest    map[string]*route // by "GET /channels/{channelArn}"
	tree    segment           // of the paths of rest
	actions actions
	// selectors are the query parameters that distinguish operations on one path:
	// operation and scope.
	selectors map[string]bool
}

func newRoutes() routes {
	return routes{rest: map[string]*route{}, actions: actions{}, selectors: map[string]bool{}}
}

// add puts an operation into the table. Where messaging and identity share a
// path, which is /tags, messaging answers for both (spec 2.1): the request
// does not say which of them is meant.
func (t *routes) add(op *api.Operation) error {
	if op.Protocol != api.RESTJSON {
		return t.actions.add(op)
	}

	pattern := op.Method + " " + op.Path
	r := t.rest[pattern]
	if r == nil {
		r = new(route)
		t.rest[pattern] = r
	}

	// Two operations may share a path when their fixed queries differ.
	for i, other := range r.operations {
		if !maps.Equal(other.Query, op.Query) {
			continue
		}
		switch {
		case other.Service == op.Service || other.Name != op.Name:
			return fmt.Errorf("%s claims %s as well", other.Name, pattern)
		case op.Service == messagingService:
			r.operations[i] = op
		}
		return nil
	}

	r.operations = append(r.operations, op)
	for name := range op.Query {
		t.selectors[name] = true
	}
	return nil
}

const messagingService = "chime-sdk-messaging"

// build makes the tree of the paths. It names patterns that could match one request; http.ServeMux
// knows whether they do.
func (t *routes) build() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("routes: %v", v)
		}
	}()
	mux := http.NewServeMux()
	for pattern, r := range t.rest {
		mux.Handle(pattern, http.NotFoundHandler())
		method, path, _ := strings.Cut(pattern, " ")
		t.tree.add(method, path, r)
	}
	return nil
}

// find returns the operation of a request in the given protocol, or the error
// for its sender.
func (t *routes) find(x *exchange) (*api.Operation, error) {
	if x.fallback.Protocol != api.RESTJSON {
		return t.actions.find(x)
	}
	x.route, x.labels = t.tree.find(x.r.Method, x.r.URL.EscapedPath(), x.labels[:0])
	if x.route == nil {
		return nil, unknownOperation(http.StatusNotFound, "no operation has this method and path; ARNs in a path have to be percent-encoded")
	}
	return x.route.choose(t.selectors, x.input.Query)
}

// route is one method and path, and the operations that its query selects.
type route struct {
	operations []*api.Operation
	labels     []string // names of the variable segments of the path
}

// segment is a place in the paths of routes, behind the segments that lead to it.
type segment struct {
	fixed    map[string]*segment // by the text of the next one
	variable *segment            // any next one
	routes   map[string]*route   // that end here, by method
}

// add puts a route where its path ends.
func (s *segment) add(method, path string, r *route) {
	for text := range strings.SplitSeq(path[1:], "/") {
		next := s.variable
		label, isLabel := strings.CutPrefix(text, "{")
		if isLabel {
			r.labels = append(r.labels, strings.TrimSuffix(label, "}"))
		} else {
			next = s.fixed[text]
		}

		if next == nil {
			next = new(segment)
			if isLabel {
				s.variable = next
			} else {
				if s.fixed == nil {
					s.fixed = map[string]*segment{}
				}
				s.fixed[text] = next
			}
		}
		s = next
	}
	if s.routes == nil {
		s.routes = map[string]*route{}
	}
	s.routes[method] = r
}

// find returns the route of a percent-encoded path, nil if there is none, and the decoded labels behind
// those that were found before. A path with an empty segment, or one of dots, has no route:
// http.ServeMux would redirect it.
func (s *segment) find(method, path string, labels []string) (*route, []string) {
	if path == "" {
		return s.routes[method], labels
	}
	if path[0] != '/' {
		return nil, labels
	}
	raw, rest := path[1:], ""
	if end := strings.IndexByte(raw, '/'); end >= 0 {
		raw, rest = raw[:end], raw[end:]
	}
	if raw == "" || raw == "." || raw == ".." {
		return nil, labels
	}

	text, err := url.PathUnescape(raw)
	if err != nil || text == "/" { // which is no segment to the mux
		return nil, labels
	}
	if next := s.fixed[text]; next != nil {
		if r, labels := next.find(method, rest, labels); r != nil {
			return r, labels
		}
	}
	if s.variable == nil {
		return nil, labels
	}
	return s.variable.find(method, rest, append(labels, text))
}

// choose returns the operation whose fixed query is exactly the selectors of the
// request.
func (r *route) choose(selectors map[string]bool, query url.Values) (*api.Operation, error) {
	given, selector := 0, ""
	for name, values := range query {
		if selectors[name] {
			given, selector = given+len(values), name
		}
	}

	for _, op := range r.operations {
		if len(op.Query) == given && satisfies(query, op.Query) {
			return op, nil
		}
	}

	if given == 0 {
		return nil, unknownOperation(http.StatusNotFound, "operations of this method and path are told apart by a query parameter, which is missing")
	}
	return nil, api.BadRequest(selector, "the query parameter %s selects no operation of this method and path", selector)
}

func satisfies(query url.Values, fixed map[string]string) bool {
	for name, value := range fixed {
		if query.Get(name) != value {
			return false
		}
	}
	return true
}
