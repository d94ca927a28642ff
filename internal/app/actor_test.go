package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// journal notes what actors do.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

// worker runs until its context ends.
func (j *journal) worker(name string) actor {
	return actor{
		name: name, patience: time.Second,
		run: func(ctx context.Context) error {
			<-ctx.Done()
			j.note(name + " ended")
			return nil
		},
		stop: func(context.Context) error { j.note("stop " + name); return nil },
	}
}

var quiet = slog.New(slog.DiscardHandler)

func TestActorsStopInReverseOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- run(ctx, []actor{j.worker("a"), j.worker("b"), j.worker("c")}, quiet) }()
		synctest.Wait()
		if len(j.lines) > 0 {
			t.Errorf("before the end: %v", j.lines)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("a clean stop is an error: %v", err)
		}
		want := []string{"stop c", "c ended", "stop b", "b ended", "stop a", "a ended"}
		if !slices.Equal(j.lines, want) {
			t.Errorf("%v, want %v", j.lines, want)
		}
	})
}

func TestFirstToFailStopsTheRest(t *testing.T) {
	for name, failure := range map[string]error{"failing": errors.New("the disk is full"), "ending": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				weak := actor{name: "weak", patience: time.Second, run: func(context.Context) error { return failure }}
				err := run(t.Context(), []actor{j.worker("a"), weak, j.worker("c")}, quiet)
				want := "weak: exited unexpectedly"
				if failure != nil {
					want = "weak: the disk is full"
				}
				if err == nil || err.Error() != want {
					t.Errorf("%v, want %s", err, want)
				}
				if order := []string{"stop c", "c ended", "stop a", "a ended"}; !slices.Equal(j.lines, order) {
					t.Errorf("%v", j.lines)
				}
			})
		})
	}
}

func TestActorThatDoesNotStopHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		release := make(chan struct{})
		stuck := actor{name: "stuck", patience: time.Minute, run: func(context.Context) error { <-release; return nil }}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := run(ctx, []actor{j.worker("a"), stuck}, quiet)
		if err == nil || !strings.Contains(err.Error(), "stuck: did not stop within 1m") {
			t.Errorf("%v", err)
		}
		if !slices.Contains(j.lines, "a ended") {
			t.Errorf("the others were not stopped: %v", j.lines)
		}
		close(release)
	})
}
