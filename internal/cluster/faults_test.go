package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/cluster"
	"github.com/carillon-chat/carillon/internal/cluster/clustertest"
	"github.com/carillon-chat/carillon/internal/store"
)

// ledger is what works write in the store: each entry with the fencing number of its lease.
type ledger struct {
	mu      sync.Mutex
	working map[string]int // nodes at work that have not been told to end, by work
	most    int            // of them for one work at a time
	fences  map[string]uint64
	faults  []string
}

// write makes an entry as a work does that holds the lease, and notes when an earlier holder comes after a later one.
func (l *ledger) write(ctx context.Context, st store.Store, work string) error {
	var fence uint64
	err := st.Update(context.WithoutCancel(ctx), "", func(tx store.Tx) error {
		if err := cluster.Check(ctx, tx); err != nil {
			return err
		}
		lease, _, err := store.Leases.Get(tx, store.K(work))
		fence = lease.Fence
		return err
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if fence < l.fences[work] {
		l.faults = append(l.faults, fmt.Sprintf("%s was written under lease %d after %d", work, fence, l.fences[work]))
	}
	l.fences[work] = fence
	return nil
}

func (l *ledger) enter(work string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.working[work]++
	l.most = max(l.most, l.working[work])
}

func (l *ledger) leave(work string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.working[work]--
}

func (l *ledger) atWork(work string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.working[work]
}

// TestFaultsOfManyNodes has nodes killed, stopped, cut off and started again at random. No two are at work at
// a time, no late write passes the fence, and whenever all that are left are well, each work is done.
func TestFaultsOfManyNodes(t *testing.T) {
	for seed := range int64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBed(t, func(t *testing.T, b *bed) { faults(t, b, rand.New(rand.NewSource(seed))) })
		})
	}
}

func faults(t *testing.T, b *bed, random *rand.Rand) {
	works := []string{"cleaning", "expiry", "left"}
	l := &ledger{working: map[string]int{}, fences: map[string]uint64{}}
	nodes := map[string]*member{}
	start := func(id string) { nodes[id] = b.member(l, id, works) }
	for _, id := range []string{"a", "b", "c", "d"} {
		start(id)
	}

	for range 40 {
		id := string(rune('a' + random.Intn(4)))
		n := nodes[id]
		switch random.Intn(6) {
		case 0:
			n.kill()
			time.Sleep(time.Duration(random.Int63n(int64(2 * lease))))
			start(id)
		case 1:
			n.stop(t)
			start(id)
		case 2, 3:
			n.Away.Store(true)
			time.Sleep(time.Duration(random.Int63n(int64(2 * lease))))
			n.Away.Store(false)
		case 4: // the store is away for all
			for _, n := range nodes {
				n.Away.Store(true)
			}
			time.Sleep(time.Duration(random.Int63n(int64(3 * lease))))
			for _, n := range nodes {
				n.Away.Store(false)
			}
		case 5:
			time.Sleep(time.Duration(random.Int63n(int64(lease))))
		}
	}

	// When all are well again each work is done by one.
	time.Sleep(4 * lease)
	synctest.Wait()
	for _, work := range works {
		if n := l.atWork(work); n != 1 {
			t.Errorf("%d nodes are at %s", n, work)
		}
	}
	for _, n := range nodes {
		n.stop(t)
	}
	if l.most > 1 {
		t.Errorf("%d nodes were at one work at a time", l.most)
	}
	for _, fault := range l.faults {
		t.Error(fault)
	}
}

// member is a node that does the works whose leases it holds.
type member struct {
	*clustertest.Node
	end     context.CancelFunc
	working sync.WaitGroup
}

func (b *bed) member(l *ledger, id string, works []string) *member {
	m := &member{Node: clustertest.Start(b, b.store, id, cluster.Options{})}
	var ctx context.Context
	ctx, m.end = context.WithCancel(b.Context())
	for _, work := range works {
		m.working.Go(func() {
			_ = m.Lead(ctx, work, func(ctx context.Context) error {
				l.enter(work)
				defer l.leave(work)
				for ctx.Err() == nil {
					if err := l.write(ctx, m.Store, work); errors.Is(err, cluster.ErrFenced) {
						return err
					}
					select {
					case <-ctx.Done():
					case <-time.After(time.Second):
					}
				}
				_ = l.write(ctx, b.store, work) // a late one, by a way that is not cut
				return nil
			})
		})
	}
	return m
}

func (m *member) stop(t *testing.T) {
	m.end()
	m.working.Wait()
	if err := m.Stop(); err != nil {
		t.Error(err)
	}
}

// kill ends the node at once: nothing of it says so to others.
func (m *member) kill() {
	m.Away.Store(true)
	m.end()
	m.working.Wait()
	m.Kill()
}
