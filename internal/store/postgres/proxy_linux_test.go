package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between a store and its server and understands enough of the protocol to cut a connection at a commit.
type proxy struct {
	listener net.Listener
	server   *net.TCPAddr
	next     atomic.Int32 // what happens to the next commit
	cuts     atomic.Int32

	mu    sync.Mutex
	conns []net.Conn
	work  sync.WaitGroup
}

// What happens to a commit.
const (
	passes = iota
	cutBefore
	cutBehind
)

func startProxy(t *testing.T, port int) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, server: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}}
	p.work.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.work.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.work.Wait()
	})
	return p
}

// url is that of the database with the proxy for its server.
func (p *proxy) url(t *testing.T, direct string) string {
	t.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.listener.Addr().String()
	return u.String()
}

// cut cuts the connection of the next commit, before it arrives or before its answer does.
func (p *proxy) cut(arrives bool) {
	if arrives {
		p.next.Store(cutBehind)
	} else {
		p.next.Store(cutBefore)
	}
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.DialTCP("tcp", nil, p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()

	var muted atomic.Bool // answers do not reach the client
	answered := make(chan struct{})
	p.work.Go(func() {
		defer close(answered)
		defer client.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if n > 0 && muted.Load() {
				return // the server has answered the commit
			}
			if _, failed := client.Write(buffer[:n]); err != nil || failed != nil {
				return
			}
		}
	})
	_ = p.forward(client, server, &muted, answered)
	_ = client.Close()
	_ = server.Close()
}

var errCut = errors.New("cut")

// forward passes the client's messages on, up to a commit that is to be cut.
func (p *proxy) forward(client io.Reader, server io.Writer, muted *atomic.Bool, answered <-chan struct{}) error {
	startup := make([]byte, 4) // it has no type
	if _, err := io.ReadFull(client, startup); err != nil {
		return err
	}
	rest := make([]byte, binary.BigEndian.Uint32(startup)-4)
	if _, err := io.ReadFull(client, rest); err != nil {
		return err
	}
	if _, err := server.Write(append(startup, rest...)); err != nil {
		return err
	}

	commits := map[string]bool{} // names of prepared commits
	for cut, header := int32(passes), make([]byte, 5); ; {
		if _, err := io.ReadFull(client, header); err != nil {
			return err
		}
		body := make([]byte, binary.BigEndian.Uint32(header[1:])-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return err
		}
		parts := bytes.SplitN(body, []byte{0}, 3)
		switch header[0] {
		case 'P':
			commits[string(parts[0])] = string(parts[1]) == commit
		case 'B':
			if commits[string(parts[1])] {
				if cut = p.next.Swap(passes); cut != passes {
					p.cuts.Add(1)
				}
			}
			if cut == cutBefore {
				return errCut
			}
		}
		last := cut == cutBehind && header[0] == 'S'
		muted.Store(muted.Load() || last)
		if _, err := server.Write(append(bytes.Clone(header), body...)); err != nil {
			return err
		}
		if last {
			<-answered
			return errCut
		}
	}
}
