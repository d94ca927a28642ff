package servicetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/presence"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/typing"
	"github.com/carillon-chat/carillon/internal/unread"
)

// Live is a world with a hub, sockets, and the extras. Nothing moves but by its methods.
type Live struct {
	*World
	t        testing.TB
	Hub      *realtime.Hub
	Presence *presence.Service
	Unread   *unread.Service
	Counter  *unread.Counter
	Log      bytes.Buffer // lines of warnings and errors

	stream  *bus.Stream
	at      uint64 // position of the last event that was delivered
	sockets []*Socket
}

// NewLive makes a world in which every app instance has the extras, over a fresh model store.
func NewLive(t testing.TB, extras chime.Extras, users ...string) *Live {
	st := memstore.New()
	t.Cleanup(func() { st.Close() })
	return LiveOver(t, st, extras, users...)
}

// LiveOver makes such a world in a store.
func LiveOver(t testing.TB, st store.Store, extras chime.Extras, users ...string) *Live {
	t.Helper()
	w := Over(t, st, users...)
	l := &Live{World: w, t: t, Counter: unread.NewCounter(w.Channels, w.Messages)}
	log := slog.New(slog.NewTextHandler(&l.Log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	typing := typing.New(typing.Options{Store: st, Bus: l.Bus, Site: w.Site, Now: w.Clock})
	l.Hub = realtime.New(realtime.Options{
		Store: st, Follow: func(context.Context, string) (uint64, func(), error) { return l.at, func() {}, nil }, Frame: func(text []byte, _ bool) []byte { return text }, Extras: extras, Typing: typing.Client,
	})
	l.Presence = presence.New(presence.Options{Store: st, Bus: l.Bus, Hub: l.Hub, Site: w.Site, Now: w.Clock, Log: log})
	l.Unread = unread.New(unread.Options{Store: st, Counter: l.Counter, Hub: l.Hub, Site: w.Site, Now: w.Clock, Log: log})

	err := st.View(t.Context(), l.AppID(), func(r store.Reader) (err error) {
		l.at, err = r.Position()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	l.stream = l.Stream(l.at)
	return l
}

// Deliver hands out what was committed and published, as fast as the sockets take it.
func (l *Live) Deliver() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		events, err := l.stream.Next(ctx)
		if err != nil {
			return
		}
		for i := range events {
			l.Hub.Deliver(events[i : i+1])
			l.Presence.Deliver(events[i : i+1])
			l.Unread.Deliver(events[i : i+1])
			l.at = events[i].Position
			for _, s := range l.sockets {
				s.take()
			}
		}
	}
}

// Flush lets an interval pass.
func (l *Live) Flush() {
	l.Deliver()
	l.Presence.Flush(l.t.Context())
	l.Unread.Flush(l.t.Context())
	l.Deliver()
}

// Socket is a client. It keeps what it got as text.
type Socket struct {
	l       *Live
	user    string
	Session *realtime.Session
	woken   chan struct{} // there may be something to take
	lines   []string      // what it got since the last call of Got
}

// Ready, Write, Probe and Close make a Socket a realtime.Transport.
func (s *Socket) Ready() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}
func (s *Socket) Write()            { s.Ready() }
func (s *Socket) Probe()            {}
func (s *Socket) Close(int, string) {}

// Connect opens a socket that asks for extras. IAM decides by authorize, when that is given.
func (l *Live) Connect(user string, wants chime.Extras, authorize ...func(context.Context, string, api.Request) error) *Socket {
	l.t.Helper()
	s := &Socket{l: l, user: user, woken: make(chan struct{}, 1)}
	grant := realtime.Grant{App: l.AppID(), User: chime.UserRef(user), UserARN: l.User(user), SessionID: fmt.Sprintf("%p", s), Extras: wants}
	if len(authorize) > 0 {
		grant.Authorize = authorize[0]
	}
	var err error
	if s.Session, err = l.Hub.Attach(l.t.Context(), grant, s); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(s.Session.Detach)
	<-s.woken
	s.Got()
	l.sockets = append(l.sockets, s)
	return s
}

// Got lists what came since the last call, in order, but for the beginning of the session.
func (s *Socket) Got() []string {
	s.l.t.Helper()
	s.take()
	lines := s.lines
	s.lines = nil
	return lines
}

// Expect compares what came since the last call of Got, in any order: the extras of several channels have
// none.
func (s *Socket) Expect(want ...string) {
	s.l.t.Helper()
	got := s.Got()
	slices.Sort(got)
	slices.Sort(want)
	s.compare(got, want)
}

// ExpectInOrder compares what came since the last call of Got, in order.
func (s *Socket) ExpectInOrder(want ...string) {
	s.l.t.Helper()
	s.compare(s.Got(), want)
}

func (s *Socket) compare(got, want []string) {
	s.l.t.Helper()
	if !slices.Equal(got, want) {
		s.l.t.Errorf("%s received\n  %s\nwant\n  %s", s.user, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// Wait delivers until the socket has something to take.
func (s *Socket) Wait() {
	s.l.t.Helper()
	for deadline := time.After(time.Minute); ; {
		s.l.Deliver()
		select {
		case <-s.woken:
			return
		case <-deadline:
			s.l.t.Fatalf("%s got nothing", s.user)
		case <-time.After(time.Millisecond):
		}
	}
}

// take reads what is there.
func (s *Socket) take() {
	for {
		frames := s.Session.Take(nil, 1<<20)
		if len(frames) == 0 {
			return
		}
		for _, f := range frames {
			if line := s.line(f); line != "" {
				s.lines = append(s.lines, line)
			}
		}
	}
}

// line is a frame as text, empty for the beginning of a session.
func (s *Socket) line(frame []byte) string {
	var f struct {
		Headers map[string]string
		Payload string
	}
	var p struct {
		ChannelArn, SubChannelId, ReadMarkerTimestamp string
		OnlineCount, UnreadCount                      int
		Online, Offline                               []string
		Complete                                      bool
		Sender                                        struct{ Arn, Name string }
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		s.l.t.Fatal(err)
	}
	if f.Payload != "" {
		if err := json.Unmarshal([]byte(f.Payload), &p); err != nil {
			s.l.t.Fatal(err)
		}
	}

	last := func(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
	kind, line := f.Headers["x-amz-chime-event-type"], last(p.ChannelArn)
	if p.SubChannelId != "" {
		line += "@" + s.l.SubName(p.SubChannelId)
	}

	// Each extra in a form of its own; every other event is its type.
	switch kind {
	case chime.EventSessionEstablished:
		return ""
	case chime.EventChannelPresence:
		line += fmt.Sprintf(": %d online", p.OnlineCount)
		for _, arn := range p.Online {
			line += " +" + last(arn)
		}
		for _, arn := range p.Offline {
			line += " -" + last(arn)
		}
		if p.Complete {
			line += " complete"
		}
		return line
	case chime.EventUnreadCount:
		line += fmt.Sprintf(": %d unread", p.UnreadCount)
		if p.ReadMarkerTimestamp != "" {
			line += " since " + p.ReadMarkerTimestamp
		}
		return line
	case chime.EventTyping:
		return fmt.Sprintf("%s: %s (%s) types", line, last(p.Sender.Arn), p.Sender.Name)
	}
	return kind
}
