package wsconn

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// closings opens sockets in virtual time, shuts the server down, and tells when each was told so.
func closings(t *testing.T, opts Options, count int, patience time.Duration) (at []time.Duration, err error) {
	synctest.Test(t, func(t *testing.T) {
		opts.Hub, opts.Authenticate, opts.PingInterval = quiet, allow, 10_000*time.Hour
		s := New(opts)
		listener := &oneListener{conns: make(chan net.Conn, 1)}
		web := &http.Server{Handler: s}
		ended := make(chan error, 1)
		go func() { ended <- web.Serve(listener) }()
		var clients sync.WaitGroup
		var mu sync.Mutex
		var begin time.Time
		for range count {
			server, client := net.Pipe()
			listener.conns <- server
			p := handshake(t, client)
			clients.Go(func() {
				defer client.Close()
				h, _, err := p.next()
				if err != nil {
					return // cut off
				}
				mu.Lock()
				at = append(at, time.Since(begin))
				mu.Unlock()
				if h.OpCode != ws.OpClose {
					t.Errorf("got %x", h.OpCode)
				}
				_, _ = client.Write(closeOf(1012, ""))
				_, _ = io.Copy(io.Discard, client)
			})
		}
		synctest.Wait()
		begin = time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err = s.Shutdown(ctx, 1012, "service restart")
		clients.Wait()
		web.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	slices.Sort(at)
	return at, err
}

func TestClosingIsSpreadEvenly(t *testing.T) {
	at, err := closings(t, Options{CloseSpread: 10 * time.Second}, 100, time.Minute)
	if err != nil || len(at) != 100 {
		t.Fatalf("%d were told, %v", len(at), err)
	}
	for i := range 10 { // each second has its tenth
		second := time.Duration(i) * time.Second
		n := 0
		for _, one := range at {
			if one >= second && one < second+time.Second {
				n++
			}
		}
		if n != 10 {
			t.Errorf("%d were told in second %d, want 10", n, i)
		}
	}
	if slices.Equal(at[:10], slices.Repeat(at[:1], 10)) {
		t.Error("all of a second were told at one moment")
	}
}

func TestClosingWithoutASpreadIsAtOnce(t *testing.T) {
	at, err := closings(t, Options{}, 20, time.Minute)
	if err != nil || len(at) != 20 || at[19] != 0 {
		t.Errorf("told after %v, %v", at, err)
	}
}

func TestTheSpreadEndsWithTheContext(t *testing.T) {
	at, err := closings(t, Options{CloseSpread: time.Hour}, 20, time.Minute)
	if !errors.Is(err, context.DeadlineExceeded) || len(at) > 10 {
		t.Errorf("%d were told, %v", len(at), err)
	}
}
