package awshttp

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"

	"github.com/carillon-chat/carillon/internal/api"
)

// routes find the operation of a verified request.
type routes struct {
	rest    map[string]*route // by "GET /channels/{channelArn}"
	mux     *http.ServeMux    // over rest
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

// build makes the mux, or names the patterns that are ambiguous to the mux.
func (t *routes) build() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("routes: %v", v)
		}
	}()
	t.mux = http.NewServeMux()
	for pattern, r := range t.rest {
		t.mux.Handle(pattern, r)
	}
	return nil
}

// find returns the operation of a request in the given protocol, or the error
// for its sender.
func (t *routes) find(x *exchange) (*api.Operation, error) {
	if x.fallback.Protocol != api.RESTJSON {
		return t.actions.find(x)
	}
	v := muxMatch{}
	t.mux.ServeHTTP(&v, x.r)
	// The mux lets GET patterns answer HEAD.
	if v.route == nil || v.route.operations[0].Method != x.r.Method {
		return nil, unknownOperation(http.StatusNotFound, "no operation has this method and path; ARNs in a path have to be percent-encoded")
	}
	return v.route.choose(t.selectors, x.input.Query)
}

// route is one method and path, and the operations that its query selects.
type route struct{ operations []*api.Operation }

// ServeHTTP only records which route was matched.
func (r *route) ServeHTTP(w http.ResponseWriter, _ *http.Request) { w.(*muxMatch).route = r }

// muxMatch is where the mux leaves its choice. What the mux would answer by
// itself, redirects and pages of text, is dropped.
type muxMatch struct {
	route   *route
	dropped http.Header
}

func (v *muxMatch) Header() http.Header {
	if v.dropped == nil {
		v.dropped = http.Header{}
	}
	return v.dropped
}
func (*muxMatch) Write(b []byte) (int, error) { return len(b), nil }
func (*muxMatch) WriteHeader(int)             {}

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
