package embedded_test

import (
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/bus/bustest"
	"github.com/carillon-chat/carillon/internal/bus/nats"
	"github.com/carillon-chat/carillon/internal/bus/nats/embedded"
	"github.com/carillon-chat/carillon/internal/bus/nats/natstest"
)

const app = "app"

// node is a server and the bus of its process.
type node struct {
	server *embedded.Server
	bus    *nats.Bus
}

func start(t *testing.T, change func(*embedded.Options), routes ...string) node {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	o := embedded.Options{Name: "test", Listen: "127.0.0.1:0", Routes: routes, Secret: "a secret that nodes share", Logger: log}
	if change != nil {
		change(&o)
	}
	s, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := nats.Open(nats.Options{InProcess: s, Prefix: "test", Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	n := node{s, b}
	t.Cleanup(n.stop)
	return n
}

func (n node) stop() {
	_ = n.bus.Close()
	n.server.Close()
}

func (n node) address() string { return n.server.Addr().String() }

func TestBetweenNodes(t *testing.T) {
	bustest.RunBetween(t, func(t *testing.T) bustest.Pair {
		one := start(t, nil)
		other := start(t, nil, one.address())
		return bustest.Pair{One: one.bus, Other: other.bus}
	})
}

// TestNodesComeAndGo: a third node that knows one of two reaches both, and when one ends the others go on.
func TestNodesComeAndGo(t *testing.T) {
	one := start(t, nil)
	if one.server.Alone() {
		t.Error("a node without routes looks for others")
	}
	two := start(t, nil, one.address())
	theirs := two.bus.Subscribe(app)
	bustest.Reach(t, one.bus, app, theirs)

	three := start(t, nil, two.address())
	natstest.Await(t, "all know each other", func() bool {
		return one.server.Peers() == 2 && two.server.Peers() == 2 && three.server.Peers() == 2
	})
	last := three.bus.Subscribe(app)
	bustest.Reach(t, one.bus, app, last)

	at := two.address()
	two.stop()
	natstest.Await(t, "the node is gone", func() bool { return one.server.Peers() == 1 && three.server.Peers() == 1 })
	bustest.Reach(t, one.bus, app, last)
	one.stop()
	natstest.Await(t, "the last is alone", func() bool { return three.server.Peers() == 0 })
	if !three.server.Alone() || three.bus.Degraded() != nil {
		t.Errorf("alone %v, %v", three.server.Alone(), three.bus.Degraded())
	}

	// It finds one that comes back at an address that it knows.
	back := start(t, func(o *embedded.Options) { o.Listen = at })
	bustest.Reach(t, back.bus, app, last)
}

// TestStrangersDoNotJoin: neither without the secret nor from another cluster.
func TestStrangersDoNotJoin(t *testing.T) {
	one := start(t, nil)
	for name, change := range map[string]func(*embedded.Options){
		"another secret":  func(o *embedded.Options) { o.Secret = "another" },
		"no secret":       func(o *embedded.Options) { o.Secret = "" },
		"another cluster": func(o *embedded.Options) { o.Name = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			lines := make(chan string, 1000)
			stranger := start(t, func(o *embedded.Options) {
				change(o)
				o.Logger = slog.New(slog.NewTextHandler(writer(lines), &slog.HandlerOptions{Level: slog.LevelDebug}))
			}, one.address())
			refusals := 0
			for refusals < 2 { // it was refused, and tries again
				line := <-lines
				if strings.Contains(strings.ToLower(line), "closed") {
					refusals++
				}
				if strings.Contains(line, "a secret that nodes share") {
					t.Errorf("the log shows the secret: %s", line)
				}
			}
			if one.server.Peers() > 0 || stranger.server.Peers() > 0 {
				t.Error("a stranger is in the cluster")
			}
		})
	}
}

// TestServersShowCertificates: without one of the right CA there is no way in, and with it no secret is needed.
func TestServersShowCertificates(t *testing.T) {
	folder := t.TempDir()
	ca, other := natstest.NewAuthority(t, folder, "ca"), natstest.NewAuthority(t, folder, "other")
	by := func(a *natstest.Authority, name string) func(*embedded.Options) {
		cert, key := a.Sign(t, name)
		return func(o *embedded.Options) { o.Secret, o.CertFile, o.KeyFile, o.CAFile = "", cert, key, ca.File }
	}
	one := start(t, by(ca, "one"))
	two := start(t, by(ca, "two"), one.address())
	bustest.Reach(t, one.bus, app, two.bus.Subscribe(app))

	lines := make(chan string, 1000)
	for name, change := range map[string]func(*embedded.Options){"of another CA": by(other, "three"), "without a certificate": func(o *embedded.Options) { o.Secret = "" }} {
		stranger := start(t, func(o *embedded.Options) {
			change(o)
			o.Logger = slog.New(slog.NewTextHandler(writer(lines), &slog.HandlerOptions{Level: slog.LevelDebug}))
		}, one.address())
		for refused := false; !refused; {
			line := strings.ToLower(<-lines)
			refused = strings.Contains(line, "closed") || strings.Contains(line, "handshake error")
		}
		if one.server.Peers() != 1 || stranger.server.Peers() > 0 {
			t.Errorf("a server %s is in the cluster", name)
		}
	}
}

type writer chan string

func (w writer) Write(line []byte) (int, error) {
	select {
	case w <- string(line):
	default:
	}
	return len(line), nil
}

func TestAPortThatIsTakenIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s, err := embedded.Start(embedded.Options{Name: "test", Listen: listener.Addr().String(), Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		s.Close()
		t.Error("no error")
	}
}
