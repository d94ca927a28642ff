package pebble

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lab/cputime"
	"github.com/carillon-chat/carillon/internal/store"
)

const benchChannels = 100

// send writes what sending a message writes: four records, of them one of 600 bytes, and an event
// that leads to it.
func send(s *Store, n uint64, content []byte) error {
	channel := fmt.Sprintf("%032d", n%benchChannels)
	id := fmt.Sprintf("%064d", n)
	return s.Update(context.Background(), "app", func(tx store.Tx) error {
		activity, _, err := store.Activities.Get(tx, store.K("app", channel))
		if err != nil {
			return err
		}
		activity.Position++
		if err := store.Activities.Put(tx, store.K("app", channel), activity); err != nil {
			return err
		}
		m := chime.Message{ID: id, Sender: "user/alice", Type: "STANDARD", Persistence: "PERSISTENT", Content: string(content), Created: 1, Updated: 1}
		if err := store.Messages.Put(tx, store.K("app", channel, id), m); err != nil {
			return err
		}
		if err := store.Replies.Put(tx, store.K("bucket", id), chime.Reply{Request: content[:32], Value: id, Expires: 1}); err != nil {
			return err
		}
		member := chime.Membership{Ref: "user/alice", Type: "DEFAULT", Created: 1, Updated: 1}
		if err := store.Memberships.Put(tx, store.K("app", channel, "user/alice"), member); err != nil {
			return err
		}
		_, err = tx.Append(chime.Event{Time: 1, Type: chime.EventCreateMessage, Topic: chime.Topic{App: "app", Channel: channel}, MessageType: "STANDARD", Object: id, ChannelID: "general", Subject: "user/alice", Payload: content})
		return err
	})
}

// BenchmarkSend measures durable sends with so many callers at once.
func BenchmarkSend(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			s, err := Open(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			content := bytes.Repeat([]byte("carillon"), 75)
			var n atomic.Uint64
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			before := cputime.Process(b)
			for range callers {
				wg.Go(func() {
					for i := n.Add(1); i <= uint64(b.N); i = n.Add(1) {
						if err := send(s, i, content); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64((cputime.Process(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/send")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
			b.ReportMetric(float64(b.N)/float64(s.Stats().LogSyncs), "sends/sync")
			b.ReportMetric(float64(s.Stats().BatchBytes)/float64(b.N), "logged-B/send")
		})
	}
}

// BenchmarkRead measures reads of a store with 200,000 messages in 100 channels.
func BenchmarkRead(b *testing.B) {
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const messages = 200_000
	content := bytes.Repeat([]byte("carillon"), 75)
	var n atomic.Uint64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := n.Add(1); i <= messages; i = n.Add(1) {
				if err := send(s, i, content); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	channel := func(i int) string { return fmt.Sprintf("%032d", i%benchChannels) }
	read := func(name string, f func(r store.Reader, i int) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				if err := s.View(context.Background(), "", func(r store.Reader) error { return f(r, i) }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	read("nothing", func(store.Reader, int) error { return nil })
	read("get", func(r store.Reader, i int) error {
		_, found, err := store.Activities.Get(r, store.K("app", channel(i)))
		if !found {
			b.Fatal("not found")
		}
		return err
	})
	for _, limit := range []int{20, 50} {
		read(fmt.Sprint("last ", limit), func(r store.Reader, i int) error {
			rng := store.Prefix(store.K("app", channel(i)))
			rng.Reverse = true
			list, _, err := store.List(r, store.Messages, rng, store.Page{Scope: "s", Limit: limit}, func(m chime.Message) (chime.Message, bool, error) { return m, true, nil })
			if len(list) != limit {
				b.Fatal(len(list))
			}
			return err
		})
	}
}
