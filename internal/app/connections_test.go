package app_test

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// dial opens a connection that says nothing yet.
func (n node) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", n.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask sends a request on the connection and keeps it open.
func ask(t *testing.T, conn net.Conn) int {
	t.Helper()
	if _, err := conn.Write([]byte("GET /chat/ HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
		return 0
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	return resp.StatusCode
}

// gone waits until the server ends the connection.
func gone(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes of a connection that should be closed", n)
	}
}

func TestIdleConnectionsMakeRoomForNewOnes(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, map[string]string{"max-connections": "4"}))
	socket := n.connect(t, "ws", n.RootKeys(), n.Seeded().UserARNs[0])
	read(t, socket)
	idle := n.dial(t)
	if got := ask(t, idle); got != 200 {
		t.Fatal(got)
	}
	silent, second := n.dial(t), n.dial(t)
	if got := ask(t, n.dial(t)); got != 200 { // one too many: the first silent one makes room
		t.Errorf("with silent connections: %d", got)
	}
	gone(t, silent)
	if got := ask(t, n.dial(t)); got != 200 {
		t.Errorf("with another: %d", got)
	}
	gone(t, second)
	if got := ask(t, n.dial(t)); got != 200 { // only kept-alive ones are left
		t.Errorf("with idle connections: %d", got)
	}
	if got := n.metric(t, "carillon_connections_evicted_total"); got != "3" {
		t.Errorf("evicted: %s", got)
	}
	if got := n.metric(t, "carillon_connections_limit"); got != "4" {
		t.Errorf("limit: %s", got)
	}
	if got := n.metric(t, "carillon_sockets_open"); got != "1" {
		t.Errorf("the WebSocket was ended: %s are open", got)
	}
}

func TestAConnectionTooManyIsRefusedWhenAllOthersAreInUse(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, map[string]string{"max-connections": "2"}))
	for i, user := range n.Seeded().UserARNs {
		conn := n.connect(t, []string{"ws", "wss"}[i], n.RootKeys(), user)
		read(t, conn)
	}
	if got := ask(t, n.dial(t)); got != 503 && got != 0 { // reset before it was read
		t.Errorf("%d", got)
	}
	if n.metric(t, "carillon_connections_refused_total") != "1" || !strings.Contains(n.Log.String(), "connection refused") {
		t.Errorf("neither counted nor logged: %s", n.Log)
	}
}
