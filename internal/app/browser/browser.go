// Package browser decides which web pages may have a browser send requests to the public port. A
// page can make the browser of its reader call any address that the reader's machine reaches; where
// the root keys are published, a signature proves nothing, and the page would be root.
//
// It promises:
//
//   - A request that carries the Origin of a page that is not allowed is refused, WebSocket upgrades
//     and requests without a preflight included. The server's own pages are always allowed.
//   - With host names given, a request whose Host is none of them is refused: a page that points its
//     own name at this machine (DNS rebinding) gets no further.
//   - A request without these headers, as programs send it, passes.
package browser

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/config"
)

// Reason is why a request was refused, a label for metrics.
type Reason string

// The reasons.
const (
	ForeignHost   Reason = "host"   // Host is no name of this server
	ForeignOrigin Reason = "origin" // the page's origin is not allowed
	ForeignSite   Reason = "site"   // a page of another site, which the browser does not name
)

// Refusal is the error of Check: 403, with a message for the developer of the page.
type Refusal struct {
	Reason Reason
	Answer *api.Error
}

func (r *Refusal) Error() string { return r.Answer.Error() }

// Unwrap gives the answer.
func (r *Refusal) Unwrap() error { return r.Answer }

// Options of a Guard.
type Options struct {
	// Origins of pages that are allowed, in the form of the setting allowed-origins.
	Origins []string
	// Loopback refuses every Host but loopback and Hosts, whatever the port.
	Loopback bool
	Hosts    []string
	// Links of other sites may lead here.
	Links bool
}

// Guard checks requests. It is safe for concurrent use.
type Guard struct {
	names   []string // host names of this server, in lower case; nil allows every Host
	links   bool
	origins atomic.Pointer[[]string]
}

// New makes a guard.
func New(o Options) *Guard {
	g := &Guard{links: o.Links}
	if o.Loopback {
		g.names = []string{"localhost"}
		for _, host := range o.Hosts {
			if name, ok := hostname(host); ok {
				g.names = append(g.names, name)
			}
		}
	}
	g.Allow(o.Origins)
	return g
}

// Allow replaces the allowed origins.
func (g *Guard) Allow(origins []string) { g.origins.Store(&origins) }

// Allows reports whether pages of the origin are allowed.
func (g *Guard) Allows(origin string) bool {
	for _, allowed := range *g.origins.Load() {
		switch prefix, suffix, wild := strings.Cut(allowed, "*"); {
		case allowed == origin, allowed == config.LoopbackOrigins && isLoopback(origin):
			return true
		case wild && len(origin) >= len(prefix)+len(suffix) && strings.HasPrefix(origin, prefix) && strings.HasSuffix(origin, suffix):
			return true
		}
	}
	return false
}

// Check refuses what a page that is not allowed can have a browser send. Its error is a *Refusal.
func (g *Guard) Check(r *http.Request) error {
	if g.names != nil && !g.isOwn(r.Host) {
		return refuse(ForeignHost, "the Host "+strconv.Quote(r.Host)+" is no name of this server, which answers to localhost alone")
	}

	origin, sent := r.Header["Origin"]
	if !sent {
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" && !(g.links && isLink(r)) && !g.Allows(anyOrigin) {
			return refuse(ForeignSite, "Sec-Fetch-Site says that the request comes from a page of another site")
		}
		return nil
	}

	if len(origin) != 1 {
		return refuse(ForeignOrigin, "the header Origin is there more than once")
	}
	if !isSame(origin[0], r.Host) && !g.Allows(origin[0]) {
		return refuse(ForeignOrigin, "pages of the origin "+strconv.Quote(origin[0])+" may not use this server")
	}
	return nil
}

func refuse(reason Reason, message string) error {
	return &Refusal{reason, api.Forbidden("%s", message)}
}

func (g *Guard) isOwn(host string) bool {
	if host == "" {
		return true // no browser: health checks in HTTP/1.0 send none
	}
	name, ok := hostname(host)
	if !ok {
		return false
	}
	for _, own := range g.names {
		if name == own {
			return true
		}
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

// anyOrigin is allowed only when every origin is.
const anyOrigin = ""

// isLink reports whether the browser opens a page and shows it by itself.
func isLink(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// isSame reports whether the origin is the server under the name that the request uses. Both schemes
// are served on one port.
func isSame(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && isHTTP(u) && strings.EqualFold(u.Host, host)
}

func isLoopback(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || !isHTTP(u) || u.Scheme+"://"+u.Host != origin {
		return false
	}
	name, ok := hostname(u.Host)
	if !ok {
		return false
	}
	ip, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func isHTTP(u *url.URL) bool { return u.Scheme == "http" || u.Scheme == "https" }

// hostname is the name or address of a host[:port], in lower case and without brackets.
func hostname(host string) (name string, ok bool) {
	name = host
	if split, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", false
		}
		name = split
	} else if inner, bracketed := strings.CutPrefix(host, "["); bracketed {
		if name, ok = strings.CutSuffix(inner, "]"); !ok {
			return "", false
		}
	} else if strings.Contains(host, ":") {
		return "", false
	}
	return strings.ToLower(name), name != ""
}
