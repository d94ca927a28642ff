//go:build !race

// The race detector has sync.Pool drop what it holds at random, so that allocations cannot be counted.

package app_test

import (
	"bytes"
	"fmt"
	"net"
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

	room := make([]byte, 4<<10)
	each := testing.AllocsPerRun(connects, func() {
		conn, err := net.Dial("tcp", n.PublicHost())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(requests[0]); err != nil {
			t.Fatal(err)
		}
		requests = requests[1:]
		for fill := 0; !bytes.Contains(room[:fill], []byte("SESSION_ESTABLISHED")); {
			more, err := conn.Read(room[fill:])
			if err != nil {
				t.Fatalf("%v after %q", err, room[:fill])
			}
			fill += more
		}
	})
	if each > most {
		t.Errorf("a connect allocates %.0f times, want at most %d", each, most)
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
