package nats_test

import (
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/carillon-chat/carillon/internal/bus/nats"
	"github.com/carillon-chat/carillon/internal/bus/nats/natstest"
)

const app = "app"

// serve runs a server. A port of zero is a free one.
func serve(t testing.TB, o server.Options) *server.Server {
	t.Helper()
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	o.Host, o.NoLog, o.NoSigs = "127.0.0.1", true, true
	s, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() { stop(s) })
	return s
}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

func port(s *server.Server) int { return s.Addr().(*net.TCPAddr).Port }

// open opens a bus that is connected before it returns.
func open(t testing.TB, o nats.Options) *nats.Bus {
	t.Helper()
	b := begin(t, o)
	natstest.Await(t, "the connection", func() bool { return b.Degraded() == nil })
	return b
}

// begin opens a bus.
func begin(t testing.TB, o nats.Options) *nats.Bus {
	t.Helper()
	if o.Prefix == "" {
		o.Prefix = "test"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b, err := nats.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func at(s *server.Server) nats.Options { return nats.Options{URLs: []string{s.ClientURL()}} }

// wire is a network in front of a server, which can be cut and stopped.
type wire struct {
	listener net.Listener
	to       string

	mu      sync.Mutex
	conns   map[net.Conn]bool
	down    bool          // new connections are closed
	stopped chan struct{} // nothing passes until it is closed; nil when everything does
}

func newWire(t *testing.T, to *server.Server) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, to: fmt.Sprint("127.0.0.1:", port(to)), conns: map[net.Conn]bool{}}
	go w.accept()
	t.Cleanup(func() { _ = listener.Close(); w.goOn(); w.cut() })
	return w
}

func (w *wire) options() nats.Options {
	return nats.Options{URLs: []string{"nats://" + w.listener.Addr().String()}}
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil || !w.keep(near, far) {
			_ = near.Close()
			if err == nil {
				_ = far.Close()
			}
			continue
		}
		go w.pass(near, far)
		go w.pass(far, near)
	}
}

// keep notes connections for cut. It reports false when there is to be none.
func (w *wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return false
	}
	for _, c := range conns {
		w.conns[c] = true
	}
	return true
}

func (w *wire) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		w.mu.Lock()
		stopped := w.stopped
		w.mu.Unlock()
		if stopped != nil {
			<-stopped
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut ends all connections. What is on its way is lost.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
	}
	clear(w.conns)
}

// setDown cuts, and has no new connections come up until it is called again.
func (w *wire) setDown(down bool) {
	w.mu.Lock()
	w.down = down
	w.mu.Unlock()
	if down {
		w.cut()
	}
}

// hold stops everything that passes, until goOn.
func (w *wire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped == nil {
		w.stopped = make(chan struct{})
	}
}

func (w *wire) goOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped != nil {
		close(w.stopped)
		w.stopped = nil
	}
}
