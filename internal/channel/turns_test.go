package channel_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// TestTurns: while a batch has its turn another batch waits, and a call that writes one member does not.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		defer st.Close()
		begun, held, release := 0, false, make(chan struct{})
		w := servicetest.Over(t, faulty.New(st, func(c faulty.Call) error {
			if c.Op != faulty.Update || !held {
				return nil
			}
			if begun++; begun == 1 {
				<-release
			}
			return nil
		}), "ann", "u0", "u1", "u2")
		w.AddChannel("ann", "c", servicetest.Elastic(2, 40, 40))

		held = true
		ends := make(chan error, 2)
		for _, user := range []string{"u0", "u1"} {
			go func() {
				_, _, err := batchOf(w, w.User(user))
				ends <- err
			}()
			synctest.Wait()
		}
		if begun != 1 {
			t.Errorf("%d batches have a turn", begun)
		}
		w.AddMember("ann", "c", "u2", dflt)
		if len(ends) > 0 {
			t.Error("a batch has ended")
		}

		close(release)
		for range cap(ends) {
			if err := <-ends; err != nil {
				t.Error(err)
			}
		}
		expect(t, "members", w.SubChannels("ann", "c"), []string{"s1:3"})
	})
}

// slow is a store whose Updates take a millisecond each, and are counted.
type slow struct {
	store.Store
	updates atomic.Uint64
}

func (s *slow) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	s.updates.Add(1)
	time.Sleep(time.Millisecond)
	return s.Store.Update(ctx, app, f)
}

func (s *slow) Updates() uint64 { return s.updates.Load() }

// TestTurnsRestForOthers: while other transactions run, a batch leaves half of the time to them. While hardly any
// does it takes fewer transactions, and none rests.
func TestTurnsRestForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &slow{Store: memstore.New()}
		defer st.Close()
		users := make([]string, 20)
		for i := range users {
			users[i] = fmt.Sprint("u", i)
		}
		w := servicetest.Over(t, st, append(users, "ann")...)
		w.Channels = channel.New(channel.Options{Store: st, Site: w.Site, Now: w.Clock, Random: w.Random, Jobs: w.Jobs, Piece: 2})
		w.AddChannel("ann", "c", servicetest.Elastic(2, 40, 40))
		batches := func() (last time.Duration) {
			t.Helper()
			for began := time.Now(); time.Since(began) < time.Second; {
				start := time.Now()
				if _, _, err := batchOf(w, w.Users(users...)...); err != nil {
					t.Fatal(err)
				}
				last = time.Since(start)
				time.Sleep(10 * time.Millisecond) // for the last rest
			}
			return last
		}

		if took := batches(); took != 3*time.Millisecond {
			t.Errorf("alone a batch took %v, want three transactions of a millisecond", took)
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			for ctx.Err() == nil {
				_ = st.Update(ctx, w.AppID(), func(store.Tx) error { return nil })
				time.Sleep(2 * time.Millisecond)
			}
		}()
		if took := batches(); took < 19*time.Millisecond {
			t.Errorf("beside others a batch took %v, want ten transactions of a millisecond and the rests between them", took)
		}
		stop()
		if took := batches(); took != 3*time.Millisecond {
			t.Errorf("alone again a batch took %v", took)
		}
	})
}
