package wsconn

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/gobwas/ws"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/throttle"
)

func TestNotAnUpgrade(t *testing.T) {
	_, address := start(t, Options{Hub: newFakeHub()})
	tests := []struct {
		name, method string
		set          map[string]string // header changes; empty value removes
		status       int
		header, want string
	}{
		{name: "a page's GET", method: "GET", set: map[string]string{"Upgrade": "", "Connection": ""}, status: 426, header: "Upgrade", want: "websocket"},
		{name: "other protocol", method: "GET", set: map[string]string{"Upgrade": "h2c"}, status: 426, header: "Upgrade", want: "websocket"},
		{name: "POST", method: "POST", status: 405, header: "Allow", want: "GET"},
		{name: "no Connection", method: "GET", set: map[string]string{"Connection": "keep-alive"}, status: 400},
		{name: "old version", method: "GET", set: map[string]string{"Sec-WebSocket-Version": "8"}, status: 426, header: "Sec-WebSocket-Version", want: "13"},
		{name: "no version", method: "GET", set: map[string]string{"Sec-WebSocket-Version": ""}, status: 426, header: "Sec-WebSocket-Version", want: "13"},
		{name: "no key", method: "GET", set: map[string]string{"Sec-WebSocket-Key": ""}, status: 400},
		{name: "short key", method: "GET", set: map[string]string{"Sec-WebSocket-Key": "c2hvcnQ="}, status: 400},
		{name: "key is not base64", method: "GET", set: map[string]string{"Sec-WebSocket-Key": "sixteen bytes ok sixteen"}, status: 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequest(test.method, "http://"+address+"/connect", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}
			r.Header.Set("Sec-WebSocket-Version", "13")
			r.Header.Set("Sec-WebSocket-Key", testKey)
			for name, value := range test.set {
				if value == "" {
					r.Header.Del(name)
				} else {
					r.Header.Set(name, value)
				}
			}
			transport := &http.Transport{DisableKeepAlives: true}
			response, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != test.status {
				t.Errorf("status = %d, want %d", response.StatusCode, test.status)
			}
			if got := response.Header.Get(test.header); test.header != "" && got != test.want {
				t.Errorf("%s = %q, want %q", test.header, got, test.want)
			}
		})
	}
}

func TestUpgradeNeedsHTTP1(t *testing.T) {
	s := New(Options{Hub: newFakeHub(), Authenticate: allow})
	r := httptest.NewRequest("GET", "/connect", nil)
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusHTTPVersionNotSupported {
		t.Errorf("status = %d", w.Code)
	}
}

// The key and its answer are the example of RFC 6455 section 1.3.
func TestAcceptKey(t *testing.T) {
	if got := string(appendAccept(nil, "dGhlIHNhbXBsZSBub25jZQ==")); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Error(got)
	}
}

// TestConnectionsOfAUserAreRateLimited: two at once, then one a second; what the hub refuses
// does not count, so a client in a loop gets in.
func TestConnectionsOfAUserAreRateLimited(t *testing.T) {
	var now atomic.Int64
	limiter, err := throttle.New(throttle.Options{
		Rates: map[string]int{"rate-connect": 1}, Now: func() time.Time { return time.Unix(now.Load(), 0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	hub := newFakeHub()
	_, address := start(t, Options{Hub: hub, Limiter: limiter, ConnectWait: -1})
	connects := func() {
		t.Helper()
		dial(t, address)
		hub.session(t)
	}
	refused := func(code int, because string) {
		t.Helper()
		if reason := dial(t, address).wantClose(code); !strings.Contains(reason, because) {
			t.Errorf("reason = %q, want %q", reason, because)
		}
	}
	hub.err = &realtime.CloseError{Code: 4003, Reason: "the user already has 10 connections"}
	for range 5 {
		refused(4003, "10 connections")
	}
	hub.err = nil
	connects()
	connects()
	for range 5 {
		refused(4005, "rate-connect is 1 call a second for one user; try again in 1s")
	}
	now.Add(1)
	connects()
	refused(4005, "rate-connect")
}

func TestRefusedAfter101(t *testing.T) { everyWay(t, testRefusedAfter101) }

func testRefusedAfter101(t *testing.T, w way) {
	tests := []struct {
		name    string
		auth    *realtime.CloseError
		hub     error
		code    int
		because string
	}{
		{name: "bad signature", auth: &realtime.CloseError{Code: 4401, Reason: "signature does not match"}, code: 4401, because: "signature does not match"},
		{name: "throttled", auth: &realtime.CloseError{Code: 4005, Reason: "slow down"}, code: 4005, because: "slow down"},
		{name: "hub refuses", hub: &realtime.CloseError{Code: 4003, Reason: "the user already has 10 connections"}, code: 4003, because: "the user already has 10 connections"},
		{name: "hub fails", hub: http.ErrBodyNotAllowed, code: 1011, because: "internal error"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			hub := newFakeHub()
			hub.err = test.hub
			s, address := w.start(t, Options{Hub: hub, Authenticate: func(context.Context, *http.Request) (realtime.Grant, *realtime.CloseError) {
				return realtime.Grant{}, test.auth
			}})
			p := dial(t, address)
			if reason := p.wantClose(test.code); reason != test.because {
				t.Errorf("reason = %q, want %q", reason, test.because)
			}
			p.send(closeOf(test.code, "")...)
			p.wantEOF()
			shutdown(t, s)
			if stats := s.Stats(); stats.Closed[Ended{"refused", test.code}] != 1 || stats.Pending != 0 {
				t.Errorf("stats = %+v", stats)
			}
		})
	}
}

func TestAuthenticationPanics(t *testing.T) {
	log := new(lockedBuffer)
	s := New(Options{Hub: newFakeHub(), Authenticate: func(context.Context, *http.Request) (realtime.Grant, *realtime.CloseError) {
		panic("a fault of ours")
	}})
	web := httptest.NewUnstartedServer(s)
	web.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(log, nil), slog.LevelError)
	web.Start()
	defer web.Close()
	p := dial(t, web.Listener.Addr().String())
	p.wantClose(1011)
	p.send(closeOf(1011, "")...)
	p.wantEOF()
	shutdown(t, s)
}

func TestPendingSocketsAreBounded(t *testing.T) { everyWay(t, testPendingSocketsAreBounded) }

func testPendingSocketsAreBounded(t *testing.T, w way) {
	release := make(chan struct{})
	entered := make(chan struct{}, 2)
	hub := newFakeHub()
	s, address := w.start(t, Options{Hub: hub, MaxPending: 2, Authenticate: func(ctx context.Context, r *http.Request) (realtime.Grant, *realtime.CloseError) {
		entered <- struct{}{}
		<-release
		return allow(ctx, r)
	}})
	first, second := dial(t, address), dial(t, address)
	await2 := func() { <-entered; <-entered }
	await2()
	if n := s.Stats().Pending; n != 2 {
		t.Errorf("pending = %d", n)
	}
	if status := tryUpgrade(t, address); status != http.StatusServiceUnavailable {
		t.Errorf("third upgrade: status %d, want 503", status)
	}
	close(release)
	for range 2 {
		session := hub.session(t)
		session.push(TextFrame([]byte("in"), false))
	}
	first.want(ws.OpText, "in")
	second.want(ws.OpText, "in")
	dial(t, address) // there is room again
	hub.session(t)
}

func tryUpgrade(t *testing.T, address string) int {
	t.Helper()
	url := "http://" + address + "/connect"
	if host, secure := strings.CutPrefix(address, securePrefix); secure {
		url = "https://" + host + "/connect"
	}
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", testKey)
	_, config := certified()
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

func shutdown(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx, 1012, "service restart"); err != nil {
		t.Fatal(err)
	}
}

func TestFramesQueuedWhileAttaching(t *testing.T) { everyWay(t, testFramesQueuedWhileAttaching) }

func testFramesQueuedWhileAttaching(t *testing.T, w way) {
	hub := newFakeHub()
	hub.greeting = TextFrame([]byte("established"), false)
	_, address := w.start(t, Options{Hub: hub})
	dial(t, address).want(ws.OpText, "established")
}

func TestFramesSentTogetherWithTheRequest(t *testing.T) {
	everyWay(t, testFramesSentTogetherWithTheRequest)
}

func testFramesSentTogetherWithTheRequest(t *testing.T, w way) {
	hub := newFakeHub()
	_, address := w.start(t, Options{Hub: hub})
	p := dialRaw(t, address)
	p.send(append([]byte(upgradeRequest+testKey+"\r\n\r\n"), ping("eager")...)...)
	if response, err := http.ReadResponse(p.br, nil); err != nil || response.StatusCode != 101 {
		t.Fatal(response, err)
	}
	p.want(ws.OpPong, "eager")
}

// A grant that shared memory with the query would keep the session token for as long as the
// connection lives.
func TestGrantDoesNotKeepTheQuery(t *testing.T) {
	query := "sessionId=12345&userArn=arn:user/u&app=a&X-Amz-Security-Token=" + stars(1000)
	hub := newFakeHub()
	_, address := start(t, Options{Hub: hub, Authenticate: func(context.Context, *http.Request) (realtime.Grant, *realtime.CloseError) {
		return realtime.Grant{SessionID: query[10:15], UserARN: query[24:34], User: chime.Ref(query[28:34]), App: query[39:40]}, nil
	}})
	dial(t, address)
	g := hub.session(t).grant
	if g.SessionID != "12345" || g.UserARN != "arn:user/u" || g.User != "user/u" || g.App != "a" {
		t.Fatalf("grant = %+v", g)
	}
	from := uintptr(unsafe.Pointer(unsafe.StringData(query)))
	for _, part := range []string{g.SessionID, g.UserARN, string(g.User), g.App} {
		at := uintptr(unsafe.Pointer(unsafe.StringData(part)))
		if at >= from && at < from+uintptr(len(query)) {
			t.Errorf("%q is a piece of the query", part)
		}
	}
}

// lockedBuffer collects logs of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestLogsTellNoSecrets(t *testing.T) {
	log := new(lockedBuffer)
	hub := newFakeHub()
	refuse := false
	s, address := start(t, Options{
		Hub: hub,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Authenticate: func(ctx context.Context, r *http.Request) (realtime.Grant, *realtime.CloseError) {
			if refuse {
				return realtime.Grant{}, &realtime.CloseError{Code: 4401, Reason: "expired"}
			}
			return allow(ctx, r)
		},
	})
	p := dial(t, address)
	hub.session(t)
	p.send(closeOf(1000, "")...)
	p.wantClose(1000)
	refuse = true
	refused := dial(t, address)
	refused.wantClose(4401)
	refused.nc.Close()
	cutOff := dialRaw(t, address)
	cutOff.send([]byte(upgradeRequest)...)
	cutOff.nc.Close()
	shutdown(t, s)
	if logs := log.String(); strings.Contains(logs, "verysecret") || !strings.Contains(logs, "code=4401") {
		t.Errorf("logs: %s", logs)
	}
}

// stuckHub attaches nobody until the request is given up.
type stuckHub struct{ waits chan struct{} }

func (h stuckHub) Attach(ctx context.Context, _ realtime.Grant, _ realtime.Transport) (Session, error) {
	close(h.waits)
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestShutdownWhileAttachingIsNoError(t *testing.T) {
	log, hub := new(lockedBuffer), stuckHub{make(chan struct{})}
	s, address := start(t, Options{
		Hub: hub, Authenticate: allow,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	dial(t, address)
	await(t, hub.waits, "Attach")
	shutdown(t, s)
	if text := log.String(); text != "" {
		t.Errorf("logged %s", text)
	}
}
