package prefetch_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lab/cputime"
	"github.com/carillon-chat/carillon/internal/prefetch"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pebble"
	"github.com/carillon-chat/carillon/internal/unread"
)

// onDisk is a world over Pebble, with ann and 29 others.
func onDisk(b *testing.B) (*servicetest.World, *prefetch.Service, []string) {
	st, err := pebble.Open(b.TempDir(), pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { st.Close() })
	people := []string{"ann"}
	for i := range 29 {
		people = append(people, fmt.Sprint("person-", i))
	}
	w := servicetest.Over(b, st, people...)
	return w, prefetch.New(st, w.Channels, w.Messages, unread.NewCounter(w.Channels, w.Messages)), people
}

// BenchmarkPrefetch is all that one connect reads: 50 channels with 20 messages and 30 members. The
// first of their members to come has it made, those after it find it: in the same moment of the
// log, or in a later one, with a new message in each channel or in none.
func BenchmarkPrefetch(b *testing.B) {
	w, s, people := onDisk(b)
	text := strings.Repeat("the quick brown fox jumps over the lazy dog ", 14)
	channels := make([]string, 50)
	send := func(n int) {
		w.Now = w.Now.Add(time.Second)
		for _, id := range channels {
			w.Send(w.Text(people[n%len(people)], id, text))
		}
	}
	for i := range channels {
		channels[i] = fmt.Sprint("channel-", i)
		w.AddChannel("ann", channels[i], func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users(people[1:]...) })
	}
	for n := range 22 {
		send(n)
	}
	w.AddChannel("person-1", "busy")
	for name, before := range map[string]func(){
		"first": func() { s = prefetch.New(w.Store, w.Channels, w.Messages, unread.NewCounter(w.Channels, w.Messages)) },
		"again": func() {},
		"later": func() { w.Send(w.Text("person-1", "busy", "unrelated")) },
		"new":   func() { send(0) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var cpu time.Duration
			for b.Loop() {
				b.StopTimer()
				before()
				b.StartTimer()
				cpu -= cputime.Thread(b)
				connect(b, s, app(w), "user/ann")
				cpu += cputime.Thread(b)
			}
			b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// connect reads everything that is told to a user.
func connect(b *testing.B, s *prefetch.Service, app string, user chime.Ref) {
	places, err := s.Channels(b.Context(), app, user, "")
	if err != nil || len(places) != 50 {
		b.Fatal(len(places), err)
	}
	for _, at := range places {
		if _, ok, err := s.AppendDetails(b.Context(), nil, app, user, at, false); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
}

// BenchmarkChannels chooses the 50 channels of a user with 5,000.
func BenchmarkChannels(b *testing.B) {
	w, s, _ := onDisk(b)
	for i := range 5000 {
		id := fmt.Sprint("channel-", i)
		w.AddChannel("ann", id)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Channels(b.Context(), app(w), "user/ann", ""); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnread counts 100,000 unread messages.
func BenchmarkUnread(b *testing.B) {
	w, s, _ := onDisk(b)
	w.AddChannel("ann", "c")
	places, err := s.Channels(b.Context(), app(w), "user/ann", "")
	if err != nil {
		b.Fatal(err)
	}
	const n = 100_000
	fill(b, w, places[0], n)
	counter := unread.NewCounter(w.Channels, w.Messages)
	b.ReportAllocs()
	for b.Loop() {
		var now unread.Reading
		err := w.Store.View(b.Context(), w.AppID(), func(r store.Reader) (err error) {
			now, err = counter.Read(r, app(w), "user/ann", places[0])
			return err
		})
		if err != nil || now.Count != n {
			b.Fatal(now.Count, err)
		}
	}
}

// fill writes messages of somebody else into a channel's history.
func fill(b *testing.B, w *servicetest.World, at chime.ChannelEntry, n int) {
	for from := 0; from < n; from += 1000 {
		err := w.Store.Update(b.Context(), w.AppID(), func(tx store.Tx) error {
			for i := from; i < from+1000; i++ {
				m := chime.Message{
					Sender: "user/person-1", Type: messaging.ChannelMessageTypeStandard, Status: messaging.ChannelMessageStatusSent,
					Persistence: messaging.ChannelMessagePersistenceTypePersistent, Created: chime.At(w.Now), Updated: chime.At(w.Now),
					Content: fmt.Sprintf("message %0100d", i), Metadata: "{}",
				}
				var err error
				if m.ID, err = chime.NewMessageID(w.Random, m.Created, uint64(i)); err != nil {
					return err
				}
				if err := store.Messages.Put(tx, store.K(app(w), at.UID, m.ID), m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
