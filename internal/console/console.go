package console

import (
	"log/slog"
	"net/http"
	"strings"
)

// The paths that belong to this package. A prefix ends in a slash.
const (
	PagePath = "/chat/"
	JSONPath = "/_carillon/"
)

// Options of the console.
type Options struct {
	// PublicHost is the host[:port] whose WebSocket the page connects to.
	PublicHost string
	// Hosts are all host[:port] that pages of this server are opened under, PublicHost
	// included, in lower case.
	Hosts []string
	// Explainer explains what becomes of connect requests, in every mode.
	Explainer Explainer
	// Secure reports whether a request came over TLS.
	Secure func(*http.Request) bool
	// WebPush are the applications that browsers can subscribe to, in every mode.
	WebPush []WebPush
	// Dev is what dev mode gives the page; nil outside dev mode.
	Dev *Dev
	// Version of the program, which the front page shows outside dev mode.
	Version string
	// Log takes the failures that an answer does not reveal.
	Log *slog.Logger
}

// WebPush is an application that browsers can subscribe to.
type WebPush struct {
	Name                 string
	Pattern              string // of ARNs with which browsers are registered
	ApplicationServerKey string // public, in base64url
}

// Owns reports whether the console answers the path.
func Owns(path string) bool {
	return path == "/chat" || strings.HasPrefix(path, PagePath) || strings.HasPrefix(path, JSONPath)
}

// New is the handler of the paths that Owns names, and of visits.
func New(o Options) (http.Handler, error) {
	page, err := newPage(o.PublicHost)
	if err != nil {
		return nil, err
	}
	json, explain, visits, applications := exchange{o}, explanation{o}, front{o}, webPush{o}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == explainPath:
			explain.ServeHTTP(w, r)
		case r.URL.Path == webPushPath:
			applications.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, JSONPath):
			json.ServeHTTP(w, r)
		case r.URL.Path == "/":
			visits.ServeHTTP(w, r)
		default:
			page.ServeHTTP(w, r)
		}
	}), nil
}

// secure sets what every answer carries.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
