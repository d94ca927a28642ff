// Package descriptors keeps file descriptors back from clients. The files of the store and the
// connections of clients are drawn from one limit of the process: without this, a client that opens
// enough connections takes from the store what it needs to write.
package descriptors

import (
	"net"
	"syscall"
)

// Share is how the files that a process may have open are divided.
type Share struct {
	// Store is how many tables the store may hold open, zero for as many as it likes.
	Store int
	// Connections is the number of descriptors of which connections may have one: a new connection
	// with a descriptor of that number or above it is closed. Zero is no bound.
	Connections int
}

const fewest, most = 96, 1100 // descriptors that are kept back

// Other is how many of those that are kept back are for logs, listeners and connections that the node
// opens.
const Other = 20

// Divide shares out the limit of the process: a quarter is kept back, 96 at least and 1100 at most, or
// half where 96 are more than that. A limit of zero is not known.
func Divide(limit int) Share {
	if limit <= 0 {
		return Share{}
	}
	kept := min(max(limit/4, fewest), most, (limit+1)/2)
	return Share{Store: max(min(kept-Other, 1000), 1), Connections: limit - kept}
}

// Listener closes connections that would take what is kept back. Descriptors are the lowest numbers
// that are free, so the number of a new one shows how many are in use at least, and no count is
// needed.
type Listener struct {
	net.Listener
	Most    int    // Share.Connections
	Refused func() // is called for each connection that is closed; it may not be nil
}

// Accept waits for the next connection that may stay.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || l.Most == 0 || number(conn) < l.Most {
			return conn, err
		}
		_ = conn.Close() // its error has no reader
		l.Refused()
	}
}

// number is the descriptor of a connection, -1 when it has none.
func number(conn net.Conn) (n int) {
	n = -1
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return n
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return n
	}
	_ = raw.Control(func(fd uintptr) { n = int(fd) }) // its error is that the connection is closed
	return n
}
