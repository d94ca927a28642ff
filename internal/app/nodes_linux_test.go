package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// TestNodesShareADatabase: of three nodes on one database one works off the log; when it is cut off from the database
// it says so and another goes on, and when it is back every message was handled once.
func TestNodesShareADatabase(t *testing.T) {
	url := pgtest.NewDatabase(t)

	at := make(chan string, 100)
	nodes, away := map[string]node{}, map[string]*atomic.Bool{}
	for _, id := range []string{"one", "two", "three"} {
		cut := new(atomic.Bool)
		cfg := lab.Settings(t, config.Dev, map[string]string{"node-id": id, "node-lease": "3s", "drain-timeout": "2s", "listen": "127.0.0.1:0", "ops-listen": "127.0.0.1:0"})
		cfg.DatabaseURL = config.NewSecret(url)
		nodes[id] = node{lab.Start(t, cfg, app.Deps{
			Followers: []follow.Follower{probe(id, at)},
			Decorate: func(st store.Store, b bus.Bus) (store.Store, bus.Bus) {
				return faulty.New(st, func(faulty.Call) error {
					if cut.Load() {
						return store.ErrUnavailable
					}
					return nil
				}), b
			},
		})}
		away[id] = cut
	}
	for id, n := range nodes {
		n.say(t, "by-"+id)
	}
	var holder string
	for range nodes {
		holder = <-at
	}

	// How far it has come is written, so that no other begins with what it has done.
	for id, n := range nodes {
		await(t, id+" sees that all is handled", func() bool { return behind(t, n) == 0 })
	}

	// Cut off, it may hold nothing any more.
	away[holder].Store(true)
	await(t, "the node that is cut off says so", func() bool {
		_, body := get(t, http.DefaultClient, "http://"+nodes[holder].OpsAddr()+"/readyz")
		return strings.Contains(body, "row could not be renewed")
	})
	for id, n := range nodes {
		if id != holder {
			n.say(t, "without-by-"+id)
		}
	}
	for range 2 {
		if next := <-at; next == holder {
			t.Errorf("handled on %s, which is cut off", next)
		}
	}

	away[holder].Store(false)
	await(t, "it is back", func() bool {
		status, _ := get(t, http.DefaultClient, "http://"+nodes[holder].OpsAddr()+"/readyz")
		return status == http.StatusOK
	})
	nodes[holder].say(t, "with-it")
	<-at
	if len(at) > 0 {
		t.Errorf("%d messages were handled again", len(at))
	}
}

// behind is how many events the probe has still to handle, as a node says.
func behind(t *testing.T, n node) uint64 {
	t.Helper()
	_, body := n.opsCall(t, http.MethodGet, "/followers")
	var report struct{ Followers []follow.Status }
	if err := json.Unmarshal([]byte(body), &report); err != nil {
		t.Fatal(err, body)
	}
	for _, s := range report.Followers {
		if s.Follower == "probe" {
			return s.Behind
		}
	}
	t.Fatal("there is no probe: ", body)
	return 0
}
