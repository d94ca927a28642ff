package app_test

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/iam"
	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// cell is a store and the nodes that share it.
type cell struct {
	*testing.T
	store store.Store
	bus   bus.Bus
	away  atomic.Bool // the store, for all nodes
}

func newCell(t *testing.T) *cell {
	st := memstore.New()
	t.Cleanup(func() { _ = st.Close() })
	c := &cell{T: t}
	c.store = faulty.New(st, func(faulty.Call) error {
		if c.away.Load() {
			return store.ErrUnavailable
		}
		return nil
	})
	return c
}

// start starts a node of the cell.
func (c *cell) start(id string, followers ...follow.Follower) node {
	c.Helper()
	return c.startWith(app.Deps{Followers: followers}, map[string]string{"node-id": id})
}

func (c *cell) startWith(deps app.Deps, settings map[string]string) node {
	c.Helper()
	all := map[string]string{"node-lease": "3s", "drain-timeout": "2s", "listen": "127.0.0.1:0", "ops-listen": "127.0.0.1:0"}
	maps.Copy(all, settings)
	deps.Shared = true
	deps.Decorate = func(_ store.Store, b bus.Bus) (store.Store, bus.Bus) {
		if c.bus == nil {
			c.bus = b
		}
		return c.store, c.bus
	}
	return node{lab.Start(c.T, lab.Settings(c.T, config.Dev, all), deps)}
}

// endpoint asks a node where to connect.
func (n node) endpoint(t *testing.T) string {
	t.Helper()
	var answer messaging.GetMessagingSessionEndpointResponse
	if err := n.Peer().Call(t.Context(), http.MethodGet, "/endpoints/messaging-session", "", nil, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Endpoint.URL
}

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-t.Context().Done():
			t.Fatal("the test ends before", what)
		}
	}
}

// probe is a follower that says on which node it was handed a message.
func probe(id string, at chan<- string) follow.Follower {
	return follow.Follower{
		Name: "probe", Start: follow.End, Wants: func(e *chime.Event) bool { return e.Type == chime.EventCreateMessage },
		Handle: func(_ context.Context, _ string, events []*chime.Event) error {
			for range events {
				at <- id
			}
			return nil
		},
	}
}

// A single node handles the events of the log. When it stops another node continues; each message is handled once.
func TestNodesTakeOverTheWorkOfOneThatStops(t *testing.T) {
	c := newCell(t)
	at := make(chan string, 100)
	one := c.start("one", probe("one", at))
	await(t, "the first holds the lease", func() bool {
		_, body := one.opsCall(t, http.MethodGet, "/followers")
		return strings.Contains(body, "probe")
	})
	two := c.start("two", probe("two", at))
	one.say(t, "first")
	first := <-at
	two.say(t, "second")
	if second := <-at; second != first {
		t.Errorf("handled on %s and then on %s", first, second)
	}

	left := map[string]node{"one": one, "two": two}
	if err := left[first].Stop(); err != nil {
		t.Fatal(err)
	}
	delete(left, first)
	for id, n := range left {
		n.say(t, "third")
		if third := <-at; third != id {
			t.Errorf("handled on %s, which has stopped", third)
		}
	}
	if len(at) > 0 {
		t.Errorf("%d messages were handled twice", len(at))
	}
}

// Clients are sent to the node that has the fewest, and away from one that stops, which tells those that it has
// to go.
func TestClientsAreSentToTheNodeWithTheFewest(t *testing.T) {
	c := newCell(t)
	one, two := c.start("one"), c.start("two")
	for _, id := range []string{"a", "b", "c"} {
		lab.Opened(t)(one.at("ws", one.RootKeys()).Connect(t.Context(), one.Seeded().UserARNs[0], "sessionId", id))
	}
	for _, n := range []node{one, two} {
		await(t, "the loads are known", func() bool { return n.endpoint(t) == two.PublicHost() })
	}

	socket := lab.Opened(t)(two.at("ws", two.RootKeys()).Connect(t.Context(), two.Seeded().UserARNs[0], "sessionId", "d"))
	stopped := make(chan error)
	go func() { stopped <- two.Stop() }()
	if code := socket.Closed(t.Context()); code != websocket.StatusGoingAway {
		t.Errorf("the socket of the node that stops is closed with %d", code)
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	await(t, "the other is offered", func() bool { return one.endpoint(t) == one.PublicHost() })
}

// While a node drains it is served and offers others.
func TestADrainingNodeOffersOthers(t *testing.T) {
	c := newCell(t)
	one := c.start("one")
	drained, goOn := make(chan struct{}), make(chan struct{})
	two := c.startWith(app.Deps{Wait: func(context.Context, time.Duration) { close(drained); <-goOn }}, map[string]string{"node-id": "two", "shutdown-delay": "1m"})
	await(t, "the nodes know each other", func() bool { return strings.Count(nodes(t, one), `"Gone":false`) == 2 })
	stopped := make(chan error)
	go func() { stopped <- two.Stop() }()
	<-drained
	for range 10 {
		if got := two.endpoint(t); got != one.PublicHost() {
			t.Errorf("a draining node offers %s", got)
		}
	}
	await(t, "the other sees it", func() bool { return strings.Contains(nodes(t, one), `"Draining":true`) })
	close(goOn)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	await(t, "the other sees it go", func() bool { return strings.Count(nodes(t, one), `"ID"`) == 1 })
}

// nodes is what the operations port of a node says of all.
func nodes(t *testing.T, n node) string {
	t.Helper()
	_, body := n.opsCall(t, http.MethodGet, "/nodes")
	return body
}

// asUser asks a node where to connect with keys of an IAM user, and returns the status.
func (n node) asUser(t *testing.T, keys sigv4.Credentials) int {
	t.Helper()
	got, err := n.Peer().As(keys).Send(t.Context(), http.MethodGet, "/endpoints/messaging-session", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return got.Status
}

// What one node changes in the account holds on the others within a second, and a node that cannot read the
// account refuses, but for the keys of its own settings.
func TestNodesAgreeOnTheAccount(t *testing.T) {
	c := newCell(t)
	one, two := c.start("one"), c.start("two")
	keys, err := one.Peer().MakeUser(t.Context(), "ann", lab.AllowWhen("{}"))
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the user may call the other node", func() bool { return two.asUser(t, keys) == http.StatusOK })
	if _, err := iam.New(one.session(t, "https", one.RootKeys())).DeleteUserPolicy(&iam.DeleteUserPolicyInput{
		UserName: aws.String("ann"), PolicyName: aws.String("p"),
	}); err != nil {
		t.Fatal(err)
	}
	if status := one.asUser(t, keys); status != http.StatusForbidden {
		t.Errorf("the node that took the policy away answers %d", status)
	}
	await(t, "the other node knows", func() bool { return two.asUser(t, keys) == http.StatusForbidden })

	// Without a policy the answer needs no store; without the store there is none.
	c.away.Store(true)
	await(t, "the node refuses", func() bool { return two.asUser(t, keys) == http.StatusServiceUnavailable })
	if _, body := get(t, http.DefaultClient, "http://"+two.OpsAddr()+"/readyz"); !strings.Contains(body, "account") {
		t.Errorf("/readyz says %s", body)
	}
	c.away.Store(false)
	await(t, "it decides again", func() bool { return two.asUser(t, keys) == http.StatusForbidden })
}

// A node alone answers as before: itself, and no nodes.
func TestANodeAloneIsOffered(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	if got := n.endpoint(t); got != n.PublicHost() {
		t.Errorf("it offers %s", got)
	}
	if got := strings.TrimSpace(nodes(t, n)); got != "[]" {
		t.Errorf("nodes: %s", got)
	}
}
