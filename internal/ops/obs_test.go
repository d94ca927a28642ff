package ops_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/ops"
)

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestReadinessFollowsItsChecks(t *testing.T) {
	var readiness ops.Readiness
	h := ops.OpsHandler(ops.NewRegistry("v1"), &readiness)
	if code, _ := get(t, h, "/readyz"); code != http.StatusOK {
		t.Errorf("without checks: %d", code)
	}
	var broken error
	readiness.Add("store", func(context.Context) error { return broken })
	readiness.Add("port", func(context.Context) error { return nil })
	if code, body := get(t, h, "/readyz"); code != http.StatusOK || body != "store: ok\nport: ok\nready\n" {
		t.Errorf("all well: %d %q", code, body)
	}
	broken = errors.New("the disk is full")
	if code, body := get(t, h, "/readyz"); code != http.StatusServiceUnavailable || body != "store: the disk is full\nport: ok\nnot ready\n" {
		t.Errorf("one broken: %d %q", code, body)
	}
	broken = fmt.Errorf("%w: half of it", ops.ErrDegraded)
	if code, body := get(t, h, "/readyz"); code != http.StatusOK || body != "store: degraded: half of it\nport: ok\nready\n" {
		t.Errorf("one degraded: %d %q", code, body)
	}
	if code, body := get(t, h, "/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("healthz must not depend on checks: %d %q", code, body)
	}
}

func TestReadinessCheckIsBounded(t *testing.T) {
	var readiness ops.Readiness
	readiness.Add("slow", func(ctx context.Context) error {
		if _, bounded := ctx.Deadline(); !bounded {
			return errors.New("no deadline")
		}
		return nil
	})
	if code, body := get(t, ops.OpsHandler(ops.NewRegistry(""), &readiness), "/readyz"); code != http.StatusOK {
		t.Error(body)
	}
}

func TestMetricsAndProfiles(t *testing.T) {
	h := ops.OpsHandler(ops.NewRegistry("v1.2.3"), new(ops.Readiness))
	_, metrics := get(t, h, "/metrics")
	for _, want := range []string{`carillon_build_info{version="v1.2.3"} 1`, "go_goroutines "} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline"} {
		if code, _ := get(t, h, path); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code, _ := get(t, h, "/nothing"); code != http.StatusNotFound {
		t.Errorf("unknown path: %d", code)
	}
}

func TestRegistriesAreIndependent(t *testing.T) {
	a, b := ops.NewRegistry("a"), ops.NewRegistry("b") // a second one must not panic
	if a == b {
		t.Error("one registry for all")
	}
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	var level slog.LevelVar
	level.Set(slog.LevelWarn)
	log, err := ops.NewLogger(&out, &level, "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("hidden")
	log.Warn("shown", "n", 1)
	var line struct {
		Msg string
		N   int
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Msg != "shown" || line.N != 1 {
		t.Errorf("%s: %v", out.String(), err)
	}
	out.Reset()
	if log, err = ops.NewLogger(&out, &level, "text"); err != nil {
		t.Fatal(err)
	}
	level.Set(slog.LevelDebug)
	log.Debug("shown")
	if !strings.Contains(out.String(), "msg=shown") {
		t.Errorf("%q", out.String())
	}
	if _, err := ops.NewLogger(&out, &level, "xml"); err == nil {
		t.Error("the format xml is accepted")
	}
}

func TestLevels(t *testing.T) {
	for text, want := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if got, err := ops.ParseLevel(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	if _, err := ops.ParseLevel("loud"); err == nil {
		t.Error("the level loud is accepted")
	}
}
