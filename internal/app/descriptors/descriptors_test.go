package descriptors_test

import (
	"net"
	"testing"

	"github.com/carillon-chat/carillon/internal/app/descriptors"
)

func TestDivide(t *testing.T) {
	for limit, want := range map[int]descriptors.Share{
		0:         {},
		20:        {Store: 1, Connections: 10},
		64:        {Store: 12, Connections: 32},
		1024:      {Store: 236, Connections: 768},
		20_000:    {Store: 1000, Connections: 18_900},
		1_048_576: {Store: 1000, Connections: 1_047_476},
	} {
		if got := descriptors.Divide(limit); got != want {
			t.Errorf("limit %d: %+v, want %+v", limit, got, want)
		}
	}
}

func TestConnectionsThatMayNotStayAreClosed(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan struct{}, 1)
	listener := &descriptors.Listener{Listener: inner, Most: 1, Refused: func() { refused <- struct{}{} }}
	ended := make(chan error)
	go func() {
		_, err := listener.Accept()
		ended <- err
	}()
	conn, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-refused
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes", n)
	}
	inner.Close()
	if err := <-ended; err == nil {
		t.Error("a connection was accepted")
	}
}
