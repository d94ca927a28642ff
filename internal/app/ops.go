package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"

	"github.com/carillon-chat/carillon/internal/app/browser"
	"github.com/carillon-chat/carillon/internal/ops"
)

// buildOps adds the operations port, unless it is switched off.
func (a *App) buildOps(context.Context) error {
	if a.opsListener == nil {
		return nil
	}
	local := isLoopback(a.opsListener.Addr())
	if !local {
		a.deps.Log.Warn("the operations port is open to other machines and asks for no password: metrics, profiles and the command line can be read",
			"address", a.OpsAddr(), "setting", "ops-listen")
	}

	server := &http.Server{
		Handler: guardOps(a.opsHandler(local), local), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(a.deps.Log.Handler(), slog.LevelWarn),
	}
	// First to start and last to stop, so that it reports the stop.
	a.actors = append([]actor{{
		name: "operations port", patience: stopPatience,
		run: func(context.Context) error { return serve(server, a.opsListener) },
		stop: func(ctx context.Context) error {
			if err := server.Shutdown(ctx); err != nil {
				return server.Close() // a profile may be under way, and no stop waits for one
			}
			return nil
		},
	}}, a.actors...)
	return nil
}

// opsHandler answers on the operations port.
func (a *App) opsHandler(local bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", ops.OpsHandler(a.registry, &a.readiness))
	deadLetters{a.services.follow, a.services.jobs, local}.register(mux)
	mux.HandleFunc("GET /nodes", a.answerNodes)
	replays{a.services.follow, a.services.exports.Sinks(), local}.register(mux)
	return mux
}

// guardOps keeps web pages away from the operations port: it has no authentication, so a page that the
// operator's browser shows could read it. On loopback Host must be loopback as well.
func guardOps(next http.Handler, local bool) http.Handler {
	guard := browser.New(browser.Options{Loopback: local})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var refusal *browser.Refusal
		if errors.As(guard.Check(r), &refusal) {
			http.Error(w, refusal.Answer.Message, refusal.Answer.Status)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLoopback reports whether only this machine can reach the address.
func isLoopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
