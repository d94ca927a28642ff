package app_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// A proxy that believes Content-Length sees another request where the server sees a chunk, so
// nothing that follows a chunked body on its connection is answered (RFC 9112, 6.1).
func TestNothingFollowsAChunkedBody(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, nil))
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	for name, request := range map[string]string{
		"REST": "POST /app-instances HTTP/1.1\r\nHost: " + n.PublicHost() + "\r\n",
		"form": "POST / HTTP/1.1\r\nHost: " + n.PublicHost() + "\r\nContent-Type: application/x-www-form-urlencoded\r\n",
		"page": "POST /_carillon/config HTTP/1.1\r\nHost: " + n.PublicHost() + "\r\n",
	} {
		for _, length := range []string{"", "Content-Length: 4\r\n"} {
			conn, err := net.Dial("tcp", n.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, request+length+"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"+smuggled); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(conn)
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || !resp.Close {
				t.Errorf("%s, %q: %d, closing: %v, %v", name, strings.TrimSpace(length), resp.StatusCode, resp.Close, err)
			}
			if rest, _ := io.ReadAll(r); len(rest) > 0 {
				t.Errorf("%s, %q: answered what follows: %s", name, strings.TrimSpace(length), rest)
			}
		}
	}
}
