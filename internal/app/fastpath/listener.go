package fastpath

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// Conn is a connection that takes back what was read of it. Connections that cannot are handed over
// at once.
type Conn interface {
	net.Conn
	// Unread makes the next calls of Read return b first. It keeps a copy. It is called between
	// reads, when everything that was unread before has been read.
	Unread(b []byte)
}

// Listener answers plain requests on the connections of another listener. Accept returns the
// connections that are not, or not any more, used for plain requests alone. It is safe for concurrent
// use.
type Listener struct {
	net.Listener
	server *http.Server
	state  func(net.Conn, http.ConnState) // the server's hook, never nil

	start   sync.Once
	workers workers
	handed  chan accepted // to Accept

	closing  sync.Once
	closed   chan struct{} // nothing is accepted any more
	closeErr error
	stopping atomic.Bool // closed is closed, or about to be

	handedOver atomic.Uint64

	mu    sync.Mutex
	conns map[*conn]struct{}
	left  chan struct{} // closed when the listener is, and no connection is left
}

type accepted struct {
	conn net.Conn
	err  error
}

// NewListener wraps a listener for the server's Serve. The server must have a handler and must not be
// changed afterwards. Its ConnState hook is called for all connections, as it would be without the
// fast path; its ConnContext is called again for a connection that is handed over.
func NewListener(inner net.Listener, server *http.Server) *Listener {
	l := &Listener{
		Listener: inner, server: server, workers: newWorkers(), handed: make(chan accepted),
		closed: make(chan struct{}), conns: map[*conn]struct{}{}, left: make(chan struct{}),
	}

	// The server meets a connection that is handed over as a new one; the hook has met it before.
	l.state = func(net.Conn, http.ConnState) {}
	if hook := server.ConnState; hook != nil {
		l.state = hook
		server.ConnState = func(nc net.Conn, state http.ConnState) {
			if state != http.StateNew {
				hook(nc, state)
			}
		}
	}
	return l
}

// Accept waits for a connection that the server has to serve. The first call begins to serve the
// others.
func (l *Listener) Accept() (net.Conn, error) {
	l.start.Do(func() { go l.serve() })
	select {
	case a := <-l.handed:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Stats counts the connections of a Listener.
type Stats struct {
	Open       int    // served here
	HandedOver uint64 // to the server, since the start
}

// Stats returns the present counts.
func (l *Listener) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Open: len(l.conns), HandedOver: l.handedOver.Load()}
}

// Close accepts nothing more and closes the connections without a request. Requests under way are
// answered, and end their connections.
func (l *Listener) Close() error {
	l.closing.Do(func() {
		l.stopping.Store(true)
		close(l.closed)
		l.closeErr = l.Listener.Close()

		l.mu.Lock()
		defer l.mu.Unlock()
		for c := range l.conns {
			if !c.busy.Load() { // else it sees that the listener is stopping
				_ = c.nc.Close()
			}
		}
		l.checkLeft()
	})
	return l.closeErr
}

// Shutdown closes the listener and waits until the requests under way are answered. When ctx ends
// before that it cuts their connections off, and returns the error of ctx.
func (l *Listener) Shutdown(ctx context.Context) error {
	err := l.Close()
	select {
	case <-l.left:
		return err
	case <-ctx.Done():
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.nc.Close()
	}
	return errors.Join(err, ctx.Err())
}

// serve accepts connections until the listener is closed. Errors are for the server, which waits
// before it calls Accept again.
func (l *Listener) serve() {
	base := context.Background()
	if l.server.BaseContext != nil {
		base = l.server.BaseContext(l)
	}
	base = context.WithValue(base, http.ServerContextKey, l.server)

	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			if !l.hand(nil, err) {
				return
			}
			continue
		}

		ctx := base
		if l.server.ConnContext != nil {
			ctx = l.server.ConnContext(ctx, nc)
		}
		l.state(nc, http.StateNew)
		if plain, ok := nc.(Conn); ok {
			l.workers.serve(job{newConn(l, plain), ctx}, l.closed)
		} else if !l.hand(nc, nil) {
			_ = nc.Close()
			l.state(nc, http.StateClosed)
		}
	}
}

// hand gives a connection or an error to Accept. It reports false when the listener is closed.
func (l *Listener) hand(nc net.Conn, err error) bool {
	select {
	case l.handed <- accepted{nc, err}:
		if err == nil {
			l.handedOver.Add(1)
		}
		return true
	case <-l.closed:
		return false
	}
}

// add notes a connection for as long as it is served here. One that comes when the listener is
// closed already is closed.
func (l *Listener) add(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
	if l.stopping.Load() {
		_ = c.nc.Close()
	}
}

func (l *Listener) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	if l.stopping.Load() {
		l.checkLeft()
	}
}

// checkLeft closes left when it is time. The caller holds mu.
func (l *Listener) checkLeft() {
	if len(l.conns) > 0 {
		return
	}
	select {
	case <-l.left:
	default:
		close(l.left)
	}
}

// logf writes to the server's log.
func (l *Listener) logf(format string, args ...any) {
	if l.server.ErrorLog != nil {
		l.server.ErrorLog.Printf(format, args...)
	}
}
