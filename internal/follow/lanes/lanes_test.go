package lanes_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/follow/lanes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bed is a store of works, "lane number" each, and a queue of three that does them one at a time, when it is let.
type bed struct {
	*lanes.Queue[string, string]
	mu      sync.Mutex
	stored  []string
	reads   int
	reading func(string) // is called for each work that is read
	fails   error
	did     []string
	let     chan struct{}
	running sync.WaitGroup
}

func newBed() *bed {
	b := &bed{let: make(chan struct{}, 100), reading: func(string) {}}
	b.Queue = lanes.New(lanes.Options[string, string]{
		Most: 3, Key: func(w string) string { return w },
		Lane:   func(w string) string { return w[:1] },
		Stored: func(w string) bool { return !strings.HasSuffix(w, "live") },
	})
	return b
}

// store stores works and adds them.
func (b *bed) store(works ...string) {
	b.mu.Lock()
	b.stored = append(b.stored, works...)
	b.mu.Unlock()
	b.Add(works...)
}

func (b *bed) run(ctx context.Context) {
	b.running.Go(func() { b.Run(ctx, b.read, b.work) })
}

func (b *bed) read(_ context.Context, offer func(string) bool) error {
	b.mu.Lock()
	b.reads++
	works, fails := append([]string(nil), b.stored...), b.fails
	b.mu.Unlock()
	if fails != nil {
		return fails
	}
	for _, w := range works {
		if !offer(w) {
			return nil
		}
		b.reading(w)
	}
	return nil
}

func (b *bed) work(ctx context.Context, lane string) {
	for {
		w, found := b.Next(lane)
		if !found {
			return
		}
		select {
		case <-b.let:
		case <-ctx.Done():
			return
		}
		b.mu.Lock()
		b.did = append(b.did, w)
		kept := b.stored[:0]
		for _, s := range b.stored {
			if s != w {
				kept = append(kept, s)
			}
		}
		b.stored = kept
		b.mu.Unlock()
		b.Done(w)
	}
}

// after lets so many works be done, and returns those that were.
func (b *bed) after(n int) string {
	for range n {
		b.let <- struct{}{}
	}
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.did, ", ")
}

func within(t *testing.T, test func(t *testing.T, b *bed, ctx context.Context)) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed()
		ctx, cancel := context.WithCancel(t.Context())
		defer b.running.Wait()
		defer cancel()
		test(t, b, ctx)
	})
}

func expect(t *testing.T, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestWhatWasStoredBeforeComesFirst, whether later work is added before the store is read or meanwhile.
func TestWhatWasStoredBeforeComesFirst(t *testing.T) {
	within(t, func(t *testing.T, b *bed, ctx context.Context) {
		b.stored = []string{"a1", "a2"}
		b.store("a3")
		b.reading = func(w string) {
			if w == "a2" {
				b.store("a4", "a5")
			}
		}
		b.run(ctx)
		expect(t, b.after(5), "a1, a2, a3, a4, a5")
	})
}

// TestMoreThanThereIsRoomFor waits in the store, and no work is done twice or out of order.
func TestMoreThanThereIsRoomFor(t *testing.T) {
	within(t, func(t *testing.T, b *bed, ctx context.Context) {
		b.run(ctx)
		synctest.Wait()
		var want []string
		for i := range 20 {
			w := fmt.Sprintf("a%02d", i)
			want = append(want, w)
			b.store(w)
			if i%5 == 4 {
				b.after(1)
			}
		}
		b.Add("a live") // it is nowhere else
		synctest.Wait()
		if n := b.Len(); n > 4 {
			t.Errorf("%d works are in memory", n)
		}
		got := strings.Replace(b.after(17), "a live, ", "", 1)
		expect(t, got, strings.Join(want, ", "))
		expect(t, b.Len(), 0)
	})
}

func TestLanesDoNotWaitForEachOther(t *testing.T) {
	within(t, func(t *testing.T, b *bed, ctx context.Context) {
		b.run(ctx)
		b.store("a1", "a2", "b1")
		synctest.Wait()
		b.store("a1") // it is known
		if got := b.after(2); got != "a1, b1" && got != "b1, a1" {
			t.Errorf("%s are done at once", got)
		}
		b.after(2)
		expect(t, len(b.did), 3)
	})
}

// TestReadAgain: what is offered only from some time on is in front of what was added meanwhile.
func TestReadAgain(t *testing.T) {
	within(t, func(t *testing.T, b *bed, ctx context.Context) {
		b.stored = []string{"b1"}
		b.reading = func(w string) {
			b.mu.Lock()
			first := len(b.stored) == 1
			if first {
				b.stored = []string{"a1", w} // a1 was not for this node before
			}
			b.mu.Unlock()
			if first {
				b.ReadAgain()
				b.store("a2")
			}
		}
		b.run(ctx)
		if got := b.after(3); strings.Index(got, "a1") > strings.Index(got, "a2") || !strings.Contains(got, "b1") {
			t.Errorf("%s are done", got)
		}
		expect(t, b.reads, 2)
	})
}

// TestAStoreThatFails is read again.
func TestAStoreThatFails(t *testing.T) {
	within(t, func(t *testing.T, b *bed, ctx context.Context) {
		b.stored, b.fails = []string{"a1"}, errors.New("away")
		b.run(ctx)
		b.store("a2")
		expect(t, b.after(0), "")
		b.mu.Lock()
		b.fails = nil
		b.mu.Unlock()
		time.Sleep(5 * time.Second)
		expect(t, b.after(2), "a1, a2")
		expect(t, b.reads, 2)
	})
}
