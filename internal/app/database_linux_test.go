package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// TestANodeOnADatabase: everything is in the database and not in the data folder, whose loss loses nothing; while the
// database is away the node says so and takes no changes, and when it is back it goes on by itself.
func TestANodeOnADatabase(t *testing.T) {
	server := pgtest.Begin(t)
	url, err := server.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const password = "a-password-of-the-test"
	url = strings.Replace(url, "postgres@", "postgres:"+password+"@", 1)
	onDatabase := func() *lab.Node {
		cfg, err := config.Load(config.Serve, config.Sources{
			Flags: map[string]string{"listen": "127.0.0.1:0", "ops-listen": "127.0.0.1:0", "data": filepath.Join(t.TempDir(), "data")},
			Environ: []string{
				"CARILLON_ROOT_ACCESS_KEY_ID=AKIASERVE00000000000", "CARILLON_ROOT_SECRET_ACCESS_KEY=a-secret-of-the-test", "CARILLON_DATABASE_URL=" + url,
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if faults, _ := app.Check(t.Context(), cfg, time.Now()); len(faults) > 0 {
			t.Fatal(faults)
		}
		return lab.Start(t, cfg, app.Deps{})
	}
	create := func(n *lab.Node, name string) error {
		in := map[string]string{"Name": name, "ClientRequestToken": name}
		return n.Peer().Call(t.Context(), http.MethodPost, "/app-instances", "", in, nil)
	}
	names := func(n *lab.Node) string {
		var out struct{ AppInstances []struct{ Name string } }
		if err := n.Peer().Call(t.Context(), http.MethodGet, "/app-instances", "", nil, &out); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(out.AppInstances)
	}

	n := onDatabase()
	if err := create(n, "before"); err != nil {
		t.Fatal(err)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	n = onDatabase()
	if got := names(n); got != "[{before}]" {
		t.Errorf("after a start with another folder: %s", got)
	}

	// Away, and back.
	ready := func() int {
		status, _ := get(t, n.HTTP, "http://"+n.OpsAddr()+"/readyz")
		return status
	}
	if got := ready(); got != http.StatusOK {
		t.Errorf("/readyz is %d", got)
	}
	if err := server.Stop(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	await(t, "a node that is not ready", func() bool { return ready() == http.StatusServiceUnavailable })
	var refused *lab.Refusal
	if err := create(n, "meanwhile"); !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
		t.Errorf("a change is answered %v", err)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	await(t, "a node that is ready again", func() bool { return ready() == http.StatusOK })
	if err := create(n, "after"); err != nil {
		t.Error(err)
	}
	if got := names(n); got != "[{before} {after}]" {
		t.Errorf("in the end: %s", got)
	}

	// Its figures, and no word of the password.
	_, metrics := get(t, n.HTTP, "http://"+n.OpsAddr()+"/metrics")
	for _, name := range []string{"carillon_store_refusing 0", "carillon_store_batches_total", "carillon_store_connections_limit 16", "carillon_store_batch_seconds_count"} {
		if !strings.Contains(metrics, name) {
			t.Errorf("the metrics do not have %s", name)
		}
	}
	settings, err := json.Marshal(n.Config)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"log": n.Log.String(), "metrics": metrics, "settings": string(settings)} {
		if strings.Contains(text, password) {
			t.Errorf("the %s has the password", what)
		}
	}
}
