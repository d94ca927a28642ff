package app_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/bus/nats/natstest"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// onDatabase starts a node on a database, with what else is set.
func onDatabase(t *testing.T, url string, set func(*config.Config)) node {
	t.Helper()
	cfg := lab.Settings(t, config.Dev, nil)
	cfg.DatabaseURL, cfg.NodeID = config.NewSecret(url), rand.Text()
	set(&cfg)
	return start(t, cfg)
}

// opened opens a socket of the user and waits until it is established.
func opened(t *testing.T, n node, user int) *lab.Socket {
	t.Helper()
	s := n.connect(t, "ws", n.RootKeys(), n.Seeded().UserARNs[user])
	if event := read(t, s).Event(); event != "SESSION_ESTABLISHED" {
		t.Fatalf("first event: %s", event)
	}
	return s
}

// say sends a message of the first user.
func say(t *testing.T, n node, persistence, text string) {
	t.Helper()
	in := map[string]string{"Content": text, "Type": "STANDARD", "Persistence": persistence, "ClientRequestToken": strings.ReplaceAll(text, " ", "-")}
	target := "/channels/" + lab.Escape(n.Seeded().ChannelARN) + "/messages"
	if err := n.Peer().Call(t.Context(), http.MethodPost, target, n.Seeded().UserARNs[0], in, nil); err != nil {
		t.Fatal(err)
	}
}

// expectSaid reads the message with the text.
func expectSaid(t *testing.T, s *lab.Socket, text string) {
	t.Helper()
	if f := read(t, s); f.Event() != "CREATE_CHANNEL_MESSAGE" || f.Field("Content") != text {
		t.Fatalf("%s %s, want the message %q", f.Event(), f.Payload, text)
	}
}

func ops(t *testing.T, n node, path string) (status int, text string) {
	t.Helper()
	return get(t, n.HTTP, "http://"+n.OpsAddr()+path)
}

// TestNodesOfOneDatabase: what is sent at one node comes to the sockets of another, by NATS; without NATS as well, when it
// is persistent, and the node says that it comes late.
func TestNodesOfOneDatabase(t *testing.T) {
	url := pgtest.NewDatabase(t)
	port, stop := natstest.Serve(t, 0)
	byNATS := func(cfg *config.Config) { cfg.NATSURL = []string{fmt.Sprint("nats://127.0.0.1:", port)} }
	one, two := onDatabase(t, url, byNATS), onDatabase(t, url, byNATS)
	here, there := opened(t, one, 0), opened(t, two, 1)
	everywhere := func(text string) {
		t.Helper()
		expectSaid(t, here, text)
		expectSaid(t, there, text)
	}

	say(t, one, "PERSISTENT", "first")
	everywhere("first")
	natstest.Await(t, "the interest is known", func() bool {
		_, metrics := ops(t, two, "/metrics")
		return strings.Contains(metrics, "carillon_bus_connected 1") && !strings.Contains(metrics, "carillon_bus_subjects 0")
	})
	natstest.Await(t, "an announcement comes", func() bool {
		text := fmt.Sprint("announced ", time.Now().UnixNano())
		say(t, one, "PERSISTENT", text)
		everywhere(text)
		_, metrics := ops(t, two, "/metrics")
		return !strings.Contains(metrics, `carillon_bus_received_total{kind="log"} 0`)
	})
	say(t, one, "NON_PERSISTENT", "not kept")
	everywhere("not kept")
	if status, text := ops(t, two, "/readyz"); status != http.StatusOK || !strings.Contains(text, "bus: ok") {
		t.Errorf("/readyz is %d %s", status, text)
	}

	// NATS goes and comes back.
	stop()
	natstest.Await(t, "the nodes say so", func() bool {
		status, text := ops(t, two, "/readyz")
		return status == http.StatusOK && strings.Contains(text, "bus: degraded")
	})
	say(t, one, "PERSISTENT", "without NATS")
	everywhere("without NATS")
	_, _ = natstest.Serve(t, port)
	natstest.Await(t, "the nodes are connected", func() bool {
		_, of1 := ops(t, one, "/readyz")
		_, of2 := ops(t, two, "/readyz")
		return strings.Contains(of1, "bus: ok") && strings.Contains(of2, "bus: ok")
	})
	say(t, two, "PERSISTENT", "the other way")
	everywhere("the other way")
}

// TestNodesWithServersWithinThem: no NATS is needed, and a node whose others are gone says so.
func TestNodesWithServersWithinThem(t *testing.T) {
	url := pgtest.NewDatabase(t)
	one := onDatabase(t, url, func(cfg *config.Config) { cfg.ClusterListen = "127.0.0.1:0" })
	two := onDatabase(t, url, func(cfg *config.Config) {
		cfg.ClusterListen, cfg.ClusterRoutes = "127.0.0.1:0", []string{one.clusterAddress(t)}
	})
	there := opened(t, two, 1)
	natstest.Await(t, "the servers find each other", func() bool {
		_, text := ops(t, two, "/readyz")
		return strings.Contains(text, "bus: ok")
	})
	natstest.Await(t, "an announcement comes", func() bool {
		text := fmt.Sprint("announced ", time.Now().UnixNano())
		say(t, one, "PERSISTENT", text)
		expectSaid(t, there, text)
		_, metrics := ops(t, two, "/metrics")
		return !strings.Contains(metrics, `carillon_bus_received_total{kind="log"} 0`)
	})
	if err := one.Stop(); err != nil {
		t.Fatal(err)
	}
	natstest.Await(t, "the node is alone", func() bool {
		status, text := ops(t, two, "/readyz")
		return status == http.StatusOK && strings.Contains(text, "bus: degraded")
	})
	say(t, two, "PERSISTENT", "alone")
	expectSaid(t, there, "alone")
}

// clusterAddress is the address for other nodes, which a line of the log has.
func (n node) clusterAddress(t *testing.T) string {
	t.Helper()
	_, rest, found := strings.Cut(n.Log.String(), "listening for other nodes\" address=")
	address, _, _ := strings.Cut(rest, " ")
	if !found {
		t.Fatal("the log has no address for other nodes")
	}
	return address
}

// TestANodeWithoutItsClusterPortDoesNotStart and names the setting.
func TestANodeWithoutItsClusterPortDoesNotStart(t *testing.T) {
	cfg := lab.Settings(t, config.Dev, nil)
	cfg.DatabaseURL = config.NewSecret("postgres://127.0.0.1:1/none")
	cfg.ClusterListen = start(t, lab.Settings(t, config.Dev, nil)).Addr()
	n, err := app.New(t.Context(), cfg, app.Deps{})
	if err == nil {
		t.Fatalf("it starts, and closes with %v", n.Close())
	}
	if !strings.Contains(err.Error(), "cluster-listen") {
		t.Errorf("the error is %v", err)
	}
}
