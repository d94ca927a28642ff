package app

import (
	"container/list"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/app/descriptors"
	"github.com/carillon-chat/carillon/internal/ops"
)

// refusalTimeout bounds the writing of an answer to a connection that is one too many.
const refusalTimeout = 100 * time.Millisecond

// tooMany is answered to a connection that is one too many, before anything is read of it.
const tooMany = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 21\r\n\r\ntoo many connections\n"

// connections are those of the public port, no more than a bound. When it is reached, the
// connection that has been without a request for the longest time makes room: first a client's that
// has sent nothing at all, then one that is kept alive between requests, which every client opens
// again by itself. Requests under way and WebSockets are never ended for new ones; when only those
// are left the new connection is refused.
type connections struct {
	most    int        // zero is no bound
	sockets func() int // WebSockets, which have left the server
	lines   *ops.Sampler
	log     *slog.Logger

	mu               sync.Mutex
	open             int                        // connections that the server knows
	fresh, idle      list.List                  // of net.Conn, the oldest first
	element          map[net.Conn]*list.Element // its element of fresh or idle
	leaving          map[net.Conn]struct{}      // evicted, and not counted in open any more
	evicted, refused uint64
}

// mostConnections is the bound of the setting, or what the process's limit of files allows apart
// from the store.
func mostConnections(setting int, files descriptors.Share) int {
	if setting > 0 || files.Connections == 0 {
		return setting
	}
	return max(files.Connections-files.Store-descriptors.Other, files.Connections/2)
}

// track follows a connection's state, for http.Server.
func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(conn)
	switch state {
	case http.StateNew:
		c.open++
		c.element[conn] = c.fresh.PushBack(conn)
	case http.StateIdle:
		if _, evicted := c.leaving[conn]; evicted {
			return
		}
		c.element[conn] = c.idle.PushBack(conn)
	case http.StateHijacked, http.StateClosed:
		if _, counted := c.leaving[conn]; counted {
			delete(c.leaving, conn)
		} else {
			c.open--
		}
	}
}

// forget takes a connection off the lists. The caller holds mu.
func (c *connections) forget(conn net.Conn) {
	if at := c.element[conn]; at != nil {
		c.fresh.Remove(at)
		c.idle.Remove(at)
		delete(c.element, conn)
	}
}

// admit reports whether one more connection may come, and makes room for it.
func (c *connections) admit() bool {
	if c.most == 0 {
		return true
	}

	sockets := c.sockets()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open+sockets < c.most {
		return true
	}

	// The oldest one without a request goes: first one that never had any.
	oldest := c.fresh.Front()
	if oldest == nil {
		oldest = c.idle.Front()
	}
	if oldest == nil {
		c.refused++
		return false
	}

	conn := oldest.Value.(net.Conn)
	c.forget(conn)
	c.leaving[conn] = struct{}{}
	c.open--
	c.evicted++
	go conn.Close() // TLS writes its end of data
	return true
}

// closeFresh ends the connections that never had a request: http.Server would wait seconds for
// those that browsers open in advance.
func (c *connections) closeFresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := c.fresh.Front(); at != nil; at = at.Next() {
		_ = at.Value.(net.Conn).Close()
	}
}

// bounded accepts what the connections admit.
type bounded struct {
	net.Listener
	*connections
}

// Accept waits for the next connection that may stay.
func (l bounded) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.admit() {
			return conn, err
		}
		if omitted, ok := l.lines.Sample(); ok {
			l.log.Warn("connection refused: max-connections reached, and each is busy with a request or WebSocket",
				"most", l.most, "remote", conn.RemoteAddr().String(), "omitted", omitted)
		}
		if conn.SetWriteDeadline(time.Now().Add(refusalTimeout)) == nil {
			_, _ = io.WriteString(conn, tooMany) // TLS clients see that it ends
		}
		_ = conn.Close()
	}
}

func (c *connections) sample(gauge, counter sample) {
	sockets := c.sockets()
	c.mu.Lock()
	defer c.mu.Unlock()
	gauge("carillon_connections_open", "Connections of the public port, WebSockets included.", float64(c.open+sockets))
	gauge("carillon_connections_limit", "Most connections of the public port: max-connections. 0 is no limit.", float64(c.most))
	counter("carillon_connections_evicted_total", "Connections closed to make room, on which nothing was asked at the time.", float64(c.evicted))
	counter("carillon_connections_refused_total", "Connections refused because all others were in use. Any at all mean: raise max-connections, or look for who holds them.", float64(c.refused))
}
