package cluster_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/cluster"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
)

// reader is a node that remembers what callers may do, and forgets it.
type reader struct {
	*cluster.Account
	away    atomic.Bool
	changes atomic.Int64
}

func (b *bed) reader() *reader {
	b.Helper()
	r := new(reader)
	st := faulty.New(b.store, func(faulty.Call) error {
		if r.away.Load() {
			return store.ErrUnavailable
		}
		return nil
	})
	var err error
	r.Account, err = cluster.FollowAccount(b.Context(), st, slog.New(slog.NewTextHandler(&b.log, nil)), func() { r.changes.Add(1) })
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	return r
}

// change appends an event to the account's log.
func (b *bed) change(kind string, n int) {
	b.Helper()
	err := b.store.Update(b.Context(), "", func(tx store.Tx) error {
		for range n {
			if _, err := tx.Append(chime.Event{Type: kind}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func (r *reader) expect(t *testing.T, changes int64, confirmed bool) {
	t.Helper()
	synctest.Wait()
	if got := r.changes.Swap(0); got != changes || r.Confirmed() != confirmed {
		t.Errorf("%d changes, confirmed %v; want %d, %v", got, r.Confirmed(), changes, confirmed)
	}
}

func TestAChangeOfTheAccountIsKnownWithinASecond(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.change(chime.EventUpdateAccount, 3) // before it begins
		r := b.reader()
		time.Sleep(time.Minute)
		r.expect(t, 0, true)
		b.change(chime.EventUpdateAccount, 2)
		time.Sleep(time.Second)
		r.expect(t, 1, true)

		// What says nothing of what callers may do makes no node forget it, unless it is too much to look at.
		b.change(chime.EventUpdateAppInstances, 10)
		b.change(chime.EventPutPoolIdentity, 10)
		time.Sleep(time.Minute)
		r.expect(t, 0, true)
		b.change(chime.EventPutPoolIdentity, 1000)
		time.Sleep(time.Second)
		r.expect(t, 1, true)
	})
}

// A node that cannot read the account's log decides by nothing that it remembers, whatever happened meanwhile.
func TestWhatIsNotConfirmedIsStale(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		r := b.reader()
		time.Sleep(time.Minute)
		r.away.Store(true)
		time.Sleep(cluster.Staleness - time.Second)
		r.expect(t, 0, true)
		time.Sleep(2 * time.Second)
		r.expect(t, 1, false)
		time.Sleep(time.Minute)
		r.expect(t, 0, false)
		r.away.Store(false)
		time.Sleep(time.Second)
		r.expect(t, 1, true) // what was remembered meanwhile is forgotten too
		time.Sleep(time.Minute)
		r.expect(t, 0, true)
	})
}
