package wsconn

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
)

// TestRFC6455 plays every case of testdata/rfc6455 in every way to run a server, in whole
// writes and in pieces. Nothing of the package's own frames is used to send or to judge.
func TestRFC6455(t *testing.T) {
	cases := rfcCases(t)
	everyWay(t, func(t *testing.T, w way) {
		t.Parallel()
		off, on := newRFCServer(t, w, false), newRFCServer(t, w, true)
		for _, c := range cases {
			s := off
			if c.compression {
				s = on
			}
			t.Run(number(c.name), func(t *testing.T) {
				s.play(t, c, false)
				s.play(t, c, true)
			})
		}
	})
}

// rfcServer is a server that cases are played with, and its hub.
type rfcServer struct {
	*fakeHub
	address string
	wanted  atomic.Bool // the texts of clients
}

func newRFCServer(t *testing.T, w way, compression bool) *rfcServer {
	s := &rfcServer{fakeHub: newFakeHub()}
	// No end of a case is one by timeout.
	_, s.address = w.start(t, Options{Hub: s, Authenticate: s.authenticate, Compression: compression, CloseTimeout: 10 * patience})
	return s
}

// authenticate lets everybody in, and lets the test know whose session is whose.
func (s *rfcServer) authenticate(_ context.Context, r *http.Request) (realtime.Grant, *realtime.CloseError) {
	g := realtime.Grant{UserARN: "arn:user", SessionID: r.RemoteAddr}
	if s.wanted.Load() {
		g.Extras = chime.ExtraTyping
	}
	return g, nil
}

// Attach makes sessions that keep what they hear.
func (s *rfcServer) Attach(ctx context.Context, g realtime.Grant, t realtime.Transport) (Session, error) {
	session, err := s.fakeHub.Attach(ctx, g, t)
	if err != nil {
		return nil, err
	}
	return hearing{session.(*fakeSession)}, nil
}

// hearing is a session that keeps what its client says, up to a number of texts.
type hearing struct{ *fakeSession }

func (h hearing) Received(text []byte) { h.heard <- string(text) }

// play is one client's life. With pieces it writes in small ones.
func (s *rfcServer) play(t *testing.T, c rfcCase, pieces bool) {
	t.Helper()
	s.wanted.Store(c.listening)
	p := newRFCPeer(t, dialRaw(t, s.address).nc, c, pieces)
	steps := p.open(c)
	if p.answer.StatusCode != http.StatusSwitchingProtocols {
		p.nc.Close()
		return
	}
	session := s.sessionOf(p)
	for _, step := range steps {
		p.where = step.where
		if step.verb != "send" {
			p.flush()
		}
		switch step.verb {
		case "send":
			p.waiting = append(p.waiting, step.bytes...)
		case "hub text":
			session.push(TextFrame([]byte(step.payload), session.grant.Compressed))
		case "hub close":
			session.transport.Close(step.code, step.payload)
		case "-> text":
			p.want(1, step.payload)
		case "-> deflated":
			p.want(1|rsv1Of, step.payload)
		case "-> heard":
			p.wantHeard(session, step.payload)
		case "-> pong":
			p.want(10, step.payload)
		case "-> close":
			p.wantClose(step.code, step.payload)
		case "-> alive":
			p.alive(session)
		}
	}
	p.flush()
	p.wantEnd()
	p.nc.Close()
	session.waitDetached(t)
}

// sessionOf passes over those of clients that failed before they asked for theirs.
func (s *rfcServer) sessionOf(p *rfcPeer) *fakeSession {
	p.t.Helper()
	for {
		if session := s.session(p.t); session.grant.SessionID == p.nc.LocalAddr().String() {
			return session
		}
	}
}

// open sends the request, with the first frames if they are early, and checks the answer. The
// steps that are left come back.
func (p *rfcPeer) open(c rfcCase) []rfcStep {
	p.t.Helper()
	request := c.request + "\r\n"
	for _, h := range c.header {
		request += h[0] + ": " + h[1] + "\r\n"
	}
	steps := c.steps
	for c.early && len(steps) > 0 && steps[0].verb == "send" {
		p.waiting = append(p.waiting, steps[0].bytes...)
		steps = steps[1:]
	}
	if _, err := p.nc.Write(append([]byte(request+"\r\n"), p.waiting...)); err != nil {
		p.t.Fatal(err)
	}
	p.waiting = nil
	method, _, _ := strings.Cut(c.request, " ")
	var err error
	if p.answer, err = http.ReadResponse(p.br, &http.Request{Method: method}); err != nil {
		p.t.Fatalf("%s: reading the answer: %v", p.where, err)
	}
	return p.checkAnswer(steps)
}

// checkAnswer compares the answer with the steps that are about it, and gives back the others.
func (p *rfcPeer) checkAnswer(steps []rfcStep) (others []rfcStep) {
	p.t.Helper()
	want := map[string]string{"status": "101", "Sec-Websocket-Extensions": "none", "Sec-Websocket-Protocol": "none"}
	for _, step := range steps {
		switch step.verb {
		case "-> status":
			want["status"] = fmt.Sprint(step.code)
		case "-> answer":
			want[http.CanonicalHeaderKey(step.answer[0])] = step.answer[1]
		default:
			others = append(others, step)
		}
	}
	if want["status"] == "101" {
		want["Upgrade"], want["Connection"], want["Sec-Websocket-Accept"] = "websocket", "Upgrade", p.accept
	}
	for name, value := range want {
		got := strings.Join(p.answer.Header[name], ", ")
		if name == "status" {
			got = fmt.Sprint(p.answer.StatusCode)
		} else if value == "none" {
			value = ""
		}
		if got != value {
			p.t.Fatalf("%s: the answer's %s is %q, want %q", p.where, name, got, value)
		}
	}
	return others
}

// alive shows that the client is served, and ends well.
func (p *rfcPeer) alive(session *fakeSession) {
	p.t.Helper()
	p.write(mustWire(p.t, "ping", `"still there?"`))
	p.want(10, "still there?")
	session.push(TextFrame([]byte("still here"), session.grant.Compressed))
	p.want(1, "still here")
	p.write(mustWire(p.t, "close", "1000"))
	p.wantClose(1000, "")
}

func mustWire(t *testing.T, word, rest string) []byte {
	t.Helper()
	b, err := rfcBytes(word, rest)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
