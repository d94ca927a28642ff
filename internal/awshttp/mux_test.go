package awshttp

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// FuzzRoutesAreThoseOfTheMux compares the tree of paths with http.ServeMux, of which redirects and
// answers of its own count as no route.
func FuzzRoutesAreThoseOfTheMux(f *testing.F) {
	t := newRoutes()
	operations := append(messaging.Operations(messaging.Unbuilt{}), identity.Operations(identity.Unbuilt{})...)
	for i := range operations {
		if err := t.add(&operations[i]); err != nil {
			f.Fatal(err)
		}
	}
	if err := t.build(); err != nil {
		f.Fatal(err)
	}

	// The mux, and what it chose last.
	mux := http.NewServeMux()
	var chosen string
	for pattern := range t.rest {
		mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) { chosen = pattern })
		method, path, _ := strings.Cut(pattern, " ")
		for _, label := range []string{"a", "arn%3Aaws%3Achime%3A%3A%3Aapp-instance%2Fb%2Fchannel%2Fc", "%2e%2E", "a%zz", "a^b%2Fc"} {
			parts := strings.Split(path, "/")
			for i, part := range parts {
				if strings.HasPrefix(part, "{") {
					parts[i] = label
				}
			}
			f.Add(method, strings.Join(parts, "/"))
		}
	}
	for _, path := range []string{"", "/", "//", "*", "/channels/", "//channels", "/channels//messages", "/./channels", "/x/../channels",
		"/channels/.", "/channels/..", "/%63hannels", "/channels/%2F", "/channels/a/messages/", "/channels/a%2Fmessages", "/tags#a", "http://h/tags"} {
		f.Add("GET", path)
		f.Add("POST", path)
		f.Add("HEAD", path)
	}

	f.Fuzz(func(test *testing.T, method, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || method == http.MethodConnect {
			return // net/http refuses it, or the mux treats it in another way
		}
		r := &http.Request{Method: method, URL: u, Host: "h", RequestURI: target, ProtoMajor: 1, ProtoMinor: 1}
		chosen = ""
		mux.ServeHTTP(httptest.NewRecorder(), r)
		if m, _, _ := strings.Cut(chosen, " "); m != method {
			chosen = "" // GET for HEAD
		}

		found, labels := t.tree.find(method, u.EscapedPath(), nil)
		if t.rest[chosen] != found {
			test.Fatalf("%s %q: the mux chooses %q, the tree %v", method, target, chosen, found)
		}
		if found == nil {
			return
		}
		var want []string
		for _, name := range found.labels {
			want = append(want, r.PathValue(name))
		}
		if !slices.Equal(labels, want) {
			test.Errorf("%s %q: labels %q, of the mux %q", method, target, labels, want)
		}
	})
}
