package goclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/client"
)

func TestEventsOfTheServer(t *testing.T) {
	n := startNode(t)
	alice, bob := n.client(t, n.alice), n.client(t, n.bob)
	s := n.session(t, bob, client.SessionConfig{UserARN: n.bob, Prefetch: true})
	details := until(t, s, client.EventChannelDetails).Data.(*client.ChannelDetails)
	if details.Channel.ChannelARN != n.common || len(details.ChannelMemberships) != 2 || details.UnreadCount != nil {
		t.Errorf("prefetched %+v", details)
	}
	id := send(t, alice, n.common, "hello")
	if m := until(t, s, client.EventCreateChannelMessage).Message(); m.MessageID != id || m.Content != "hello" || m.Sender.ARN != n.alice ||
		time.Since(m.CreatedTimestamp.Time).Abs() > time.Minute || m.Status.Value != client.ChannelMessageStatusSent {
		t.Errorf("got %+v", m)
	}
	if _, err := alice.UpdateChannel(t.Context(), &client.UpdateChannelRequest{ChannelARN: n.common, Name: "renamed"}); err != nil {
		t.Fatal(err)
	}
	if c := until(t, s, client.EventUpdateChannel).Data.(*client.Channel); c.Name != "renamed" {
		t.Errorf("got %+v", c)
	}
	if _, err := alice.DeleteChannelMembership(t.Context(), &client.DeleteChannelMembershipRequest{ChannelARN: n.common, MemberARN: n.bob}); err != nil {
		t.Fatal(err)
	}
	if m := until(t, s, client.EventDeleteChannelMembership).Data.(*client.ChannelMembership); m.Member.ARN != n.bob {
		t.Errorf("got %+v", m)
	}

	_, err := bob.SendChannelMessage(t.Context(), &client.SendChannelMessageRequest{ChannelARN: n.common, Content: "x", Type: "STANDARD", Persistence: "PERSISTENT"})
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Code != "ForbiddenException" || refused.Status != 403 || refused.RequestID == "" || refused.Message == "" {
		t.Errorf("got %v", err)
	}
}

func TestExtrasOfTheServer(t *testing.T) {
	n := startNode(t)
	alice, bob := n.client(t, n.alice), n.client(t, n.bob)
	app, _, _ := strings.Cut(n.alice, "/user/")
	_, err := alice.TagResource(t.Context(), &client.TagResourceRequest{ResourceARN: app, Tags: []client.Tag{{Key: "carillon:extras", Value: "presence typing unread"}}})
	if err != nil {
		t.Fatal(err)
	}
	all := []client.Extra{client.ExtraPresence, client.ExtraTyping, client.ExtraUnread}
	s := n.session(t, bob, client.SessionConfig{UserARN: n.bob, Extras: all, Prefetch: true})
	if d := until(t, s, client.EventChannelDetails).Data.(*client.ChannelDetails); d.UnreadCount == nil || *d.UnreadCount != 0 {
		t.Errorf("prefetched %+v", d)
	}
	other := n.session(t, alice, client.SessionConfig{UserARN: n.alice, Extras: all})
	for {
		p := until(t, s, client.EventChannelPresence).Data.(*client.Presence)
		if p.ChannelARN == n.common && slices.Contains(p.Online, n.alice) {
			break
		}
	}
	if err := other.SendTyping(t.Context(), n.common); err != nil {
		t.Fatal(err)
	}
	if typing := until(t, s, client.EventTyping).Data.(*client.Typing); typing.ChannelARN != n.common || typing.Sender.ARN != n.alice {
		t.Errorf("got %+v", typing)
	}
	send(t, alice, n.common, "unread")
	if unread := until(t, s, client.EventUnreadCount).Data.(*client.UnreadCount); unread.ChannelARN != n.common || unread.UnreadCount != 1 {
		t.Errorf("got %+v", unread)
	}
}

func TestSessionsAreToldWhichExtrasTheyHave(t *testing.T) {
	n := startNode(t)
	alice, bob := n.client(t, n.alice), n.client(t, n.bob)
	told := func(c *client.Client, cfg client.SessionConfig) []client.Extra {
		t.Helper()
		return until(t, n.session(t, c, cfg), client.EventSessionEstablished).Data.(*client.Established).Extras
	}
	some := []client.Extra{client.ExtraTyping, client.ExtraPresence}
	if got := told(alice, client.SessionConfig{UserARN: n.alice, Extras: some}); got == nil || len(got) != 0 {
		t.Errorf("without any: %#v", got)
	}
	app, _, _ := strings.Cut(n.alice, "/user/")
	_, err := alice.TagResource(t.Context(), &client.TagResourceRequest{ResourceARN: app, Tags: []client.Tag{{Key: "carillon:extras", Value: "typing unread"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := told(bob, client.SessionConfig{UserARN: n.bob, Extras: some}); !slices.Equal(got, []client.Extra{client.ExtraTyping}) {
		t.Errorf("with two of three: %v", got)
	}
	if got := told(bob, client.SessionConfig{UserARN: n.bob}); got != nil {
		t.Errorf("who did not ask is told %v", got)
	}
	if got := told(bob, client.SessionConfig{UserARN: n.bob, Extras: some, NoResume: true}); got != nil {
		t.Errorf("a session without tokens is told %v", got)
	}
}

func TestTLS(t *testing.T) {
	n := startNode(t)
	trusting := n.HTTP.Transport.(*http.Transport).TLSClientConfig.Clone()
	c := n.with(t, client.Config{Endpoint: strings.Replace(n.endpoint, "http", "https", 1), Credentials: n.keys, TLS: trusting})
	s := n.session(t, c, client.SessionConfig{UserARN: n.alice, Compress: true})
	until(t, s, client.EventSessionEstablished)
	send(t, n.client(t, n.bob), n.common, strings.Repeat("long ", 200))
	if m := until(t, s, client.EventCreateChannelMessage).Message(); len(m.Content) != 1000 {
		t.Errorf("got %+v", m)
	}
}

func TestARestartOfTheServer(t *testing.T) {
	n := startNode(t)
	alice := n.client(t, n.alice)
	var mu sync.Mutex
	var lost []error
	s := n.session(t, n.client(t, n.bob), client.SessionConfig{UserARN: n.bob, OnDisconnect: func(err error, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		lost = append(lost, err)
	}})
	until(t, s, client.EventSessionEstablished)
	n.restart(t)
	until(t, s, client.EventSessionEstablished)
	id := send(t, alice, n.common, "after")
	if m := until(t, s, client.EventCreateChannelMessage).Message(); m.MessageID != id {
		t.Errorf("got %+v", m)
	}
	mu.Lock()
	defer mu.Unlock()
	var closed *client.CloseError
	if len(lost) == 0 || !errors.As(lost[0], &closed) || closed.Code != client.CloseRestart {
		t.Errorf("told of %v", lost)
	}
}

func TestSessionsOfOneIDLiveTogether(t *testing.T) {
	n := startNode(t)
	alice := n.client(t, n.alice)
	first := n.session(t, alice, client.SessionConfig{UserARN: n.alice, SessionID: "same"})
	second := n.session(t, alice, client.SessionConfig{UserARN: n.alice, SessionID: "same"})
	id := send(t, alice, n.common, "to both")
	for _, s := range []*client.Session{first, second} {
		if m := until(t, s, client.EventCreateChannelMessage).Message(); m.MessageID != id {
			t.Errorf("got %+v", m)
		}
	}
}

func TestWhatStopsASession(t *testing.T) {
	n := startNode(t)
	root := n.client(t, n.alice)
	fails := func(s *client.Session, code int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for _, err := range s.Events(ctx) {
			var closed *client.CloseError
			if err != nil && (!errors.As(err, &closed) || closed.Code != code) {
				t.Errorf("got %v, want %d", err, code)
			}
		}
	}

	victim := n.session(t, root, client.SessionConfig{UserARN: n.bob})
	if _, err := root.DeleteAppInstanceUser(t.Context(), &client.DeleteAppInstanceUserRequest{AppInstanceUserARN: n.bob}); err != nil {
		t.Fatal(err)
	}
	fails(victim, client.CloseForbidden)

	user := n.with(t, client.Config{Credentials: n.exchange("alice", time.Hour)})
	var closed *client.CloseError
	if _, err := user.Connect(t.Context(), client.SessionConfig{UserARN: n.bob}); !errors.As(err, &closed) || closed.Code != client.CloseUnauthorized || closed.Reason == "" {
		t.Errorf("as another user: %v", err)
	}
	stranger := n.with(t, client.Config{Credentials: someKeys})
	var refused *client.Error
	if _, err := stranger.Connect(t.Context(), client.SessionConfig{UserARN: n.alice}); !errors.As(err, &refused) || refused.Status != 403 {
		t.Errorf("with keys of nobody: %v", err)
	}
}

// Credentials that end close the socket; the session goes on with others.
func TestCredentialsThatEnd(t *testing.T) {
	n := startNode(t)
	var mu sync.Mutex
	asked := 0
	provider := n.exchange("bob", 5*time.Second)
	c := n.with(t, client.Config{Credentials: func(ctx context.Context) (client.Credentials, error) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		return provider(ctx)
	}})
	s := n.session(t, c, client.SessionConfig{UserARN: n.bob})
	until(t, s, client.EventSessionEstablished)
	until(t, s, client.EventSessionEstablished)
	id := send(t, n.client(t, n.alice), n.common, "hello")
	if m := until(t, s, client.EventCreateChannelMessage).Message(); m.MessageID != id {
		t.Errorf("got %+v", m)
	}
	mu.Lock()
	defer mu.Unlock()
	if asked < 2 {
		t.Errorf("asked for credentials %d times", asked)
	}
}

// breaker is a proxy that resets its connections when it is told to.
type breaker struct {
	net.Listener
	to string

	mu   sync.Mutex
	open []*net.TCPConn
	done sync.WaitGroup
}

func startBreaker(t *testing.T, to string) *breaker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &breaker{Listener: l, to: to}
	b.done.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			b.join(from.(*net.TCPConn))
		}
	})
	t.Cleanup(func() { _ = l.Close(); b.reset(); b.done.Wait() })
	return b
}

func (b *breaker) join(from *net.TCPConn) {
	to, err := net.Dial("tcp", b.to)
	if err != nil {
		_ = from.Close()
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = append(b.open, from, to.(*net.TCPConn))
	b.done.Go(func() { _, _ = io.Copy(to, from); _ = to.Close() })
	b.done.Go(func() { _, _ = io.Copy(from, to); _ = from.Close() })
}

func (b *breaker) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, conn := range b.open {
		_ = conn.SetLinger(0) // RST instead of FIN
		_ = conn.Close()
	}
	b.open = nil
}

// Nothing is lost, nothing doubled and nothing out of order when the network resets connections while
// messages and the replay of messages are under way.
func TestResets(t *testing.T) {
	n := startNode(t)
	b := startBreaker(t, n.Addr())
	// The endpoint that the server names is its own: the session has to be led through the proxy.
	c := n.with(t, client.Config{Credentials: n.keys, HTTPClient: through(b.Addr().String())})
	s := n.session(t, c, client.SessionConfig{UserARN: n.bob, Ahead: 1, Reconnect: &client.Reconnect{First: 10 * time.Millisecond}})
	alice := n.client(t, n.alice)
	const messages, between = 200, 30
	var sent []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range messages {
			answer, err := alice.SendChannelMessage(context.Background(), &client.SendChannelMessageRequest{
				ChannelARN: n.common, Content: fmt.Sprint(i), Type: "STANDARD", Persistence: "PERSISTENT",
			})
			if err != nil {
				t.Error(err)
				return
			}
			sent = append(sent, answer.MessageID)
		}
	}()
	var got []string
	sockets := 0
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for e, err := range s.Events(ctx) {
		if err != nil {
			t.Fatalf("after %d messages: %v", len(got), err)
		}
		switch e.Type {
		case client.EventSessionEstablished:
			sockets++
		case client.EventSessionNotResumed:
			t.Errorf("not resumed: %+v", e.Data)
		case client.EventCreateChannelMessage:
			got = append(got, e.Message().MessageID)
			if len(got)%between == 0 {
				b.reset()
			}
		}
		if len(got) == messages {
			break
		}
	}
	<-done
	if !slices.Equal(got, sent) || sockets < 3 {
		t.Errorf("over %d sockets came\n%q\nwant\n%q", sockets, got, sent)
	}
}

// Another process goes on where one has stopped, also when the server was restarted meanwhile.
func TestAnotherProcessGoesOn(t *testing.T) {
	n := startNode(t)
	alice, bob := n.client(t, n.alice), n.client(t, n.bob)
	s := n.session(t, bob, client.SessionConfig{UserARN: n.bob})
	for i := range 5 {
		send(t, alice, n.common, fmt.Sprint(i))
	}
	var e client.Event
	for range 3 { // of five
		e = until(t, s, client.EventCreateChannelMessage)
	}
	_ = s.Close()
	send(t, alice, n.common, "5")
	n.restart(t)
	send(t, alice, n.common, "6")
	s = n.session(t, bob, client.SessionConfig{UserARN: n.bob, ResumeFrom: e.ResumeFrom})
	for _, want := range []string{"3", "4", "5", "6"} {
		if m := until(t, s, client.EventCreateChannelMessage).Message(); m.Content != want {
			t.Errorf("got %q, want %q", m.Content, want)
		}
	}
	told := until(t, s, client.EventSessionResumed).Data.(*client.Resumed)
	if told.Events < 4 {
		t.Errorf("told %+v", told)
	}
	s2 := n.session(t, alice, client.SessionConfig{UserARN: n.alice, ResumeFrom: e.ResumeFrom})
	if why := until(t, s2, client.EventSessionNotResumed).Data.(*client.NotResumed); why.Reason != client.NotResumedOtherUser {
		t.Errorf("with another user's token: %+v", why)
	}
}

// through leads every connection to the address.
func through(address string) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}}
}
