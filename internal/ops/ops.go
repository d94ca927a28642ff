package ops

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds the answer of /readyz: probes give up after a few seconds.
const checkTimeout = 2 * time.Second

// Readiness is the set of named checks behind /readyz. The zero value has no checks and is
// ready. It is safe for concurrent use.
type Readiness struct {
	mu     sync.Mutex
	checks []check
}

type check struct {
	name string
	test func(context.Context) error
}

// ErrDegraded is wrapped by what a check reports that the program works in spite of.
var ErrDegraded = errors.New("degraded")

// Add has the program ready only while test returns nil, or an error that wraps ErrDegraded.
func (r *Readiness) Add(name string, test func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks = append(r.checks, check{name, test})
}

// report is a line for each check, in the order in which they were added.
func (r *Readiness) report(ctx context.Context) (lines string, ready bool) {
	r.mu.Lock()
	checks := r.checks[:len(r.checks):len(r.checks)]
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var text strings.Builder
	ready = true
	for _, c := range checks {
		state := "ok"
		if err := c.test(ctx); err != nil {
			state = err.Error()
			ready = ready && errors.Is(err, ErrDegraded)
		}
		fmt.Fprintf(&text, "%s: %s\n", c.name, state)
	}
	return text.String(), ready
}

// OpsHandler serves the operations port:
//
//   - /healthz answers 200 as long as the process can answer at all.
//   - /readyz answers 200 when every check passes or is degraded, else 503, with a line for each check.
//   - /metrics is in the Prometheus text format.
//   - /debug/pprof is the profiles of net/http/pprof.
//
// Nothing is authenticated: the port belongs to the machine or to a private network.
func OpsHandler(registry *prometheus.Registry, readiness *Readiness) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		lines, ready := readiness.report(r.Context())
		if ready {
			plain(w, http.StatusOK, lines+"ready\n")
		} else {
			plain(w, http.StatusServiceUnavailable, lines+"not ready\n")
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the prober may have gone
}
