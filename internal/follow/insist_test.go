package follow_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/follow"
)

// TestInsist: what fails is done again, after waits that double, until it succeeds or is to end.
func TestInsist(t *testing.T) {
	for name, test := range map[string]struct {
		fails int           // before it succeeds
		ends  time.Duration // of the context
		done  bool
		waits int
	}{
		"at once":   {0, time.Hour, true, 0},
		"later":     {3, time.Hour, true, 3},
		"never":     {1000, 10 * time.Second, false, 4}, // after 0, 1, 3 and 7 s
		"too late":  {0, 0, false, 0},
		"just ends": {1, time.Second / 2, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), test.ends)
				defer cancel()
				calls, waits := 0, 0
				b := follow.Backoff{First: time.Second, Most: time.Minute, Random: strings.NewReader("")} // no jitter
				done := b.Insist(ctx, func() error {
					if calls++; calls > test.fails {
						return nil
					}
					return errors.New("not yet")
				}, func(_ error, failures int, wait time.Duration) {
					if waits++; failures != waits || wait != time.Second<<(failures-1) {
						t.Errorf("failure %d comes as %d, with a wait of %v", waits, failures, wait)
					}
				})
				if done != test.done || waits != test.waits {
					t.Errorf("done %v after %d waits, want %v after %d", done, waits, test.done, test.waits)
				}
			})
		})
	}
}

// TestSlots: so many works of a kind run at once, and those of another kind do not wait for them.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := follow.NewSlots[string](2)
		take := func(kind string) (free func()) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			free, _ = slots.Take(ctx, kind)
			return free
		}
		first, second := take("a"), take("a")
		if first == nil || second == nil || take("a") != nil || take("b") == nil {
			t.Fatal("two of a and one of b should have a slot, and the third of a none")
		}
		if first(); take("a") == nil {
			t.Error("a slot that was given back is not given out")
		}
	})
}
