//go:build !race

// The race detector has sync.Pool drop what it holds at random, so that allocations cannot be counted.

package fastpath

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"
)

// A request of a client that goes on as it began costs the copies of what has changed.
func TestARequestAllocatesLittle(t *testing.T) {
	const requests, changed, most = 1000, 2, 0.1 // those of the connection are spread over its requests
	body := make([]byte, 2)
	l := NewListener(nil, &http.Server{
		ReadHeaderTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.ReadFull(r.Body, body)
			h := w.Header()
			h["Content-Type"], h["Content-Length"] = jsonType, twoBytes
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write(body[:n])
		}),
	})
	answered := 0
	allocations := testing.AllocsPerRun(5, func() {
		c := &canned{left: requests}
		newConn(l, c).serve(context.Background())
		answered = c.answered
	})
	if answered != requests {
		t.Fatalf("%d answers to %d requests", answered, requests)
	}
	if each := allocations / requests; each > changed+most {
		t.Errorf("a request allocates %.1f times, of which %d are its changed fields", each, changed)
	}
}

var jsonType, twoBytes = []string{"application/json"}, []string{"2"}
