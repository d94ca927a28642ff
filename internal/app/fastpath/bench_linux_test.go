package fastpath_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/app/bothtls"
	"github.com/carillon-chat/carillon/internal/app/fastpath"
	"github.com/carillon-chat/carillon/internal/lab/cputime"
)

// BenchmarkRequest is one small POST at a time on a TCP connection, with and without the fast path,
// client included. The CPU time is that of the process.
func BenchmarkRequest(b *testing.B) {
	for _, fast := range []bool{false, true} {
		b.Run(fmt.Sprintf("fast=%v", fast), func(b *testing.B) {
			conn := listen(b, fast)
			request := []byte("POST /channels/arn%3Aaws%3Achime%3Aus-east-1%3A000000000000%3Aapp-instance%2Fa%2Fchannel%2Fb/messages HTTP/1.1\r\n" +
				"Host: localhost:24463\r\nUser-Agent: aws-sdk-js/3\r\nAuthorization: " + strings.Repeat("a", 250) +
				"\r\nX-Amz-Date: 20261130T000000Z\r\nX-Amz-Chime-Bearer: arn:aws:user\r\nContent-Type: application/json\r\nContent-Length: 700\r\n\r\n" +
				strings.Repeat("x", 700))
			r := bufio.NewReader(conn)
			start := cputime.Process(b)
			for b.Loop() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
				for line := ""; line != "{}"; { // the answer's body
					text, err := r.ReadString('\n')
					if err != nil {
						b.Fatal(err)
					}
					if line = text; line == "\r\n" {
						_, err = r.Discard(len("{}"))
						line = "{}"
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			}
			b.ReportMetric(float64((cputime.Process(b)-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// listen starts a server and connects to it.
func listen(b *testing.B, fast bool) net.Conn {
	b.Helper()
	server := &http.Server{
		ReadHeaderTimeout: time.Minute, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "2")
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "{}")
		}),
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var listener net.Listener = bothtls.NewListener(tcp, nil)
	if fast {
		listener = fastpath.NewListener(listener, server)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	conn, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = conn.Close()
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			b.Error(err)
		}
	})
	return conn
}
