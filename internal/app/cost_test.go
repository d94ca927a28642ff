//go:build !race

// The race detector has sync.Pool drop what it holds at random, so that allocations cannot be counted.

package app_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// A connect, from the accepted connection to the end of its session, allocates a bounded number of times.
// The bound has room for the client's side, which is here too: it dials, and keeps nothing.
func TestAConnectAllocatesLittle(t *testing.T) {
	const connects, most = 200, 140
	n := start(t, lab.Settings(t, config.Dev, map[string]string{"ws-connections-per-user": "1000"}))
	var requests [][]byte // of sessions of their own
	for range connects + 1 {
		requests = append(requests, upgrade(t, n))
	}

	each := testing.AllocsPerRun(connects, func() {
		r := dialRaw(t, n)
		defer r.conn.Close()
		r.write(requests[0])
		requests = requests[1:]
		r.until("SESSION_ESTABLISHED")
	})
	if each > most {
		t.Errorf("a connect allocates %.0f times, want at most %d", each, most)
	}
}

// A send, from its bytes on the connection to its answer and to the frame at a member's WebSocket, allocates a
// bounded number of times: most of it is its records, its event and its frame.
func TestASendAllocatesLittle(t *testing.T) {
	const sends, most = 200, 90
	n := start(t, lab.Settings(t, config.Dev, nil))
	sender, socket := dialRaw(t, n), dialRaw(t, n)
	socket.write(upgrade(t, n))
	socket.until("SESSION_ESTABLISHED")

	var requests [][]byte // each with a token and a marker of its own
	for i := range sends + 1 {
		body := fmt.Appendf(nil, `{"Content":"%0500d send-%d.","Type":"STANDARD","Persistence":"PERSISTENT","ClientRequestToken":"token-%d"}`, 0, i, i)
		seeded := n.Seeded()
		r, err := n.Peer().Request(t.Context(), http.MethodPost, "/channels/"+url.PathEscape(seeded.ChannelARN)+"/messages", seeded.UserARNs[0], body)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := r.Write(&text); err != nil {
			t.Fatal(err)
		}
		requests = append(requests, text.Bytes())
	}

	i := 0
	each := testing.AllocsPerRun(sends, func() {
		sender.write(requests[i])
		sender.until("MessageId")
		socket.until(fmt.Sprintf("send-%d.", i))
		i++
	})
	if each > most {
		t.Errorf("a send allocates %.0f times, want at most %d", each, most)
	}
}

// raw is a connection that is written and read without allocations.
type raw struct {
	t    *testing.T
	conn net.Conn
	room [8 << 10]byte
}

func dialRaw(t *testing.T, n node) *raw {
	conn, err := net.Dial("tcp", n.PublicHost())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &raw{t: t, conn: conn}
}

func (r *raw) write(p []byte) {
	if _, err := r.conn.Write(p); err != nil {
		r.t.Fatal(err)
	}
}

// until reads until the text has come, which is the last of what comes.
func (r *raw) until(text string) {
	for fill := 0; !bytes.Contains(r.room[:fill], []byte(text)); {
		more, err := r.conn.Read(r.room[fill:])
		if err != nil {
			r.t.Fatalf("%v after %q", err, r.room[:fill])
		}
		fill += more
	}
}

// upgrade is a presigned request for a WebSocket.
func upgrade(t *testing.T, n node) []byte {
	target, err := n.Peer().Presign(n.Seeded().UserARNs[0], time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2l4dGVlbiBieXRlcyBvaw==\r\n\r\n", u.RequestURI(), u.Host)
}
