package goclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConnectAsksForWhatIsConfigured(t *testing.T) {
	play(t, func(p peer) { p.establish("T1"); p.idle() }, func(t *testing.T, s *server) {
		defer s.mustConnect(client.SessionConfig{
			SessionID: "s1", Prefetch: true, PrefetchSort: client.PrefetchSortUnread, ResumeFrom: "T0.7",
			Extras: []client.Extra{client.ExtraPresence, client.ExtraTyping},
		}).Close()
		got := s.connects()[0]
		for name, want := range map[string]string{
			"sessionId": "s1", "userArn": ann, "prefetch-on": "connect", "prefetch-sort-by": "unread", "resume-from": "T0.7",
			"extras": "presence,typing", "X-Amz-Expires": "10", "X-Amz-SignedHeaders": "host",
		} {
			if got.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, got.Get(name), want)
			}
		}
	})
	play(t, func(p peer) { p.establish(""); p.idle() }, func(t *testing.T, s *server) {
		defer s.mustConnect(client.SessionConfig{NoResume: true}).Close()
		for _, name := range []string{"prefetch-on", "prefetch-sort-by", "resume-from", "extras"} {
			if s.connects()[0].Has(name) {
				t.Errorf("a plain session asks for %s", name)
			}
		}
	})
}

func TestCloseCodes(t *testing.T) {
	for code, reconnects := range map[websocket.StatusCode]bool{
		1001: true, 1006: true, 1011: true, 1012: true, 1013: true, 1014: true, 4001: true, 4005: true, 4403: true, 4999: true,
		1000: false, 1002: false, 1008: false, 4000: false, 4002: false, 4003: false, 4401: false,
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			end := func(p peer) {
				p.establish("T")
				if p.n > 1 {
					p.idle()
				} else if code != 1006 {
					_ = p.Close(code, "because")
				}
			}
			play(t, end, func(t *testing.T, s *server) {
				session := s.mustConnect(client.SessionConfig{})
				defer session.Close()
				expect(t, session, "SESSION_ESTABLISHED")
				if reconnects {
					expect(t, session, "SESSION_ESTABLISHED")
					return
				}
				_, err := session.Next(t.Context())
				var closed *client.CloseError
				if !errors.As(err, &closed) || closed.Code != int(code) || closed.Reason != "because" || len(s.connects()) != 1 {
					t.Errorf("after %d connects: %v", len(s.connects()), err)
				}
			})
		})
	}
}

func TestTheReconnectWindow(t *testing.T) {
	up := func(p peer) { p.establish("T") }
	failing := func(s *server, start time.Time, until time.Duration) {
		s.endpoint = func(w http.ResponseWriter) bool {
			if now := time.Since(start); now > 0 && now < until {
				w.WriteHeader(503)
				return true
			}
			return false
		}
	}
	t.Run("gives up", func(t *testing.T) {
		play(t, up, func(t *testing.T, s *server) {
			start := time.Now()
			failing(s, start, time.Hour)
			var told int
			session := s.mustConnect(client.SessionConfig{OnDisconnect: func(err error, wait time.Duration) {
				if told++; err == nil || wait > 5*time.Second {
					t.Errorf("told %v, %v", err, wait)
				}
			}})
			defer session.Close()
			expect(t, session, "SESSION_ESTABLISHED")
			_, err := session.Next(t.Context())
			if took := time.Since(start); err == nil || took > 10*time.Second || took < 3*time.Second || told < 2 {
				t.Errorf("gave up after %v and %d tries with %v", took, told, err)
			}
		})
	})
	t.Run("goes on for ever", func(t *testing.T) {
		play(t, func(p peer) {
			p.establish("T")
			if p.n > 1 {
				p.idle()
			}
		}, func(t *testing.T, s *server) {
			start := time.Now()
			failing(s, start, time.Hour)
			session := s.mustConnect(client.SessionConfig{Reconnect: &client.Reconnect{First: time.Second, Longest: time.Minute}})
			defer session.Close()
			expect(t, session, "SESSION_ESTABLISHED", "SESSION_ESTABLISHED")
			if took := time.Since(start); took < time.Hour || took > time.Hour+2*time.Minute {
				t.Errorf("connected after %v", took)
			}
		})
	})
	t.Run("never without a pause", func(t *testing.T) {
		play(t, up, func(t *testing.T, s *server) {
			start := time.Now()
			session := s.mustConnect(client.SessionConfig{Reconnect: &client.Reconnect{}})
			defer session.Close()
			for range 50 {
				expect(t, session, "SESSION_ESTABLISHED")
			}
			if took := time.Since(start); took < 5*time.Second {
				t.Errorf("50 connects in %v", took)
			}
		})
	})
	t.Run("begins anew with each session", func(t *testing.T) {
		play(t, up, func(t *testing.T, s *server) { // accepts, then cuts, a hundred times
			session := s.mustConnect(client.SessionConfig{})
			defer session.Close()
			for range 100 {
				expect(t, session, "SESSION_ESTABLISHED")
			}
		})
	})
	t.Run("a refused upgrade is no end", func(t *testing.T) {
		play(t, func(p peer) { p.establish("T"); p.idle() }, func(t *testing.T, s *server) {
			s.refuse = func(n int) bool { return n < 3 }
			session := s.mustConnect(client.SessionConfig{})
			defer session.Close()
			if n := len(s.connects()); n != 3 {
				t.Errorf("%d connects", n)
			}
		})
	})
	t.Run("a refusal ends it", func(t *testing.T) {
		play(t, up, func(t *testing.T, s *server) {
			s.endpoint = func(w http.ResponseWriter) bool {
				w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
				w.WriteHeader(403)
				_, _ = io.WriteString(w, `{"Message":"no"}`)
				return true
			}
			_, err := s.connect(client.SessionConfig{})
			var refused *client.Error
			if !errors.As(err, &refused) || refused.Code != "AccessDeniedException" || refused.Message != "no" || refused.Status != 403 {
				t.Errorf("got %v", err)
			}
		})
	})
}

func TestRefusedCredentialsAreReplacedOnce(t *testing.T) {
	provider := func(calls *int) client.CredentialsProvider {
		return func(context.Context) (client.Credentials, error) {
			*calls++
			return client.Credentials{AccessKeyID: fmt.Sprintf("AKIDTEST%02d", *calls), SecretAccessKey: "x"}, nil
		}
	}
	t.Run("good ones", func(t *testing.T) {
		play(t, func(p peer) {
			if p.key == "AKIDTEST01" {
				_ = p.Close(4401, "expired")
				return
			}
			p.establish("T")
			p.idle()
		}, func(t *testing.T, s *server) {
			var calls int
			session, err := s.connectWith(provider(&calls), client.SessionConfig{})
			if err != nil || calls != 2 {
				t.Fatal(calls, err)
			}
			session.Close()
		})
	})
	t.Run("bad ones", func(t *testing.T) {
		play(t, func(p peer) { _ = p.Close(4401, "no") }, func(t *testing.T, s *server) {
			var calls int
			_, err := s.connectWith(provider(&calls), client.SessionConfig{Reconnect: &client.Reconnect{}})
			var closed *client.CloseError
			if !errors.As(err, &closed) || closed.Code != 4401 || calls != 2 || len(s.connects()) != 2 {
				t.Errorf("%d keys, %d connects: %v", calls, len(s.connects()), err)
			}
		})
	})
	t.Run("those that expire, before they do", func(t *testing.T) {
		play(t, func(p peer) {
			p.establish("T")
			p.CloseRead(context.Background()) // answers pings
			time.Sleep(10 * time.Minute)
			_ = p.Close(1001, "credentials end")
		}, func(t *testing.T, s *server) {
			var calls int
			session, err := s.connectWith(func(ctx context.Context) (client.Credentials, error) {
				c, err := provider(&calls)(ctx)
				c.Expires = time.Now().Add(10*time.Minute + 30*time.Second)
				return c, err
			}, client.SessionConfig{})
			if err != nil {
				t.Fatal(err)
			}
			expect(t, session, "SESSION_ESTABLISHED", "SESSION_ESTABLISHED")
			session.Close()
			if keys := s.connects(); calls != 2 || keys[0].Get("X-Amz-Credential")[:10] != "AKIDTEST01" || keys[1].Get("X-Amz-Credential")[:10] != "AKIDTEST02" {
				t.Errorf("%d keys for %v", calls, keys)
			}
		})
	})
}

// A session that is closed while a message is on its way does not wait for the rest of it.
func TestCloseDoesNotWaitForTheRestOfAMessage(t *testing.T) {
	play(t, nil, func(t *testing.T, s *server) {
		s.raw = func(conn net.Conn) {
			gone := make(chan struct{})
			go func() {
				_, _ = io.Copy(io.Discard, conn)
				close(gone)
			}()
			for _, kind := range []string{"SESSION_ESTABLISHED", "A", "B", "C"} {
				text := `{"Headers":{"x-amz-chime-event-type":"` + kind + `","x-amz-chime-message-type":"SYSTEM"}}`
				_, _ = conn.Write(append([]byte{0x81, byte(len(text))}, text...))
			}
			_, _ = conn.Write([]byte{0x81, 126, 0x10, 0x00, 'h', 'a', 'l', 'f'}) // of 4,096 bytes
			<-gone
		}
		session := s.mustConnect(client.SessionConfig{Ahead: 1})
		expect(t, session, "SESSION_ESTABLISHED") // and no more: the session has stopped reading
		synctest.Wait()
		begin := time.Now()
		session.Close()
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestSilenceEndsTheSocket(t *testing.T) {
	t.Run("half-open", func(t *testing.T) {
		play(t, func(p peer) {
			p.establish("T")
			if p.n == 1 {
				time.Sleep(time.Hour) // reads nothing, answers nothing
			} else {
				p.idle()
			}
		}, func(t *testing.T, s *server) {
			start := time.Now()
			session := s.mustConnect(client.SessionConfig{})
			expect(t, session, "SESSION_ESTABLISHED", "SESSION_ESTABLISHED")
			if took := time.Since(start); took < 30*time.Second || took > 46*time.Second {
				t.Errorf("noticed after %v", took)
			}
			session.Close()
		})
	})
	t.Run("a quiet server that answers", func(t *testing.T) {
		play(t, func(p peer) { p.establish("T"); p.idle() }, func(t *testing.T, s *server) {
			session := s.mustConnect(client.SessionConfig{})
			time.Sleep(time.Hour)
			session.Close()
			if n := len(s.connects()); n != 1 {
				t.Errorf("%d connects", n)
			}
		})
	})
	t.Run("a slow caller is no silence", func(t *testing.T) {
		play(t, func(p peer) {
			p.establish("T")
			for i := 1; i <= 10; i++ {
				p.message(i)
			}
			p.idle()
		}, func(t *testing.T, s *server) {
			session := s.mustConnect(client.SessionConfig{Ahead: 1})
			time.Sleep(time.Hour)
			expect(t, session, "SESSION_ESTABLISHED")
			for i := 1; i <= 10; i++ {
				expect(t, session, fmt.Sprint("CREATE_CHANNEL_MESSAGE m", i))
				time.Sleep(time.Minute)
			}
			session.Close()
			if n := len(s.connects()); n != 1 {
				t.Errorf("%d connects", n)
			}
		})
	})
	t.Run("never established", func(t *testing.T) {
		play(t, peer.idle, func(t *testing.T, s *server) {
			start := time.Now()
			_, err := s.connect(client.SessionConfig{Reconnect: &client.Reconnect{Window: time.Second}})
			if took := time.Since(start); err == nil || took != 10*time.Second {
				t.Errorf("after %v: %v", took, err)
			}
		})
	})
}

func TestClose(t *testing.T) {
	t.Run("says goodbye", func(t *testing.T) {
		said := make(chan websocket.StatusCode, 1)
		play(t, func(p peer) {
			p.establish("T")
			_, _, err := p.Read(context.Background())
			said <- websocket.CloseStatus(err)
		}, func(t *testing.T, s *server) {
			session := s.mustConnect(client.SessionConfig{})
			session.Close()
			session.Close()
			if code := <-said; code != 1000 {
				t.Errorf("closed with %d", code)
			}
			if _, err := session.Next(t.Context()); !errors.Is(err, client.ErrClosed) {
				t.Errorf("Next after Close: %v", err)
			}
			if err := session.SendTyping(t.Context(), "x"); !errors.Is(err, client.ErrNotConnected) {
				t.Errorf("SendTyping after Close: %v", err)
			}
		})
	})
	t.Run("of a stuck session", func(t *testing.T) {
		play(t, func(p peer) {
			p.establish("T")
			for i := 1; i < 100; i++ {
				p.message(i)
			}
			time.Sleep(time.Hour)
		}, func(t *testing.T, s *server) {
			session := s.mustConnect(client.SessionConfig{Ahead: 1})
			start := time.Now()
			session.Close()
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	})
	t.Run("while it is waiting to reconnect", func(t *testing.T) {
		play(t, func(p peer) { p.establish("T") }, func(t *testing.T, s *server) {
			session := s.mustConnect(client.SessionConfig{Reconnect: &client.Reconnect{First: time.Hour, Longest: time.Hour}})
			expect(t, session, "SESSION_ESTABLISHED")
			synctest.Wait()
			session.Close()
		})
	})
	t.Run("the context of Connect", func(t *testing.T) {
		play(t, peer.idle, func(t *testing.T, s *server) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := s.client(someKeys).Connect(ctx, client.SessionConfig{UserARN: ann}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("the context of Next", func(t *testing.T) {
		play(t, func(p peer) { p.establish("T"); p.idle() }, func(t *testing.T, s *server) {
			session := s.mustConnect(client.SessionConfig{})
			defer session.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var last error
			for _, err := range session.Events(ctx) {
				last = err
			}
			if !errors.Is(last, context.DeadlineExceeded) {
				t.Errorf("got %v", last)
			}
		})
	})
}

func TestSendTyping(t *testing.T) {
	got := make(chan string, 1)
	play(t, func(p peer) {
		p.establish("T")
		_, text, _ := p.Read(context.Background())
		got <- string(text)
		p.idle()
	}, func(t *testing.T, s *server) {
		session := s.mustConnect(client.SessionConfig{})
		defer session.Close()
		if err := session.SendTypingIn(t.Context(), "C", "S"); err != nil {
			t.Fatal(err)
		}
		if text := <-got; text != `{"Action":"TYPING","ChannelArn":"C","SubChannelId":"S"}` {
			t.Errorf("sent %s", text)
		}
	})
}

// A session that ends as soon as it is open is handed to the caller with its events, whichever is noticed
// first.
func TestASessionThatEndsAtOnce(t *testing.T) {
	end := func(p peer) {
		p.establish("T")
		_ = p.Close(4003, "replaced")
	}
	for range 50 {
		play(t, end, func(t *testing.T, s *server) {
			session, err := s.connect(client.SessionConfig{})
			if err != nil {
				t.Errorf("connect: %v", err)
				return
			}
			defer session.Close()
			expect(t, session, "SESSION_ESTABLISHED")
		})
	}
}
