package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// history is a log of one app instance with the memberships that belong to it.
type history struct {
	t  rapid.TB
	st store.Store
	// got are the positions of what ann is sent live, in are its memberships at the end.
	got []uint64
	in  map[chime.Topic]bool
}

func newHistory(t rapid.TB) *history {
	h := &history{t: t, st: memstore.New(), in: make(map[chime.Topic]bool)}
	h.update(func(tx store.Tx) error { return store.Users.Put(tx, store.K("A", "ann"), chime.User{ID: "ann"}) })
	return h
}

func (h *history) update(f func(store.Tx) error) {
	h.t.Helper()
	if err := h.st.Update(context.Background(), "A", f); err != nil {
		h.t.Fatal(err)
	}
}

// append commits an event, and walks on as a session that stayed would.
func (h *history) append(e chime.Event) {
	h.t.Helper()
	h.update(func(tx store.Tx) (err error) {
		if e.Position, err = tx.Append(e); err != nil {
			return err
		}
		key := store.K("A", "user/ann", e.Channel, e.Sub)
		if slices.Contains(e.Join, "user/ann") {
			return store.MembershipsOf.Put(tx, key, chime.ChannelEntry{UID: e.Channel, Sub: e.Sub})
		}
		if slices.Contains(e.Leave, "user/ann") {
			return store.MembershipsOf.Delete(tx, key)
		}
		return nil
	})
	if slices.Contains(e.Join, "user/ann") {
		h.in[e.Topic] = true
	}
	if e.Reaches("user/ann", h.isIn(e.Topic)) {
		h.got = append(h.got, e.Position)
	}
	if slices.Contains(e.Leave, "user/ann") {
		delete(h.in, e.Topic)
	}
}

// isIn reports whether ann is in the topic, or of a whole channel in any of its sub-channels.
func (h *history) isIn(topic chime.Topic) bool {
	for in := range h.in {
		if in == topic || in.Whole() == topic {
			return true
		}
	}
	return false
}

func (h *history) end() (position uint64) {
	h.view(func(r store.Reader) (err error) {
		position, err = r.Position()
		return err
	})
	return position
}

func (h *history) view(f func(store.Reader) error) {
	h.t.Helper()
	if err := h.st.View(context.Background(), "A", f); err != nil {
		h.t.Fatal(err)
	}
}

// next reads a piece.
func (h *history) next(p *Replay, bytes int) (events []*chime.Event, err error) {
	h.view(func(r store.Reader) error {
		events, err = p.Next(r, bytes, func(*chime.Event) int { return 1 })
		return nil
	})
	return events, err
}

func message(channel, sub string) chime.Event {
	return chime.Event{Type: chime.EventCreateMessage, Topic: chime.Topic{App: "A", Channel: channel, Sub: sub}, MessageType: "STANDARD"}
}

// What is replayed between any two positions is what a session got that stayed, in pieces of any size.
func TestReplayIsWhatWasLive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHistory(rt)
		defer h.st.Close()
		topics := []chime.Topic{{App: "A", Channel: "c"}, {App: "A", Channel: "e", Sub: "s1"}, {App: "A", Channel: "e", Sub: "s2"}}
		for range rapid.IntRange(1, 60).Draw(rt, "events") {
			e := message("", "")
			e.Topic = rapid.SampledFrom(topics).Draw(rt, "topic")
			switch rapid.IntRange(0, 6).Draw(rt, "what") {
			case 0:
				if h.in[e.Topic] {
					e.Leave = []chime.Ref{"user/ann", "user/bob"}
				} else {
					e.Join = []chime.Ref{"user/ann"}
				}
			case 1:
				e.Topic = e.Whole()
			case 2:
				e.Only = []chime.Ref{rapid.SampledFrom([]chime.Ref{"user/ann", "user/bob"}).Draw(rt, "only")}
			case 3:
				e.Also = []chime.Ref{"user/ann"}
			case 4:
				e.MessageType = ""
			}
			h.append(e)
		}
		from := rapid.Uint64Range(0, h.end()).Draw(rt, "from")
		until := rapid.Uint64Range(from, h.end()).Draw(rt, "until")
		bytes := rapid.IntRange(1, 5).Draw(rt, "bytes")

		var want, got []uint64
		for _, position := range h.got {
			if position > from && position <= until {
				want = append(want, position)
			}
		}
		p := New("A", "user/ann", from, until)
		for !p.Done() {
			events, err := h.next(p, bytes)
			if err != nil {
				rt.Fatal(err)
			}
			if len(events) > bytes {
				rt.Fatalf("%d events in a piece of %d", len(events), bytes)
			}
			for _, e := range events {
				got = append(got, e.Position)
			}
		}
		if !slices.Equal(got, want) || p.Given() != len(want) {
			rt.Errorf("after %d up to %d: %v, %d in all; want %v", from, until, got, p.Given(), want)
		}
	})
}

// More events than are looked for at once, in two channels, and more that come while it goes on.
func TestReplayGoesOn(t *testing.T) {
	h := newHistory(t)
	defer h.st.Close()
	for _, channel := range []string{"c", "d"} {
		e := message(channel, "")
		e.Join = []chime.Ref{"user/ann"}
		h.append(e)
	}
	from := h.end()
	more := func() {
		for i := range 2*tracePage + 10 {
			h.append(message([]string{"c", "c", "d"}[i%3], ""))
		}
	}
	more()
	p := New("A", "user/ann", from, h.end())
	var got []uint64
	for !p.Done() {
		events, err := h.next(p, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			got = append(got, e.Position)
		}
		if p.Done() && len(got) < len(h.got)*2/3 {
			more()
			p.Extend(h.end())
		}
	}
	if want := h.got[2:]; !slices.Equal(got, want) {
		t.Errorf("%d events, want %d", len(got), len(want))
	}
}

func TestReplayIsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		from uint64
		do   func(tx store.Tx) error
		want Refusal
	}{
		{"of a log that is shorter", 99, func(store.Tx) error { return nil }, Invalid},
		{"of a log that is trimmed", 1, func(tx store.Tx) error { return tx.TrimEvents(2) }, Expired},
		{"of a user who was made again", 1, func(tx store.Tx) error {
			return store.Users.Put(tx, store.K("A", "ann"), chime.User{ID: "ann", Order: 2})
		}, OtherUser},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHistory(t)
			defer h.st.Close()
			for i := range 4 {
				h.append(message(fmt.Sprint(i), ""))
			}
			h.update(c.do)
			_, err := h.next(New("A", "user/ann", c.from, h.end()), 100)
			if refusal, ok := errors.AsType[Refusal](err); !ok || refusal != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
