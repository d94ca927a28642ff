package fastpath_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/app/fastpath"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

// served is a server with one connection behind the fast path, in a bubble of synctest.
type served struct {
	*memory
	fast   *fastpath.Listener
	server *http.Server
	log    bytes.Buffer
	states []http.ConnState
}

// serve calls the test with a server that has the handler.
func serve(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, s *served)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &served{memory: newMemory()}
		s.server = &http.Server{
			Handler: handler, ErrorLog: log.New(&s.log, "", 0),
			ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
			ConnState: func(nc net.Conn, state http.ConnState) {
				if nc != net.Conn(s.memory) {
					t.Errorf("the hook got a %T", nc)
				}
				s.states = append(s.states, state)
			},
			ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
				return context.WithValue(ctx, connKey{}, nc)
			},
		}
		s.fast = fastpath.NewListener(newOne(s.memory), s.server)
		done := make(chan error)
		go func() { done <- s.server.Serve(s.fast) }()
		test(t, s)
		s.finish()
		_ = s.server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		if err := s.fast.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

type connKey struct{}

// answers counts the answers that the client has got.
func (s *served) answers() int {
	synctest.Wait()
	answered, _ := s.seen()
	return strings.Count(answered, "HTTP/1.1 ")
}

// closedWithin reports after which time, in whole seconds, the server closes the connection.
func (s *served) closedAfter(t *testing.T) time.Duration {
	t.Helper()
	for start := time.Now(); time.Since(start) < time.Hour; time.Sleep(time.Second) {
		synctest.Wait()
		if _, closed := s.seen(); closed {
			return time.Since(start)
		}
	}
	t.Fatal("the connection is never closed")
	return 0
}

// shutdown stops the server and its fast path.
func (s *served) shutdown(ctx context.Context) error {
	return errors.Join(s.server.Shutdown(ctx), s.fast.Shutdown(ctx))
}

func nothing(http.ResponseWriter, *http.Request) {}

func TestHooksAreThoseOfTheServer(t *testing.T) {
	const upgrade = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
	for name, test := range map[string]struct {
		sent []string
		want []http.ConnState
	}{
		"plain":       {[]string{get, get}, []http.ConnState{http.StateNew, http.StateActive, http.StateIdle, http.StateActive, http.StateIdle, http.StateClosed}},
		"handed over": {[]string{upgrade}, []http.ConnState{http.StateNew, http.StateActive, http.StateIdle, http.StateClosed}},
		"later":       {[]string{get, upgrade}, []http.ConnState{http.StateNew, http.StateActive, http.StateIdle, http.StateActive, http.StateIdle, http.StateClosed}},
		"nothing":     {nil, []http.ConnState{http.StateNew, http.StateClosed}},
	} {
		t.Run(name, func(t *testing.T) {
			serve(t, func(_ http.ResponseWriter, r *http.Request) {
				if r.Context().Value(connKey{}) == nil || r.Context().Value(http.ServerContextKey) == nil || r.Context().Value(http.LocalAddrContextKey) == nil {
					t.Error("the context of the request lacks a value")
				}
			}, func(t *testing.T, s *served) {
				for i, text := range test.sent {
					if s.send([]byte(text)); s.answers() != i+1 {
						t.Fatalf("%d answers to %d requests", s.answers(), i+1)
					}
				}
				s.finish()
				s.closedAfter(t)
				if !slices.Equal(s.states, test.want) {
					t.Errorf("states %v, want %v", s.states, test.want)
				}
			})
		})
	}
}

func TestTimeoutsAreThoseOfTheServer(t *testing.T) {
	read := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }
	for name, test := range map[string]struct {
		sent        string
		least, most time.Duration
		answers     int
	}{
		"silent":           {"", 10 * time.Second, 11 * time.Second, 0},
		"half a head":      {get[:20], 10 * time.Second, 11 * time.Second, 0},
		"half a second":    {get + get[:20], 10 * time.Second, 11 * time.Second, 1},
		"idle":             {get, 2 * time.Minute, 2*time.Minute + 9*time.Second, 1},
		"hardly a byte":    {get + "G", 2 * time.Minute, 2*time.Minute + 9*time.Second, 1},
		"half a body":      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf", 30 * time.Second, 31 * time.Second, 1},
		"half a later one": {get + "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf", 30 * time.Second, 31 * time.Second, 2},
	} {
		t.Run(name, func(t *testing.T) {
			serve(t, read, func(t *testing.T, s *served) {
				s.send([]byte(test.sent))
				if after := s.closedAfter(t); after < test.least || after > test.most {
					t.Errorf("closed after %v, want %v to %v", after, test.least, test.most)
				}
				if got := s.answers(); got != test.answers {
					t.Errorf("%d answers, want %d", got, test.answers)
				}
			})
		})
	}
}

func TestAnAnswerHasTheServersTime(t *testing.T) {
	serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Second) }, func(t *testing.T, s *served) {
		for range 3 {
			start := time.Now()
			s.send([]byte(get))
			time.Sleep(25 * time.Second)
			if left := s.writeDeadline().Sub(start); left < time.Minute || left > 64*time.Second {
				t.Errorf("the answer may be written until %v after its request", left)
			}
		}
	})
	serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour))
	}, func(t *testing.T, s *served) {
		s.send([]byte(get))
		if answers, left := s.answers(), time.Until(s.writeDeadline()); answers != 1 || left != time.Hour {
			t.Errorf("the handler's deadline for writes is %v away", left)
		}
	})
}

func TestAClientThatLeavesEndsTheContext(t *testing.T) {
	for name, body := range map[string]string{"no body": "", "a body": "some"} {
		t.Run(name, func(t *testing.T) {
			ended := false
			serve(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.ReadAll(r.Body)
				<-r.Context().Done()
				ended = true
			}, func(t *testing.T, s *served) {
				s.send(fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
				time.Sleep(time.Second)
				s.hangUp()
				if synctest.Wait(); !ended {
					t.Error("the handler waits for a client that has left")
				}
			})
		})
	}
}

// What the client sends while its handler works begins the next request.
func TestAWatchedClientMaySendOn(t *testing.T) {
	serve(t, func(_ http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		if r.Context().Err() != nil {
			t.Error("the context ended")
		}
	}, func(t *testing.T, s *served) {
		s.send([]byte(get))
		time.Sleep(500 * time.Millisecond)
		s.send([]byte(get[:10]))
		time.Sleep(time.Minute)
		s.send([]byte(get[10:] + get))
		time.Sleep(time.Minute)
		if got := s.answers(); got != 1 { // the second head was not whole within its time
			t.Errorf("%d answers, want 1", got)
		}
	})
	serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) }, func(t *testing.T, s *served) {
		s.send([]byte(get))
		time.Sleep(500 * time.Millisecond)
		s.send([]byte(get[:10]))
		time.Sleep(time.Second)
		s.send([]byte(get[10:] + get))
		time.Sleep(time.Minute)
		if got := s.answers(); got != 3 {
			t.Errorf("%d answers, want 3", got)
		}
	})
}

func TestShutdownWaitsForRequestsUnderWay(t *testing.T) {
	serve(t, func(http.ResponseWriter, *http.Request) { time.Sleep(10 * time.Second) }, func(t *testing.T, s *served) {
		s.send([]byte(get))
		synctest.Wait()
		start := time.Now()
		if err := s.shutdown(t.Context()); err != nil || time.Since(start) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if answered, closed := s.seen(); !closed || !strings.Contains(answered, "200 OK") || !strings.Contains(answered, "Connection: close") {
			t.Errorf("closed: %v, answered %q", closed, answered)
		}
	})
	serve(t, nothing, func(t *testing.T, s *served) {
		s.send([]byte(get))
		synctest.Wait()
		start := time.Now()
		if err := s.shutdown(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("with an idle connection: %v after %v", err, time.Since(start))
		}
	})
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(t *testing.T, s *served) {
		s.send([]byte(get))
		time.Sleep(time.Second)
		if err := s.shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, closed := s.seen(); !closed {
			t.Error("the connection was not cut off")
		}
	})
}

func TestAPanicIsLoggedUnlessItIsMeant(t *testing.T) {
	for _, test := range []struct {
		value any
		want  string
	}{{"a fault", "http: panic serving client: a fault"}, {http.ErrAbortHandler, ""}} {
		serve(t, func(http.ResponseWriter, *http.Request) { panic(test.value) }, func(t *testing.T, s *served) {
			s.send([]byte(get))
			if after := s.closedAfter(t); after != 0 {
				t.Errorf("closed after %v", after)
			}
			if got, _, _ := strings.Cut(s.log.String(), "\n"); got != test.want {
				t.Errorf("logged %q, want %q", got, test.want)
			}
			if s.answers() != 0 {
				t.Error("answered")
			}
		})
	}
}

// Handlers keep strings of a request: names, tokens, ids.
func TestStringsOfARequestMayBeKept(t *testing.T) {
	var kept, want []string
	serve(t, func(_ http.ResponseWriter, r *http.Request) {
		kept = append(kept, r.RequestURI, r.URL.Path, r.Host, r.Header.Get("A"), r.Header.Get("B"))
	}, func(t *testing.T, s *served) {
		for i := range 20 {
			a, b := fmt.Sprint("a", i/3), fmt.Sprint("b", i)
			s.send(fmt.Appendf(nil, "GET /%s/%%20 HTTP/1.1\r\nHost: %s\r\nA: %s\r\nB: %s\r\n\r\n", a, b, a, b))
			want = append(want, "/"+a+"/%20", "/"+a+"/ ", b, a, b)
			synctest.Wait()
		}
		if !slices.Equal(kept, want) {
			t.Errorf("kept %q", kept)
		}
	})
}

func TestOtherConnectionsAreHandedOver(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	server := &http.Server{Handler: http.HandlerFunc(nothing)}
	fast := fastpath.NewListener(newOne(theirs), server)
	defer fast.Close()
	if conn, err := fast.Accept(); err != nil || conn != theirs {
		t.Errorf("%v, %v", conn, err)
	}
	_ = theirs.Close()
}

func TestErrorsOfAcceptAreTheServers(t *testing.T) {
	server := &http.Server{Handler: http.HandlerFunc(nothing)}
	fast := fastpath.NewListener(failing{}, server)
	if _, err := fast.Accept(); !errors.Is(err, errFull) {
		t.Error(err)
	}
	_ = fast.Close()
	if _, err := fast.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

var errFull = errors.New("too many open files")

type failing struct{}

func (failing) Accept() (net.Conn, error) { return nil, errFull }
func (failing) Close() error              { return nil }
func (failing) Addr() net.Addr            { return address("server") }

func TestABodyKnowsWhetherItHasArrived(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n"
	var seen []bool
	serve(t, func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Body.(interface{ HasArrived() bool }).HasArrived())
		_, _ = io.Copy(io.Discard, r.Body)
	}, func(t *testing.T, s *served) {
		for _, parts := range [][]string{{head + "abcdef"}, {head + "abc", "def"}, {head, "abcdef"}} {
			for _, part := range parts {
				s.send([]byte(part))
				synctest.Wait()
			}
		}
	})
	if want := []bool{true, false, false}; !slices.Equal(seen, want) {
		t.Errorf("arrived %v, want %v", seen, want)
	}
}
