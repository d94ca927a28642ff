package app

import (
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/carillon-chat/carillon/internal/app/browser"
	"github.com/carillon-chat/carillon/internal/ops"
)

// logInterval lies between two log lines of a kind whose number the clients decide.
const logInterval = time.Second

// help names the setting that would allow the page.
var help = map[browser.Reason]string{
	browser.ForeignHost:   "public-host adds a name; with keys of one's own, or random-keys, every name is answered",
	browser.ForeignOrigin: "allowed-origins names the origins that may",
	browser.ForeignSite:   "allowed-origins names the origins that may",
}

// guardPages refuses what web pages that are not allowed make browsers send, before any other
// handler sees it.
func (a *App) guardPages(next http.Handler) http.Handler {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "carillon_page_refusals_total",
		Help: "Requests refused because of the web page that they come from, by reason: its origin is not among allowed-origins, or Host is no name of this server.",
	}, []string{"reason"})
	a.registry.MustRegister(refused)
	lines := ops.NewSampler(logInterval, a.deps.Now)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := a.pages.Check(r)
		if err == nil {
			next.ServeHTTP(w, r)
			return
		}

		var refusal *browser.Refusal
		errors.As(err, &refusal)
		refusal.Answer.Message += "; " + help[refusal.Reason]
		refused.WithLabelValues(string(refusal.Reason)).Inc()
		if omitted, ok := lines.Sample(); ok { // the page's developer sees only a failure
			a.deps.Log.Warn("blocked a request of a web page", slog.String("why", refusal.Answer.Message), slog.Uint64("omitted", omitted))
		}
		writeRefusal(w, r, refusal)
	})
}

// writeRefusal answers in the protocol that the request seems to speak. No header lets the page read
// the answer.
func writeRefusal(w http.ResponseWriter, r *http.Request, refusal *browser.Refusal) {
	kind, body := "application/json", refusal.Answer.AppendJSON(nil)
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && media == "application/x-www-form-urlencoded" {
		kind, body = "text/xml", refusal.Answer.AppendXML(nil, "", "")
	}
	w.Header().Set("X-Amzn-ErrorType", refusal.Answer.Type)
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(refusal.Answer.Status)
	_, _ = w.Write(body) // the client may have gone
}
