package wsconn

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/throttle"
)

// crowd serves connections of one user in virtual time, one of which may be opened a second. times
// gives when each was attached.
func crowd(t *testing.T, opts Options, test func(s *Server, connect func() *peer, times func() []time.Duration)) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var mu sync.Mutex
		var at []time.Duration
		opts.Hub = attachFunc(func(realtime.Grant, realtime.Transport) (Session, error) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(begin))
			return silent{}, nil
		})
		var err error
		if opts.Limiter, err = throttle.New(throttle.Options{Rates: map[string]int{"rate-connect": 1}}); err != nil {
			t.Fatal(err)
		}
		opts.Authenticate = allow
		s := New(opts)
		listener := &oneListener{conns: make(chan net.Conn, 1)}
		web := &http.Server{Handler: s}
		ended := make(chan error, 1)
		go func() { ended <- web.Serve(listener) }()
		var peers []*peer
		test(s, func() *peer {
			server, client := net.Pipe()
			listener.conns <- server
			p := handshake(t, client)
			peers = append(peers, p)
			return p
		}, func() []time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(at)
		})
		for _, p := range peers {
			p.nc.Close()
		}
		shutdown(t, s)
		web.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

func TestConnectionsOverTheRateWait(t *testing.T) {
	crowd(t, Options{MaxPending: 2}, func(s *Server, connect func() *peer, times func() []time.Duration) {
		for range 7 {
			connect()
			synctest.Wait()
		}
		if stats := s.Stats(); stats.Waiting != 5 || stats.Pending != 0 {
			t.Errorf("%d wait and %d are pending, want 5 and none", stats.Waiting, stats.Pending)
		}
		connect().wantClose(4005)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		want := []time.Duration{0, 0, 1 * time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second, 5 * time.Second}
		if got := times(); !slices.Equal(got, want) {
			t.Errorf("attached after %v, want %v", got, want)
		}
		if n := s.Stats().Waiting; n != 0 {
			t.Errorf("%d wait", n)
		}
	})
}

func TestThoseThatWaitAreBounded(t *testing.T) {
	crowd(t, Options{MaxWaiting: 1}, func(s *Server, connect func() *peer, times func() []time.Duration) {
		for range 3 {
			connect()
			synctest.Wait()
		}
		connect().wantClose(4005)
	})
}

// A connection that waits ends with the server, at once.
func TestAStopEndsTheWait(t *testing.T) {
	crowd(t, Options{}, func(s *Server, connect func() *peer, times func() []time.Duration) {
		var waiting *peer
		for range 3 {
			waiting = connect()
			synctest.Wait()
		}
		begin := time.Now()
		go s.Shutdown(context.Background(), 1012, "service restart")
		waiting.wantClose(1012)
		if took := time.Since(begin); took != 0 {
			t.Errorf("told after %v", took)
		}
		if n := len(times()); n != 2 {
			t.Errorf("%d were attached", n)
		}
	})
}
