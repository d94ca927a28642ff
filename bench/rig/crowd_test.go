//go:build linux

package rig

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// pair is a socket as the crowd gets it, and the other end of it.
func pair(t *testing.T, read []byte) (*Socket, *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	_ = peer.SetDeadline(time.Now().Add(20 * time.Second))
	s := NewSocket(conn)
	s.fill = copy(s.buf, read)
	return s, peer.(*net.TCPConn)
}

type told struct {
	id   int
	what string
}

// listening is a crowd that tells what it hears.
func listening(t *testing.T) (*Crowd, chan told) {
	t.Helper()
	heard := make(chan told, 100)
	c, err := NewCrowd(
		func(id int, op byte, payload []byte) {
			if op == OpText {
				heard <- told{id, string(bytes.TrimRight(payload, " "))}
			}
		},
		func(id int, why error) { heard <- told{id, why.Error()} }, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, heard
}

func expect(t *testing.T, heard chan told, want ...told) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-heard:
			if got != w {
				t.Fatalf("heard %v, want %v", got, w)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%v was not heard", w)
		}
	}
}

func TestCrowdHearsEverybody(t *testing.T) {
	c, heard := listening(t)
	first := TextFrame(200, "first")
	early, a := pair(t, append(TextFrame(150, "early"), first[:20]...)) // read with the handshake
	if err := c.Admit(3, early, false); err != nil {
		t.Fatal(err)
	}
	expect(t, heard, told{3, "early"})
	other, b := pair(t, nil)
	if err := c.Admit(0, other, false); err != nil {
		t.Fatal(err)
	}
	_, _ = a.Write(first[20:])
	expect(t, heard, told{3, "first"})
	_, _ = b.Write([]byte{0x89, 2, 'h', 'i'})
	answer := make([]byte, 8)
	if _, err := io.ReadFull(b, answer); err != nil || !bytes.Equal(answer, []byte{0x8a, 0x82, 0, 0, 0, 0, 'h', 'i'}) {
		t.Fatalf("a ping is answered with %x, %v", answer, err)
	}
	a.Close()
	expect(t, heard, told{3, "EOF"})
	_, _ = b.Write(TextFrame(60_000, "still here"))
	expect(t, heard, told{0, "still here"})
}

func TestCrowdDoesNotReadTheDeafAndSeesTheirEnd(t *testing.T) {
	c, heard := listening(t)
	s, peer := pair(t, nil)
	if err := c.Admit(0, s, true); err != nil {
		t.Fatal(err)
	}
	_ = peer.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	block := make([]byte, 1<<20)
	for { // nothing but what the kernel takes
		if _, err := peer.Write(block); err != nil {
			break
		}
	}
	_ = peer.SetLinger(0)
	peer.Close()
	expect(t, heard, told{0, "EOF"})
}

func TestCrowdExchangesSockets(t *testing.T) {
	c, heard := listening(t)
	old, before := pair(t, nil)
	if err := c.Admit(0, old, false); err != nil {
		t.Fatal(err)
	}
	c.Expel(0)
	if _, err := before.Read(make([]byte, 1)); err == nil {
		t.Fatal("a socket that was expelled goes on")
	}
	next, after := pair(t, nil)
	if err := c.Admit(0, next, false); err != nil {
		t.Fatal(err)
	}
	_, _ = after.Write(TextFrame(200, "again"))
	expect(t, heard, told{0, "again"})
	c.Close()
	late, _ := pair(t, nil)
	if err := c.Admit(1, late, false); err == nil {
		t.Error("a crowd that is closed lets sockets in")
	}
}
