package faultnet_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/endurance/faultnet"
)

func TestMain(m *testing.M) {
	if os.Getenv(insideMirror) != "" {
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}

// pair is a connection through a proxy: both of its ends.
func pair(t *testing.T) (*faultnet.Proxy, *net.TCPConn, *net.TCPConn) {
	t.Helper()
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = target.Close() })
	p, err := faultnet.Listen("127.0.0.1:0", target.Addr().String(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	client, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	server, err := target.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	for _, c := range []net.Conn{client, server} {
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	}
	exchange(t, client, server, "hello") // so that the proxy knows the connection
	return p, client.(*net.TCPConn), server.(*net.TCPConn)
}

// exchange sends a text from one end to the other.
func exchange(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(from, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(to, got); err != nil || string(got) != text {
		t.Fatalf("%q arrived for %q: %v", got, text, err)
	}
}

// random is bytes that are the same in each run.
func random(n int) []byte {
	b, r := make([]byte, n), rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestEveryWeatherBringsTheBytesAsTheyWere(t *testing.T) {
	for name, w := range map[string]faultnet.Weather{
		"clear":  {},
		"late":   {Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond},
		"pieces": {Segment: 7},
		"slow":   {Rate: 1 << 20, Segment: 5000},
	} {
		t.Run(name, func(t *testing.T) {
			p, client, server := pair(t)
			p.SetWeather(func(*rand.Rand) faultnet.Weather { return w })
			want := random(50_000)
			for _, ends := range [][2]*net.TCPConn{{client, server}, {server, client}} {
				go func() {
					_, _ = ends[0].Write(want)
					_ = ends[0].CloseWrite()
				}()
				got, err := io.ReadAll(ends[1])
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%d of %d bytes arrived, or others: %v", len(got), len(want), err)
				}
			}
		})
	}
}

func TestCutsAreSeenByWhomTheyShould(t *testing.T) {
	for _, c := range []struct {
		name           string
		cut            func(*faultnet.Link)
		client, server bool // whether it learns of the cut
	}{
		{"reset", (*faultnet.Link).Reset, true, true},
		{"reset of the client", (*faultnet.Link).ResetClient, true, false},
		{"swallow", (*faultnet.Link).Swallow, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, client, server := pair(t)
			if n := p.Each(1, c.cut); n != 1 {
				t.Fatalf("%d connections", n)
			}
			for end, learns := range map[*net.TCPConn]bool{client: c.client, server: c.server} {
				if !learns { // it hears nothing until it gives up
					_, _ = io.WriteString(end, "lost")
					_ = end.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
				}
				n, err := end.Read(make([]byte, 10))
				if n > 0 || learns != errors.Is(err, syscall.ECONNRESET) || !learns != errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("read %d bytes and %v; learns: %v", n, err, learns)
				}
			}
		})
	}
}

func TestTornIsAPrefixAndThenTheCut(t *testing.T) {
	p, client, server := pair(t)
	p.Each(1, (*faultnet.Link).Tear)
	want := random(1000)
	if _, err := server.Write(want); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(client)
	if len(got) >= len(want) || !bytes.HasPrefix(want, got) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestStalledGoesOn(t *testing.T) {
	p, client, server := pair(t)
	p.Each(1, func(l *faultnet.Link) { l.Stall(30 * time.Millisecond) })
	exchange(t, server, client, "in the end")
}

func TestHeldArrivesAfterItsClientHasGone(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	p, err := faultnet.Listen("127.0.0.1:0", target.Addr().String(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.HoldNew(50 * time.Millisecond)
	client, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(client, "late")
	_ = client.Close()
	server, err := target.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	_ = server.SetDeadline(time.Now().Add(20 * time.Second))
	if got, err := io.ReadAll(server); err != nil || string(got) != "late" {
		t.Errorf("%q arrived: %v", got, err)
	}
}

func TestRefused(t *testing.T) {
	p, _, _ := pair(t)
	p.Refuse(true)
	c, err := net.Dial("tcp", p.Addr())
	if err == nil {
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}
