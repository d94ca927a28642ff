package wsconn

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// refuseStrangers lets in only those that dialKnown.
func refuseStrangers(ctx context.Context, r *http.Request) (realtime.Grant, *realtime.CloseError) {
	if r.Header.Get("Sec-Websocket-Protocol") == "" {
		return realtime.Grant{}, &realtime.CloseError{Code: 4401, Reason: "the signature does not match"}
	}
	return allow(ctx, r)
}

// dialKnown opens a socket that refuseStrangers lets in.
func dialKnown(t testing.TB, address string) *peer {
	t.Helper()
	p := dialRaw(t, address)
	p.send([]byte(upgradeRequest + testKey + "\r\nSec-WebSocket-Protocol: known\r\n\r\n")...)
	if response, err := http.ReadResponse(p.br, nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(response, err)
	}
	return p
}

func TestRefusedSocketsTakeNoPlaceOfOthers(t *testing.T) {
	everyWay(t, testRefusedSocketsTakeNoPlaceOfOthers)
}

func testRefusedSocketsTakeNoPlaceOfOthers(t *testing.T, w way) {
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub, Authenticate: refuseStrangers, MaxPending: 1, MaxRefused: 2, CloseTimeout: time.Hour})
	var strangers []*peer
	for range 5 {
		p := dial(t, address)
		p.wantClose(4401) // and no answer
		waitPending(t, s)
		strangers = append(strangers, p)
	}
	customer := dialKnown(t, address)
	hub.session(t)
	for i, p := range strangers[:3] {
		if _, err := p.br.ReadByte(); err == nil {
			t.Errorf("stranger %d got more than its close frame", i)
		}
	}
	if stats := s.Stats(); stats.Refused != 2 || stats.CutOff != 3 {
		t.Errorf("%d are waiting and %d were cut off, want 2 and 3", stats.Refused, stats.CutOff)
	}
	for _, p := range strangers[3:] {
		p.send(closeOf(4401, "")...)
		p.wantEOF()
	}
	customer.nc.Close()
	shutdown(t, s)
	if stats := s.Stats(); stats.Refused != 0 || stats.Closed[Ended{"refused", 4401}] != 5 {
		t.Errorf("stats = %+v", stats)
	}
}

func TestPendingSocketsOfOneAddressAreBounded(t *testing.T) {
	s := New(Options{Hub: quiet, Authenticate: allow, MaxPending: 4, MaxPendingPerAddress: 2})
	address := func(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }
	for _, step := range []struct {
		from string
		want *httpError
	}{
		{"[2001:db8::1]:1", nil},
		{"[2001:db8::2]:2", nil},
		{"[2001:db8::ffff:3]:3", errBusyAddress},
		{"[2001:db8:0:1::1]:4", nil},
		{"192.0.2.1:5", nil},
		{"192.0.2.2:6", errBusy},
	} {
		if got := s.enter(address(step.from)); got != step.want {
			t.Errorf("%s: %+v, want %+v", step.from, got, step.want)
		}
	}
	s.left(address("[2001:db8::2]:2"))
	s.left(address("192.0.2.1:5"))
	if got := s.enter(address("[2001:db8::9]:9")); got != nil {
		t.Errorf("an address whose socket has left: %+v", got)
	}
	for _, from := range []string{"[2001:db8::9]:9", "[2001:db8::1]:1", "[2001:db8:0:1::1]:4"} {
		s.left(address(from))
	}
	if s.door.pending != 0 || len(s.door.networks) != 0 {
		t.Errorf("the door remembers %+v", s.door)
	}
}

func TestOneAddressIsToldToComeLater(t *testing.T) {
	entered, release := make(chan struct{}, 1), make(chan struct{})
	hub := newFakeHub()
	s, address := start(t, Options{Hub: hub, MaxPendingPerAddress: 1, Authenticate: func(ctx context.Context, r *http.Request) (realtime.Grant, *realtime.CloseError) {
		entered <- struct{}{}
		<-release
		return allow(ctx, r)
	}})
	dial(t, address)
	<-entered
	if status := tryUpgrade(t, address); status != http.StatusTooManyRequests {
		t.Errorf("status %d, want 429", status)
	}
	close(release)
	hub.session(t)
	waitPending(t, s)
	dial(t, address)
	hub.session(t)
	if n := s.Stats().Rejected[rejectedAddress]; n != 1 {
		t.Errorf("%d rejected for their address, want 1", n)
	}
}

// A client may leave the 101 unread: it delays no other client.
func TestUnreadAnswersDelayNoOtherClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Hub: quiet, Authenticate: allow, CloseTimeout: time.Hour})
		listener := &oneListener{conns: make(chan net.Conn, 1)}
		web := &http.Server{Handler: s}
		ended := make(chan error, 1)
		go func() { ended <- web.Serve(listener) }()
		connect := func() net.Conn {
			server, client := net.Pipe()
			listener.conns <- server
			return client
		}
		var clients []net.Conn
		for range 2*runtime.GOMAXPROCS(0) + 1 {
			client := connect()
			if _, err := io.WriteString(client, upgradeRequest+testKey+"\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			clients = append(clients, client)
		}
		synctest.Wait() // all are being answered
		begin := time.Now()
		customer := handshake(t, connect())
		if took := time.Since(begin); took != 0 {
			t.Errorf("answered after %v, want at once", took)
		}
		for _, client := range append(clients, customer.nc) {
			client.Close()
		}
		shutdown(t, s)
		web.Close()
		<-ended
	})
}

func TestQueriesThatNoClientSendsGetNoWebSocket(t *testing.T) {
	s, address := start(t, Options{Hub: newFakeHub(), Screen: func(r *http.Request) string {
		if !r.URL.Query().Has("X-Amz-Signature") {
			return "MissingAuthenticationTokenException (form)"
		}
		return ""
	}})
	if status := tryUpgrade(t, address); status != http.StatusForbidden {
		t.Errorf("status %d, want 403", status)
	}
	dial(t, address) // its query has a signature

	// The client may have its 101 before the server has counted it.
	for s.Stats().Accepted == 0 {
		runtime.Gosched()
	}
	if stats := s.Stats(); stats.Rejected[rejectedQuery] != 1 || stats.Accepted != 1 {
		t.Errorf("stats = %+v", stats)
	}
}

// What a client of AWS may send is told by a close code, which decides whether it comes back.
func TestScreenRefusesOnlyWhatNoClientSends(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	at := func(age time.Duration) string { return now.Add(-age).Format("20060102T150405Z") }
	refuse := func(step string) error {
		return &sigv4.Error{Code: "Some" + step, Step: step, Message: "because"}
	}
	for _, test := range []struct {
		name    string
		err     error
		date    string
		refused string // the step that is counted
	}{
		{"fine", nil, at(0), ""},
		{"no signature", refuse(sigv4.StepForm), "", sigv4.StepForm},
		{"other region", refuse(sigv4.StepScope), at(0), sigv4.StepScope},
		{"host not signed", refuse(sigv4.StepHeaders), at(0), sigv4.StepHeaders},
		{"expired", refuse(sigv4.StepClock), at(time.Hour), ""},
		{"slow clock", refuse(sigv4.StepClock), at(23 * time.Hour), ""},
		{"fast clock", refuse(sigv4.StepClock), at(-23 * time.Hour), ""},
		{"another day", refuse(sigv4.StepClock), at(25 * time.Hour), sigv4.StepClock},
		{"the day after tomorrow", refuse(sigv4.StepClock), at(-25 * time.Hour), sigv4.StepClock},
		{"unknown key", refuse(sigv4.StepKey), at(0), ""},
		{"failure of the server", io.ErrUnexpectedEOF, at(0), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			counted := ""
			g := &Guard{Gate: &fakeGate{err: test.err}, Secure: isTLS, Now: func() time.Time { return now }, Refused: func(step, code string) {
				if code != "Some"+step {
					t.Errorf("step %s with code %s", step, code)
				}
				counted += step
			}}
			r, err := http.NewRequest("GET", "/connect?X-Amz-Date="+test.date, nil)
			if err != nil {
				t.Fatal(err)
			}
			refusal := g.Screen(r)
			if counted != test.refused || (refusal != "") != (test.refused != "") {
				t.Errorf("refusal %q, counted %q, want %q", refusal, counted, test.refused)
			}
		})
	}
}

func TestRefusalsAreCountedByStepAndCode(t *testing.T) {
	counted := map[[2]string]int{}
	for _, err := range []error{
		&sigv4.Error{Code: sigv4.CodeInvalid, Step: sigv4.StepSignature},
		&sigv4.Error{Code: sigv4.CodeExpired, Step: sigv4.StepClock},
		&access.DeniedError{},
		api.BadRequest("userArn", "is missing"),
		io.ErrUnexpectedEOF, // no refusal
	} {
		g := &Guard{Gate: &fakeGate{err: err}, Secure: isTLS, Refused: func(step, code string) { counted[[2]string{step, code}]++ }}
		r, err := http.NewRequest("GET", "/connect", nil)
		if err != nil {
			t.Fatal(err)
		}
		g.Authenticate(t.Context(), r)
	}
	want := [][2]string{{"signature", "InvalidSignatureException"}, {"clock", "RequestExpired"}, {"policy", "AccessDeniedException"}, {"request", "BadRequestException"}}
	for _, refusal := range want {
		if counted[refusal] != 1 {
			t.Errorf("%v is counted %d times", refusal, counted[refusal])
		}
	}
	if len(counted) != len(want) {
		t.Errorf("counted %v", counted)
	}
}

func TestLinesOfRefusedSocketsAreSampled(t *testing.T) {
	log := new(lockedBuffer)
	now := time.Unix(0, 0)
	s, address := start(t, Options{
		Hub: newFakeHub(), Authenticate: refuseStrangers, Now: func() time.Time { return now },
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	for range 20 {
		p := dial(t, address)
		p.wantClose(4401)
		p.nc.Close()
	}
	shutdown(t, s)
	if lines := strings.Count(log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines for refused sockets within a second, want 1:\n%s", lines, log)
	}
	if !strings.Contains(log.String(), "the signature does not match") {
		t.Errorf("the line does not say why: %s", log)
	}
}

func TestOpenedSocketsAreLoggedForDebugging(t *testing.T) { everyWay(t, testOpenedSocketsAreLogged) }

func testOpenedSocketsAreLogged(t *testing.T, w way) {
	log := new(lockedBuffer)
	s, address := w.start(t, Options{
		Hub: quiet, Secure: func(*http.Request) bool { return w.secure },
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	p := dial(t, address)
	p.send(ping("")...)
	p.want(ws.OpPong, "")
	p.nc.Close()
	shutdown(t, s)
	secure := map[bool]string{true: "true", false: "false"}[w.secure]
	want := `msg="websocket opened" user=arn:user session=s remote=` + p.nc.LocalAddr().String() + " tls=" + secure
	if !strings.Contains(log.String(), want) {
		t.Errorf("no %s in\n%s", want, log)
	}
}
