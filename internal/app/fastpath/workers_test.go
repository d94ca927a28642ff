package fastpath

import (
	"bytes"
	"context"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// Connections that come one after the other are served by one goroutine, and those that come together by one
// each, of which a bounded number waits for others until the listener is closed.
func TestWorkersServeOneConnectionAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const together = 2 * mostIdle
		took := time.Duration(0)
		var served []string // the names of the goroutines
		l := NewListener(nil, &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			name := make([]byte, 32)
			name, _, _ = bytes.Cut(name[:runtime.Stack(name, false)], []byte(" ["))
			served = append(served, string(name))
			time.Sleep(took)
		})})
		closed := make(chan struct{})
		serve := func() {
			l.workers.serve(job{newConn(l, &canned{left: 1}), context.Background()}, closed)
			synctest.Wait()
		}

		for range 3 {
			serve()
		}
		if len(served) != 3 || served[0] != served[1] || served[1] != served[2] {
			t.Errorf("connections were served by %q", served)
		}

		took = time.Second
		for range together {
			serve()
		}
		time.Sleep(2 * took)
		if waiting := l.workers.idle.Load(); waiting != mostIdle || l.Stats().Open != 0 {
			t.Errorf("%d goroutines wait, and %d connections are open", waiting, l.Stats().Open)
		}
		close(closed) // a goroutine that is left fails the test
	})
}
