package apitest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/apitest"
)

// Requests made here have to survive net/http's router, label for label.
func TestPathsReachTheirOperationThroughServeMux(t *testing.T) {
	eachOperation(t, func(t *testing.T, s *service, op api.Operation) {
		mux := http.NewServeMux()
		var labels map[string]string
		mux.HandleFunc(op.Method+" "+strings.TrimSuffix(op.Path, "/")+map[bool]string{true: "/{$}"}[op.Path == "/"], func(w http.ResponseWriter, r *http.Request) {
			labels = map[string]string{}
			for _, l := range op.Labels {
				labels[l] = r.PathValue(l)
			}
			for k, v := range op.Query {
				if r.URL.Query().Get(k) != v {
					t.Errorf("query parameter %s is not %s", k, v)
				}
			}
		})
		minimal, err := s.requests.Minimal(op.Name)
		if err != nil {
			t.Fatal(err)
		}
		requests := []*apitest.Request{minimal}
		violations, err := s.requests.Violations(op.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range violations {
			requests = append(requests, v.Request)
		}
		for _, r := range requests {
			labels = nil
			mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(r.Method, "http://localhost"+r.Target(), nil))
			if labels == nil {
				t.Fatalf("%s %s reaches nothing", r.Method, r.Target())
			}
			for l, want := range r.Labels {
				if labels[l] != want {
					t.Errorf("label %s is %q, want %q", l, labels[l], want)
				}
			}
		}
	})
}
