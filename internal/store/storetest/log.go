package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

func position(t *testing.T, s store.Store) (p uint64) {
	t.Helper()
	view(t, s, func(r store.Reader) (err error) {
		p, err = r.Position()
		return err
	})
	return p
}

func positions(t *testing.T, h Harness) {
	s := h.open(t)
	same(t, "position of an empty log", position(t, s), uint64(0))
	update(t, s, func(tx store.Tx) error {
		for want := uint64(1); want <= 3; want++ {
			got, err := tx.Append(event("e"))
			same(t, "appended at", got, want)
			if err != nil {
				return err
			}
			got, err = tx.Position()
			same(t, "position inside", got, want)
			if err != nil {
				return err
			}
		}
		return nil
	})
	put(t, s, one, store.K("a"), "no event")
	same(t, "position", position(t, s), uint64(3))
	update(t, s, func(store.Tx) error { return nil })
	appendEvents(t, s, "e")
	same(t, "position", position(t, s), uint64(4))
}

func eventsKeepEverything(t *testing.T, h Harness) {
	s := h.open(t)
	full := chime.Event{
		Time: 1, Type: "type", Topic: chime.Topic{App: "app", Channel: "channel", Sub: "sub"}, MessageType: "SYSTEM", Reason: "reason",
		Only: []chime.Ref{"user/a", "user/\x00"}, Also: []chime.Ref{"bot/b"}, Join: []chime.Ref{"user/c"},
		Leave: []chime.Ref{"user/d"}, Subject: "user/e", Payload: []byte("{\x00\xff"), Object: "object", ChannelID: "id", Target: "user/f", Actor: "user/g",
	}
	small := chime.Event{Time: 2, Type: "small", Topic: chime.Topic{App: "app"}}

	update(t, s, func(tx store.Tx) error {
		_, err := tx.Append(full)
		_, err2 := tx.Append(small)
		return errors.Join(err, err2)
	})
	full.Position, small.Position = 1, 2
	live, err := follow(t, s, 0).Next(ended())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "events", live, []*chime.Event{&full, &small})

	// The same events are read from the log when they are not in memory any more.
	for range 12 { // push them out of memory
		appendEvents(t, s, strings.Split(strings.Repeat("e ", 1000), " ")...)
	}
	old, err := follow(t, s, 0).Next(ended())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "events from the log", old[:2], []*chime.Event{&full, &small})
}

// contentIsNotInTheLog: what the sender of a message wrote is handed on live and kept nowhere but in
// the record of the message; every other payload is kept.
func contentIsNotInTheLog(t *testing.T, h Harness) {
	s := h.open(t)
	cursor := follow(t, s, 0)
	kinds := []string{chime.EventCreateMessage, chime.EventUpdateMessage, chime.EventPendingCreateMessage, chime.EventDeniedUpdateMessage,
		chime.EventRedactMessage, chime.EventDeleteMessage}
	const content = 4
	want := make([]*chime.Event, len(kinds))

	update(t, s, func(tx store.Tx) error {
		for i, kind := range kinds {
			e := chime.Event{Time: 1, Type: kind, Topic: chime.Topic{App: "app", Channel: "c"}, MessageType: "STANDARD", Object: kind, Payload: []byte("text")}
			if _, err := tx.Append(e); err != nil {
				return err
			}
			e.Position = uint64(i + 1)
			want[i] = &e
		}
		return nil
	})

	// Live cursors get the content, the log has it only of other kinds.
	live, err := cursor.Next(ended())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "live", live, want)
	for _, e := range want[:content] {
		e.Payload = nil
	}
	view(t, s, func(r store.Reader) error {
		kept, err := store.ReadEvents(r, app, 0, 10)
		same(t, "kept", kept, want)
		return err
	})
}

func eventsWaitForCommit(t *testing.T, h Harness) {
	s := h.open(t)
	cursor := follow(t, s, 0)
	update(t, s, func(tx store.Tx) error {
		_, err := tx.Append(event("e"))
		same(t, "events before the commit", ready(t, cursor), []string(nil))
		return err
	})
	same(t, "events after it", ready(t, cursor), []string{"1:e"})
}

func eventsBeforeUpdateReturns(t *testing.T, h Harness) {
	s := h.open(t)
	concurrently(t, 8, func(int) error {
		cursor, err := s.Follow(app, 0)
		if err != nil {
			return err
		}
		defer cursor.Close()
		var seen uint64
		for range 50 {
			var mine uint64
			err := s.Update(context.Background(), app, func(tx store.Tx) (err error) {
				mine, err = tx.Append(event("e"))
				return err
			})
			if err != nil {
				return err
			}
			for seen < mine {
				events, err := cursor.Next(ended())
				if err != nil {
					return fmt.Errorf("event %d is not there when its Update returned: %w", mine, err)
				}
				for _, e := range events {
					if seen++; e.Position != seen {
						return fmt.Errorf("event %d came after %d", e.Position, seen-1)
					}
				}
			}
		}
		return nil
	})
}

// cursorsAgree: cursors that wait see all events once, in the same order.
func cursorsAgree(t *testing.T, h Harness) {
	s := h.open(t)
	const writers, rounds, cursors = 4, 100, 3
	const total = writers * rounds
	orders := make([][]string, cursors)
	open := make([]store.Cursor, cursors)
	for i := range open {
		open[i] = follow(t, s, 0)
	}

	// Writers and cursors run at the same time.
	concurrently(t, writers+cursors, func(worker int) error {
		if worker < writers {
			for i := range rounds {
				name := fmt.Sprintf("%d/%d", worker, i)
				err := s.Update(context.Background(), app, func(tx store.Tx) error {
					_, err := tx.Append(event(name))
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		}
		order := &orders[worker-writers]
		for len(*order) < total {
			events, err := open[worker-writers].Next(context.Background())
			if err != nil {
				return err
			}
			for _, e := range events {
				*order = append(*order, fmt.Sprint(e.Position, string(e.Payload)))
			}
		}
		return nil
	})

	// Every event came, once, and in the same order to all.
	seen := map[string]bool{}
	for _, e := range orders[0] {
		seen[e] = true
	}
	if len(seen) != total || len(orders[0]) != total {
		t.Errorf("%d events, %d of them different, want %d", len(orders[0]), len(seen), total)
	}
	for _, order := range orders[1:] {
		same(t, "order of another cursor", order, orders[0])
	}
}

// laggingCursor falls behind what an engine can keep in memory.
func laggingCursor(t *testing.T, h Harness) {
	s := h.open(t)
	const commits, each = 32, 400
	appendEvents(t, s, "first")
	early := follow(t, s, 0)
	if events, err := early.Next(ended()); err != nil || len(events) != 1 {
		t.Fatalf("%d events, %v", len(events), err)
	}

	var done atomic.Bool
	concurrently(t, 5, func(worker int) error {
		if worker > 0 {
			defer done.Store(true)
			for range commits / 4 {
				err := s.Update(context.Background(), app, func(tx store.Tx) (err error) {
					for range each {
						if _, err = tx.Append(event("e")); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		}
		for !done.Load() { // others begin anywhere while writers run
			after := rand.Uint64N(100)
			cursor, err := s.Follow(app, after)
			if err != nil {
				return err
			}
			if err := contiguous(cursor, after, 2000); err != nil {
				return err
			}
		}
		return nil
	})

	// What the early cursor missed in memory it gets from the log.
	if err := contiguous(early, 1, commits*each); err != nil {
		t.Error(err)
	}
	same(t, "rest", ready(t, early), []string(nil))
}

// contiguous reads n events and shows that they follow the position without gap or double.
func contiguous(c store.Cursor, after uint64, n int) error {
	for n > 0 {
		events, err := c.Next(context.Background())
		if err != nil {
			return err
		}
		for _, e := range events {
			if after++; e.Position != after {
				return fmt.Errorf("event %d came after %d", e.Position, after-1)
			}
			n--
		}
	}
	return nil
}

// followFromAnywhere mixes commits and cursors at random.
func followFromAnywhere(t *testing.T, h Harness) {
	s := h.open(t)
	var last uint64
	appendEvents(t, s, strings.Split(strings.Repeat("e ", 3000), " ")...)
	last = position(t, s)

	rapid.Check(t, func(t *rapid.T) {
		type reader struct {
			store.Cursor
			after uint64
		}
		var readers []*reader
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"append", "burst", "follow", "read", "read"}).Draw(t, "step") {
			case "append", "burst":
				n := rapid.SampledFrom([]int{1, 2, 600}).Draw(t, "events")
				err := s.Update(context.Background(), app, func(tx store.Tx) (err error) {
					for range n {
						if _, err = tx.Append(event("e")); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				last += uint64(n)
			case "follow":
				after := last - min(last, rapid.SampledFrom([]uint64{0, 1, 2, 600, 9000, 1 << 40}).Draw(t, "back"))
				c, err := s.Follow(app, after)
				if err != nil {
					t.Fatal(err)
				}
				readers = append(readers, &reader{c, after})
			case "read":
				for _, r := range readers {
					r.after = readOn(t, r.Cursor, r.after, 1)
				}
			}
		}

		// All cursors reach the end of the log.
		for _, r := range readers {
			if after := readOn(t, r.Cursor, r.after, -1); after != last {
				t.Fatalf("a cursor ended at %d, the log at %d", after, last)
			}
		}
	})
}

// readOn calls Next up to n times, or until there is nothing more, and checks the order.
func readOn(t *rapid.T, c store.Cursor, after uint64, n int) uint64 {
	for ; n != 0; n-- {
		events, err := c.Next(ended())
		if errors.Is(err, context.Canceled) {
			return after
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			want := after + 1
			if e.Position != want {
				t.Fatalf("event %d came after %d", e.Position, after)
			}
			after = want
		}
	}
	return after
}

func followBeyondTheEnd(t *testing.T, h Harness) {
	s := h.open(t)
	appendEvents(t, s, "a")
	cursor := follow(t, s, 3)
	appendEvents(t, s, "b", "c", "d")
	appendEvents(t, s, "e")
	same(t, "events after 3", ready(t, cursor), []string{"4:d", "5:e"})
}
