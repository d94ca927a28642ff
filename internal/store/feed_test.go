package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
)

// fakeLog is a log that holds the events from first to last.
type fakeLog struct {
	first, last uint64
	reads       int
}

func (l *fakeLog) read(after uint64, limit int) (events []*chime.Event, err error) {
	l.reads++
	if after+1 < l.first {
		return nil, ErrTrimmed
	}
	for p := max(after+1, l.first); p <= l.last && len(events) < limit; p++ {
		events = append(events, &chime.Event{Position: p})
	}
	return events, nil
}

// publish appends n events to log and feed.
func (l *fakeLog) publish(f *Feed, n int) {
	events := make([]chime.Event, n)
	for i := range events {
		l.last++
		events[i].Position = l.last
	}
	f.Publish(events)
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// take reads what is ready, as positions.
func take(t *testing.T, c Cursor) (list []int64) {
	t.Helper()
	for {
		events, err := c.Next(ended())
		if errors.Is(err, context.Canceled) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			list = append(list, int64(e.Position))
		}
	}
}

func open(t *testing.T, f *Feed, after uint64) Cursor {
	t.Helper()
	c, err := f.Follow(after)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func expect(t *testing.T, got []int64, want ...int64) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %d, want %d", got, want)
	}
}

// A cursor reads no further in the log than what was published.
func TestLogAheadOfFeed(t *testing.T) {
	log := &fakeLog{first: 1, last: 5}
	f := NewFeed(3, log.read)
	c := open(t, f, 0)
	expect(t, take(t, c), 1, 2, 3)
	f.Publish([]chime.Event{{Position: 4}, {Position: 5}})
	expect(t, take(t, c), 4, 5)
}

func TestMemoryIsBounded(t *testing.T) {
	log := &fakeLog{first: 1}
	f := NewFeed(0, log.read)
	c := open(t, f, 0)
	for range 100 {
		log.publish(f, 500)
	}
	if len(f.ring) > feedSize*5/4 {
		t.Errorf("%d events in memory", len(f.ring))
	}
	f.Publish([]chime.Event{{Position: log.last + 1, Payload: make([]byte, feedBytes)}})
	log.last++
	f.Publish([]chime.Event{{Position: log.last + 1, Payload: make([]byte, feedBytes)}})
	log.last++
	if f.bytes > feedBytes*5/4 || len(f.ring) == 0 {
		t.Errorf("%d bytes in %d events", f.bytes, len(f.ring))
	}
	var next int64
	for _, p := range take(t, c) {
		if next++; p != next {
			t.Fatalf("event %d came after %d", p, next-1)
		}
	}
	if next != int64(log.last) {
		t.Errorf("the cursor ended at %d of %d", next, log.last)
	}
	f.Trim(log.last)
	if len(f.ring) != 0 || f.bytes != 0 {
		t.Errorf("%d events of %d bytes after forgetting all", len(f.ring), f.bytes)
	}
}

func TestFeedTrim(t *testing.T) {
	log := &fakeLog{first: 1}
	f := NewFeed(0, log.read)
	live := open(t, f, 0)
	log.publish(f, 5)
	log.publish(f, 1)
	at := open(t, f, 5)
	log.first = 6
	f.Trim(5)
	if _, err := live.Next(ended()); !errors.Is(err, ErrTrimmed) {
		t.Errorf("next: %v", err)
	}
	if _, err := f.Follow(4); !errors.Is(err, ErrTrimmed) {
		t.Errorf("follow: %v", err)
	}
	expect(t, take(t, at), 6)
}

func TestFeedClosed(t *testing.T) {
	f := NewFeed(0, (&fakeLog{}).read)
	c := open(t, f, 0)
	f.Close()
	f.Close()
	f.Publish([]chime.Event{{Position: 1}})
	if _, err := c.Next(context.Background()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("next: %v", err)
	}
	if _, err := f.Follow(0); !errors.Is(err, ErrUnavailable) {
		t.Errorf("follow: %v", err)
	}
}

func TestFailingLog(t *testing.T) {
	boom := errors.New("boom")
	f := NewFeed(5, func(uint64, int) ([]*chime.Event, error) { return nil, boom })
	if _, err := f.Follow(1); err != boom {
		t.Errorf("follow: %v", err)
	}
}

// Live cursors never touch the log.
func TestLiveCursorsReadMemory(t *testing.T) {
	log := &fakeLog{first: 1}
	f := NewFeed(0, log.read)
	c := open(t, f, 0)
	for range 10 {
		log.publish(f, 100)
		if n := len(take(t, c)); n != 100 {
			t.Fatal(n)
		}
	}
	if log.reads != 0 {
		t.Errorf("%d reads", log.reads)
	}
}

// A cursor that reads after a removal was published gets what was removed without its content, and
// everything else as it was.
func TestFeedHandsOutNothingRemoved(t *testing.T) {
	message := func(position uint64, app, channel, sub, id string) chime.Event {
		return chime.Event{Position: position, Type: chime.EventCreateMessage, Topic: chime.Topic{App: app, Channel: channel, Sub: sub}, Object: id, Payload: []byte(id)}
	}
	for _, tc := range []struct {
		removal chime.Event
		want    string // what still has content
	}{
		{chime.Event{Type: chime.EventRedactMessage, Topic: chime.Topic{App: "A", Channel: "c"}, Object: "m1"}, "m2 m3 m4 m5 member"},
		{chime.Event{Type: chime.EventDeleteMessage, Topic: chime.Topic{App: "A", Channel: "c"}, Object: "m2"}, "m1 m3 m4 m5 member"},
		{chime.Event{Type: chime.EventDeleteSubChannel, Topic: chime.Topic{App: "A", Channel: "e", Sub: "s1"}}, "m1 m2 m4 m5 member"},
		{chime.Event{Type: chime.EventDeleteChannel, Topic: chime.Topic{App: "A", Channel: "e"}}, "m1 m2 m5 member"},
		{chime.Event{Type: chime.EventPutRetention, Topic: chime.Topic{App: "A"}}, "m5 member"},
		{chime.Event{Type: chime.EventDeleteAppInstance, Topic: chime.Topic{App: "A"}}, "m5 member"},
		{chime.Event{Type: chime.EventUpdateMessage, Topic: chime.Topic{App: "A", Channel: "c"}, Object: "m1"}, "m1 m2 m3 m4 m5 member"},
	} {
		f := NewFeed(0, (&fakeLog{}).read)
		early, late := open(t, f, 0), open(t, f, 0)
		f.Publish([]chime.Event{
			message(1, "A", "c", "", "m1"), message(2, "A", "c", "", "m2"), message(3, "A", "e", "s1", "m3"), message(4, "A", "e", "s2", "m4"),
			message(5, "B", "c", "", "m5"), {Position: 6, Type: chime.EventCreateMembership, Topic: chime.Topic{App: "A", Channel: "c"}, Payload: []byte("member")},
		})
		read := func(c Cursor) (told []string) {
			events, err := c.Next(ended())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if e.Payload != nil {
					told = append(told, string(e.Payload))
				}
			}
			return told
		}
		before := read(early)
		tc.removal.Position = 7
		f.Publish([]chime.Event{tc.removal})
		if got := strings.Join(read(late), " "); got != tc.want {
			t.Errorf("after %s there is %q, want %q", tc.removal.Type, got, tc.want)
		}
		if len(before) != 6 || f.bytes != len(strings.ReplaceAll(tc.want, " ", "")) {
			t.Errorf("before it %v; %d bytes in memory", before, f.bytes)
		}
	}
}

// A cursor in a log that has gaps waits at its end like any other.
func TestGapsBeforeTheEnd(t *testing.T) {
	events := []*chime.Event{{Position: 2}, {Position: 4}}
	f := NewFeed(6, func(after uint64, _ int) ([]*chime.Event, error) {
		i := slices.IndexFunc(events, func(e *chime.Event) bool { return e.Position > after })
		if i < 0 {
			return nil, nil
		}
		return events[i:], nil
	})
	c := open(t, f, 0)
	expect(t, take(t, c), 2, 4)
	_, wake, err := c.Poll()
	if wake == nil || err != nil {
		t.Fatal(err)
	}
	f.Publish([]chime.Event{{Position: 7}})
	<-wake
	expect(t, take(t, c), 7)
}

// A publication that is lost, comes twice or comes late costs a look into the log and no event, and no
// event comes twice.
func TestFeedMakesUpForPublications(t *testing.T) {
	at := func(positions ...uint64) (events []chime.Event) {
		for _, p := range positions {
			events = append(events, chime.Event{Position: p})
		}
		return events
	}
	for _, tc := range []struct {
		name         string
		publications [][]chime.Event
		want         []int64 // of a cursor that reads after each publication
	}{
		{"in order", [][]chime.Event{at(3), at(4, 5), at(6)}, []int64{3, 4, 5, 6}},
		{"lost", [][]chime.Event{at(3), at(5), at(6)}, []int64{3, 4, 5, 6}},
		{"lost within one", [][]chime.Event{at(3, 5), at(6)}, []int64{3, 4, 5, 6}},
		{"first lost", [][]chime.Event{at(5), at(6)}, []int64{3, 4, 5, 6}},
		{"doubled", [][]chime.Event{at(3), at(3), at(3, 4), at(4, 5, 6), at(5)}, []int64{3, 4, 5, 6}},
		{"late", [][]chime.Event{at(4), at(3), at(6), at(5)}, []int64{3, 4, 5, 6}},
		{"old", [][]chime.Event{at(1), at(2), at(3), at(4, 5, 6)}, []int64{3, 4, 5, 6}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log := &fakeLog{first: 1, last: 6}
			f := NewFeed(2, log.read)
			steady, late := open(t, f, 2), open(t, f, 0)
			var got []int64
			for _, events := range tc.publications {
				f.Publish(events)
				got = append(got, take(t, steady)...)
			}
			expect(t, got, tc.want...)
			expect(t, take(t, late), 1, 2, 3, 4, 5, 6)
		})
	}
}

// A cursor that waits when a publication is lost is woken by the next.
func TestGapWakesCursors(t *testing.T) {
	log := &fakeLog{first: 1, last: 3}
	f := NewFeed(1, log.read)
	c := open(t, f, 1)
	_, wake, err := c.Poll()
	if wake == nil || err != nil {
		t.Fatal(err)
	}
	f.Publish([]chime.Event{{Position: 3}})
	<-wake
	expect(t, take(t, c), 2, 3)
}

// What is published while a feed is being opened reaches its first cursor.
func TestFeedsMissNothingWhileOneOpens(t *testing.T) {
	log := &fakeLog{first: 1, last: 2}
	var feeds *Feeds
	end := func(string) (uint64, error) {
		log.last += 2
		feeds.Publish("app", []chime.Event{{Position: 3}, {Position: 4}})
		return 3, nil // read between the two
	}
	feeds = NewFeeds(end, func(_ string, after uint64, limit int) ([]*chime.Event, error) { return log.read(after, limit) })
	c, err := feeds.Follow("app", 2)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, take(t, c), 3, 4)
	feeds.Publish("app", []chime.Event{{Position: 5}})
	log.last++
	expect(t, take(t, c), 5)
}

// A feed is in memory as long as its log has a cursor.
func TestFeedsGoWithTheirCursors(t *testing.T) {
	log := &fakeLog{first: 1, last: 4}
	boom := errors.New("boom")
	var failure error
	feeds := NewFeeds(func(string) (uint64, error) { return log.last, failure },
		func(_ string, after uint64, limit int) ([]*chime.Event, error) { return log.read(after, limit) })
	one, err := feeds.Follow("app", 4)
	two, err2 := feeds.Follow("app", 4)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	one.Close()
	one.Close()
	log.last++
	feeds.Publish("app", []chime.Event{{Position: 5}})
	expect(t, take(t, two), 5)
	two.Close()
	log.first = 3
	if _, err := feeds.Follow("app", 1); !errors.Is(err, ErrTrimmed) {
		t.Errorf("follow a trimmed log: %v", err)
	}
	failure = boom
	if _, err := feeds.Follow("app", 4); err != boom {
		t.Errorf("follow a log that cannot be read: %v", err)
	}
	if len(feeds.open) > 0 {
		t.Errorf("%d feeds without a cursor", len(feeds.open))
	}
	feeds.Close()
	if _, err := feeds.Follow("app", 4); !errors.Is(err, ErrUnavailable) {
		t.Errorf("follow after Close: %v", err)
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, cursors := range []int{0, 1, 10} {
		b.Run(fmt.Sprint("cursors=", cursors), func(b *testing.B) {
			log := &fakeLog{first: 1}
			f := NewFeed(0, log.read)
			list := make([]Cursor, cursors)
			for i := range list {
				list[i], _ = f.Follow(0)
			}
			b.ReportAllocs()
			for n := range b.N {
				f.Publish([]chime.Event{{Position: uint64(n + 1)}})
				for _, c := range list {
					if events, err := c.Next(ended()); err != nil || len(events) != 1 {
						b.Fatal(len(events), err)
					}
				}
			}
		})
	}
}
