package realtime

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/bus/inproc"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// socket is a transport that takes every frame at once, unless it is stopped.
type socket struct {
	mu      sync.Mutex
	session *Session
	stopped bool
	frames  []string
	closed  *CloseError
	ready   bool
	probes  int
	writes  int // that it was asked for
}

func (s *socket) Probe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probes++
}

func (s *socket) Ready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = true
}

func (s *socket) Write() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = true
	s.writes++
}

func (s *socket) Close(code int, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = &CloseError{code, reason}
}

// read takes what waits and lists what came so far, as "TYPE payload".
func (s *socket) read(t *testing.T) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.ready && !s.stopped {
		frames := s.session.Take(nil, 1<<20)
		s.ready = len(frames) > 0
		for _, f := range frames {
			var text struct {
				Headers map[string]string
				Payload string
			}
			if err := json.Unmarshal(f, &text); err != nil {
				t.Fatalf("a frame is not JSON: %s", f)
			}
			s.frames = append(s.frames, strings.TrimSpace(text.Headers["x-amz-chime-event-type"]+" "+text.Payload))
		}
	}
	return slices.Clone(s.frames)
}

type world struct {
	t   *testing.T
	st  store.Store
	hub *Hub
	bus *inproc.Bus
	cur *bus.Stream   // of app instance A
	at  atomic.Uint64 // position of the last event that the hub has of it
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	w := openWorld(t, change...)
	t.Cleanup(func() { w.st.Close() })
	return w
}

// openWorld leaves it to the caller to close the store.
func openWorld(t *testing.T, change ...func(*Options)) *world {
	st := memstore.New()
	o := Options{Store: st, Frame: func(text []byte, _ bool) []byte { return bytes.Clone(text) }}
	w := &world{t: t, st: st, bus: inproc.New()}
	o.Follow = func(context.Context, string) (uint64, func(), error) { return w.at.Load(), func() {}, nil }
	for _, f := range change {
		f(&o)
	}
	w.hub = New(o)
	w.cur = w.stream()
	w.update(func(tx store.Tx) error {
		if err := store.AppInstances.Put(tx, store.K("A"), chime.AppInstance{ID: "A"}); err != nil {
			return err
		}
		for _, id := range []string{"ann", "bob", "cy"} {
			if err := store.Users.Put(tx, store.K("A", id), chime.User{ID: id}); err != nil {
				return err
			}
		}
		return nil
	})
	return w
}

// stream hands out the events of app instance A from the beginning.
func (w *world) stream() *bus.Stream {
	w.t.Helper()
	live := w.bus.Subscribe("A")
	cursor, err := w.st.Follow("A", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return bus.NewStream(cursor, 0, live)
}

// publish sends an ephemeral event after what the log has.
func (w *world) publish(e chime.Event) { w.bus.Publish("A", w.position(), e) }

func (w *world) update(f func(store.Tx) error) {
	w.t.Helper()
	if err := w.st.Update(context.Background(), "A", f); err != nil {
		w.t.Fatal(err)
	}
}

// commit appends events and keeps the list of memberships in step with them.
func (w *world) commit(events ...chime.Event) {
	w.t.Helper()
	w.update(func(tx store.Tx) error { return commitTo(tx, events) })
}

func commitTo(tx store.Tx, events []chime.Event) error {
	for _, e := range events {
		e.App = cmp.Or(e.App, "A")
		if _, err := tx.Append(e); err != nil {
			return err
		}
		for _, ref := range e.Join {
			if err := store.MembershipsOf.Put(tx, store.K(e.App, string(ref), e.Channel, e.Sub), chime.ChannelEntry{UID: e.Channel, Sub: e.Sub}); err != nil {
				return err
			}
		}
		for _, ref := range e.Leave {
			if err := store.MembershipsOf.Delete(tx, store.K(e.App, string(ref), e.Channel, e.Sub)); err != nil {
				return err
			}
		}
	}
	return nil
}

// deliver hands the hub what was committed since the last time.
func (w *world) deliver() {
	w.t.Helper()
	w.deliverEach(func() {})
}

// deliverEach calls f after each event.
func (w *world) deliverEach(f func()) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		events, err := w.cur.Next(ctx)
		if err != nil {
			return
		}
		for i := range events {
			w.hand(events[i : i+1])
			f()
		}
	}
}

// hand gives the hub events.
func (w *world) hand(events []*chime.Event) {
	w.hub.Deliver(events)
	w.at.Store(events[len(events)-1].Position)
}

func (w *world) attach(user, session string) *socket {
	w.t.Helper()
	s := new(socket)
	var err error
	if s.session, err = w.hub.Attach(context.Background(), Grant{App: "A", User: chime.UserRef(user), SessionID: session}, s); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.session.Detach)
	return s
}

func (w *world) expect(s *socket, want ...string) {
	w.t.Helper()
	w.deliver()
	want = append([]string{"SESSION_ESTABLISHED"}, want...)
	if got := s.read(w.t); !slices.Equal(got, want) {
		w.t.Errorf("received\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func message(channel, text string) chime.Event {
	return chime.Event{Type: "MSG", Topic: chime.Topic{Channel: channel}, MessageType: "STANDARD", Payload: []byte(text)}
}

func join(channel string, users ...string) chime.Event {
	return chime.Event{Type: "JOIN", Topic: chime.Topic{Channel: channel}, MessageType: "SYSTEM", Payload: []byte(strings.Join(users, ",")), Join: refs(users)}
}

func leave(channel string, users ...string) chime.Event {
	return chime.Event{Type: "LEAVE", Topic: chime.Topic{Channel: channel}, MessageType: "SYSTEM", Payload: []byte(strings.Join(users, ",")), Leave: refs(users)}
}

func refs(users []string) (all []chime.Ref) {
	for _, u := range users {
		all = append(all, chime.UserRef(u))
	}
	return all
}

// expectNoRoster fails when the hub still knows a user: a roster without users is forgotten.
func (w *world) expectNoRoster() {
	w.t.Helper()
	if all := w.hub.all(nil); len(all) > 0 {
		w.t.Errorf("the hub still knows %d users, %d channels", len(all[0].users), len(all[0].channels))
	}
}
