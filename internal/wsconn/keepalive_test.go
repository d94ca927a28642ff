package wsconn

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/carillon-chat/carillon/internal/realtime"
)

// virtual runs a test in virtual time over an in-memory connection, upgraded already.
func virtual(t *testing.T, opts Options, test func(t *testing.T, s *Server, p *peer)) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		if opts.Authenticate == nil {
			opts.Authenticate = allow
		}
		s := New(opts)
		stop := serveOne(t, s, server)
		defer func() {
			client.Close()
			shutdown(t, s)
			stop()
		}()
		test(t, s, handshake(t, client))
	})
}

func TestPingsKeepTheConnection(t *testing.T) {
	virtual(t, Options{Hub: quiet}, func(t *testing.T, s *Server, p *peer) {
		begin := time.Now()
		var at []time.Duration
		for len(at) < 20 {
			p.want(ws.OpPing, "")
			at = append(at, time.Since(begin))
			p.send(pong("")...)
		}
		if at[0] > 31*time.Second {
			t.Errorf("first ping after %v", at[0])
		}
		for i := range at[1:] {
			if gap := at[i+1] - at[i]; gap != 30*time.Second {
				t.Errorf("ping %d came %v after the one before", i+1, gap)
			}
		}
	})
}

func TestAnyFrameIsASignOfLife(t *testing.T) {
	virtual(t, Options{Hub: quiet}, func(t *testing.T, s *Server, p *peer) {
		for range 10 {
			p.want(ws.OpPing, "")
			p.send(text("heartbeat, but no pong")...)
		}
	})
}

func TestTwoMissedPongsEndTheConnection(t *testing.T) {
	virtual(t, Options{Hub: quiet}, func(t *testing.T, s *Server, p *peer) {
		p.want(ws.OpPing, "")
		begin := time.Now()
		p.want(ws.OpPing, "")
		if _, _, err := p.next(); err == nil {
			t.Fatal("a third frame")
		}
		if lasted := time.Since(begin); lasted != time.Minute {
			t.Errorf("ended %v after the first ping", lasted)
		}
		synctest.Wait()
		if n := s.Stats().Closed[Ended{"ping_timeout", 1006}]; n != 1 {
			t.Errorf("closed = %v", s.Stats().Closed)
		}
	})
}

type attachFunc func(realtime.Grant, realtime.Transport) (Session, error)

func (f attachFunc) Attach(_ context.Context, g realtime.Grant, t realtime.Transport) (Session, error) {
	return f(g, t)
}

// silent is a session without events.
type silent struct{ deaf }

func (silent) Take(frames [][]byte, _ int) [][]byte { return frames }
func (silent) Detach()                              {}

var quiet = attachFunc(func(realtime.Grant, realtime.Transport) (Session, error) { return silent{}, nil })

func TestCredentialsExpire(t *testing.T) {
	for _, life := range []time.Duration{-time.Minute, 0, 500 * time.Millisecond, 10 * time.Second, 29500 * time.Millisecond, 30 * time.Second, 15 * time.Minute, 12 * time.Hour} {
		t.Run(life.String(), func(t *testing.T) {
			opts := Options{Hub: quiet, Authenticate: func(context.Context, *http.Request) (realtime.Grant, *realtime.CloseError) {
				return realtime.Grant{Expires: time.Now().Add(life)}, nil
			}}
			virtual(t, opts, func(t *testing.T, s *Server, p *peer) {
				begin := time.Now()
				for {
					h, body, err := p.next()
					if err != nil {
						t.Fatal(err)
					}
					if h.OpCode == ws.OpPing {
						p.send(pong("")...)
						continue
					}
					if h.OpCode != ws.OpClose || body != "\x03\xe9credentials expired" {
						t.Fatalf("got %x %q", h.OpCode, body)
					}
					break
				}
				if late := time.Since(begin) - max(life, 0); late < 0 || late > time.Second {
					t.Errorf("closed %v after the end of the credentials", late)
				}
				p.send(closeOf(1001, "")...)
				p.wantEOF()
			})
		})
	}
}

func TestCredentialsWithoutEnd(t *testing.T) {
	virtual(t, Options{Hub: quiet}, func(t *testing.T, s *Server, p *peer) {
		for range 1000 {
			p.want(ws.OpPing, "")
			p.send(pong("")...)
		}
	})
}

// Nothing but the refusal is sent to a socket that is not authenticated, no ping either.
func TestAuthenticationIsBoundedInTime(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{0: 5 * time.Second, time.Minute: time.Minute} {
		var begin time.Time
		opts := Options{Hub: quiet, AuthTimeout: limit, Authenticate: func(ctx context.Context, _ *http.Request) (realtime.Grant, *realtime.CloseError) {
			begin = time.Now()
			<-ctx.Done()
			return realtime.Grant{}, &realtime.CloseError{Code: 4401, Reason: "could not be checked"}
		}}
		virtual(t, opts, func(t *testing.T, s *Server, p *peer) {
			p.wantClose(1013)
			if took := time.Since(begin); took != want {
				t.Errorf("took %v, want %v", took, want)
			}
		})
	}
}

// A client does not wait for its authentication to know that it speaks WebSocket.
func TestTheUpgradeIsAnsweredWhileAuthenticationTakesTime(t *testing.T) {
	var begin atomic.Pointer[time.Time]
	opts := Options{Hub: quiet, Authenticate: func(ctx context.Context, r *http.Request) (realtime.Grant, *realtime.CloseError) {
		now := time.Now()
		begin.Store(&now)
		time.Sleep(4 * time.Second) // virtual
		return allow(ctx, r)
	}}
	virtual(t, opts, func(t *testing.T, s *Server, p *peer) {
		if took, n := time.Since(*begin.Load()), s.Stats().Pending; took > time.Second || n != 1 {
			t.Errorf("answered after %v with %d that are being authenticated, want within 1s and 1", took, n)
		}
		p.want(ws.OpPing, "")
		if s.Stats().Pending != 0 {
			t.Error("still being authenticated")
		}
	})
}

// controlled is a hub of one session, which the test gets.
func controlled() (Hub, <-chan *fakeSession) {
	sessions := make(chan *fakeSession, 1)
	return attachFunc(func(_ realtime.Grant, t realtime.Transport) (Session, error) {
		s := &fakeSession{transport: t, detached: make(chan struct{})}
		sessions <- s
		return s, nil
	}), sessions
}

func TestTheServerWaitsForTheAnswerToItsClose(t *testing.T) {
	tests := []struct {
		name    string
		answers bool
		wait    time.Duration
	}{
		{"the peer answers", true, 0},
		{"the peer never answers", false, 3 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			hub, sessions := controlled()
			virtual(t, Options{Hub: hub}, func(t *testing.T, s *Server, p *peer) {
				(<-sessions).transport.Close(4003, "kicked")
				p.wantClose(4003)
				begin := time.Now()
				if test.answers {
					synctest.Wait() // the server waits already
					p.send(closeOf(4003, "")...)
				}
				p.wantEOF()
				if took := time.Since(begin); took != test.wait {
					t.Errorf("waited %v", took)
				}
			})
		})
	}
}

// The hub gives up a reader that is stuck: the time for closing counts, not that for writing.
func TestHubClosesSlowReader(t *testing.T) {
	tests := []struct {
		name   string
		queued []byte
	}{
		{"a write is stuck already", TextFrame([]byte("nobody reads this"), false)},
		{"the close frame itself gets stuck", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			hub, sessions := controlled()
			virtual(t, Options{Hub: hub}, func(t *testing.T, s *Server, p *peer) {
				session := <-sessions
				if test.queued != nil {
					session.push(test.queued)
				}
				synctest.Wait()
				session.transport.Close(1011, "slow consumer")
				time.Sleep(3 * time.Second) // virtual
				synctest.Wait()
				if stats := s.Stats(); stats.Open != 0 || stats.Closed[Ended{"hub", 1011}] != 1 {
					t.Errorf("stats = %+v", stats)
				}
				session.waitDetached(t)
			})
		})
	}
}

// Past its budget a flood of pings gets one answer, to the newest, with the server's next ping.
func TestPingFloodIsAnsweredInPart(t *testing.T) {
	virtual(t, Options{Hub: quiet}, func(t *testing.T, s *Server, p *peer) {
		p.want(ws.OpPing, "") // the budget is fresh from here on
		for i := range pongBudget + 10 {
			p.send(ping(fmt.Sprint(i))...)
		}
		for i := range pongBudget {
			p.want(ws.OpPong, fmt.Sprint(i))
		}
		p.want(ws.OpPing, "")
		p.want(ws.OpPong, fmt.Sprint(pongBudget+9))
		p.send(pong("")...)
		p.want(ws.OpPing, "")
		p.send(ping("again")...)
		p.want(ws.OpPong, "again")
	})
}

func TestStuckWriteEndsAfterItsLimit(t *testing.T) {
	hub, sessions := controlled()
	virtual(t, Options{Hub: hub}, func(t *testing.T, s *Server, p *peer) {
		(<-sessions).push(TextFrame([]byte("nobody reads this"), false))
		time.Sleep(9999 * time.Millisecond) // virtual
		synctest.Wait()
		if n := s.Stats().Open; n != 1 {
			t.Error("closed too early")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if stats := s.Stats(); stats.Open != 0 || stats.Closed[Ended{"write_timeout", 1006}] != 1 {
			t.Errorf("stats = %+v", stats)
		}
	})
}

// TestPingsAreSpread: connections that arrive together are not pinged together.
func TestPingsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Hub: quiet, Authenticate: allow})
		const count = 600
		seconds := make(chan int, count)
		begin := time.Now()
		var stops []func()
		for range count {
			server, client := net.Pipe()
			stops = append(stops, serveOne(t, s, server))
			go func() {
				p := handshake(t, client)
				if h, _, err := p.next(); err != nil || h.OpCode != ws.OpPing {
					t.Errorf("got %x, %v", h.OpCode, err)
				}
				seconds <- int(time.Since(begin) / time.Second)
				client.Close()
			}()
		}
		perSecond := make([]int, 40)
		for range count {
			perSecond[<-seconds]++
		}
		if most := slices.Max(perSecond); most > count/6 {
			t.Errorf("%d of %d pings in one second: %v", most, count, perSecond)
		}
		shutdown(t, s)
		for _, stop := range stops {
			stop()
		}
	})
}

func TestWheelStopsWithTheLastConnection(t *testing.T) {
	virtual(t, Options{Hub: quiet}, func(t *testing.T, s *Server, p *peer) {
		p.send(closeOf(1000, "")...)
		p.wantClose(1000)
		synctest.Wait()
		select {
		case <-s.wheel.stop:
		default:
			t.Error("the wheel still turns")
		}
	})
}
