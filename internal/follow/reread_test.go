package follow_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
)

// TestRereadForgetsWhatWasRead rewrites events that a follower has read and not handled. The call that is under
// way has the former ones, and Reread waits for it; those after it have the new ones, the first attempt of a part
// as well as a retry.
func TestRereadForgetsWhatWasRead(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		b.addApp("A")
		last := b.say("A", "c:1", "c:2", "c:3")

		var mu sync.Mutex
		var got []string
		begun, goOn := make(chan struct{}), make(chan struct{})
		first := sync.OnceFunc(func() { close(begun); <-goOn })
		r, stop := b.node("n", b.store, follow.Follower{
			Name: "f", Start: follow.Beginning, BatchEvents: 1, Wants: func(e *chime.Event) bool { return e.Channel == "c" },
			Handle: func(_ context.Context, _ string, events []*chime.Event) error {
				first()
				mu.Lock()
				defer mu.Unlock()
				got = append(got, string(events[0].Payload))
				return nil
			},
		})
		defer stop()

		<-begun
		b.must(b.store.Update(t.Context(), "A", func(tx store.Tx) error {
			return tx.RewriteEvents(0, last, func(e *chime.Event) (bool, error) {
				e.Payload = append([]byte("new "), e.Payload...)
				return true, nil
			})
		}))
		reread := make(chan error, 1)
		go func() { reread <- r.Reread(t.Context(), "A") }()
		synctest.Wait()
		if len(reread) > 0 {
			t.Error("it did not wait for the call that was under way")
		}
		close(goOn)
		b.must(<-reread)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"c:1", "new c:2", "new c:3"}; !slices.Equal(got, want) {
			t.Errorf("handled %q, want %q", got, want)
		}
	})
}
