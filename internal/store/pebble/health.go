package pebble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/carillon-chat/carillon/internal/store"
)

// health decides whether changes are accepted, and why not.
type health struct {
	log       *slog.Logger
	brokenLog chan struct{} // closed when the write-ahead log failed: nothing more becomes durable
	closing   chan struct{}

	mu         sync.Mutex
	closed     bool
	cause      error // of brokenLog
	failed     error // permanently
	background error // of the latest flush or compaction, until one succeeds
	noticed    time.Time
	full       error
	stalled    bool
	now        atomic.Pointer[condition]
}

// condition is what an Update finds.
type condition struct {
	err     error         // refused
	stalled bool          // to wait until changed
	changed chan struct{} // closed with the next condition
}

const (
	retryPause = time.Second     // between attempts of a flush or compaction that fails
	forgetting = 10 * retryPause // a background error that does not come back is over
)

func newHealth(log *slog.Logger) *health {
	h := &health{log: log, brokenLog: make(chan struct{}), closing: make(chan struct{})}
	h.now.Store(&condition{changed: make(chan struct{})})
	return h
}

// refusal is why an Update must not begin now.
func (h *health) refusal() error { return h.now.Load().err }

// admit lets an Update begin, after waiting while the engine catches up.
func (h *health) admit(ctx context.Context) error {
	for {
		c := h.now.Load()
		if c.err != nil || !c.stalled {
			return c.err
		}
		select {
		case <-c.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// set changes what is known and derives the condition from it.
func (h *health) set(change func()) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
	old := h.now.Load()
	c := &condition{err: h.judge(), stalled: h.stalled, changed: make(chan struct{})}
	h.now.Store(c)
	close(old.changed)
	switch {
	case h.closed:
	case c.err != nil && (old.err == nil || old.err.Error() != c.err.Error()):
		h.log.Error("store is read-only", "err", c.err)
	case c.err == nil && old.err != nil:
		h.log.Info("store is writable again")
	}
	if c.stalled != old.stalled {
		h.log.Warn("store: write stall, waiting for flushes and compactions", "delay", c.stalled)
	}
	return c.err
}

func (h *health) judge() error {
	switch {
	case h.closed:
		return store.ErrUnavailable
	case vfs.IsNoSpaceError(h.failed):
		return fmt.Errorf("%w: %w: %w", store.ErrUnavailable, store.ErrFull, h.failed)
	case h.failed != nil:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, h.failed)
	case h.full != nil:
		return h.full
	case vfs.IsNoSpaceError(h.background):
		return fmt.Errorf("%w: %w", store.ErrFull, h.background)
	case h.background != nil:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, h.background)
	}
	return nil
}

// fail refuses changes permanently and returns the refusal.
func (h *health) fail(cause error) error {
	return h.set(func() {
		if h.failed == nil {
			h.failed = cause
		}
	})
}

// breakLog is fail, and also ends that anything becomes durable.
func (h *health) breakLog(cause error) {
	_ = h.set(func() {
		if h.failed == nil {
			h.failed = cause
		}
		if h.cause == nil {
			h.cause = cause
			close(h.brokenLog)
		}
	})
}

// broken is why nothing more becomes durable.
func (h *health) broken() error {
	select {
	case <-h.brokenLog:
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.cause
	default:
		return nil
	}
}

// unavailable is the answer to a change that may or may not have reached the disk, and to a read
// that saw one.
func (h *health) unavailable(err error) error {
	if cause := h.broken(); cause != nil {
		err = cause
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// backgroundFailed notes that a flush or compaction failed. It will be tried again.
func (h *health) backgroundFailed(err error) {
	if err = damage(err); errors.Is(err, store.ErrCorrupt) {
		_ = h.fail(err)
		return
	}
	_ = h.set(func() { h.background, h.noticed = err, time.Now() })
}

func (h *health) backgroundWorked() {
	if h.refusal() != nil {
		_ = h.set(func() { h.background = nil })
	}
}

// forget ends a background error that was not seen for a while.
func (h *health) forget() {
	if h.refusal() == nil {
		return
	}
	_ = h.set(func() {
		if time.Since(h.noticed) > forgetting {
			h.background = nil
		}
	})
}

// pace holds a flush or compaction that is about to write: one that failed just now for a while,
// any of a store that failed permanently until it is closed. The engine itself would try again at
// once, without end.
func (h *health) pace() error {
	h.mu.Lock()
	failed, background := h.failed, h.background
	h.mu.Unlock()
	if failed == nil && background == nil {
		return nil
	}
	var again <-chan time.Time
	if failed == nil {
		timer := time.NewTimer(retryPause)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-again:
		return nil
	case <-h.closing:
		return store.ErrUnavailable
	}
}

func (h *health) close() {
	_ = h.set(func() {
		if !h.closed {
			h.closed = true
			close(h.closing)
		}
	})
}

// logger takes what the engine reports. Fatalf comes back, unlike the engine expects: the
// process goes on with a store that refuses changes.
type logger struct{ *health }

func (l logger) Infof(format string, args ...any)  { l.print(slog.LevelDebug, format, args) }
func (l logger) Errorf(format string, args ...any) { l.print(slog.LevelWarn, format, args) }

func (l logger) Fatalf(format string, args ...any) {
	err := &fatalError{text: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if cause, ok := arg.(error); ok {
			err.cause = cause
		}
	}
	if strings.HasPrefix(format, "pebble: fatal commit error") {
		l.breakLog(err) // the commit may never be answered
	}
	_ = l.fail(err)
}

// fatalError is what the engine reported. The engine formats causes by %v, so fmt.Errorf would lose
// whether the disk is full.
type fatalError struct {
	text  string
	cause error
}

func (e *fatalError) Error() string { return e.text }
func (e *fatalError) Unwrap() error { return e.cause }

func (l logger) print(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "pebble: "+fmt.Sprintf(format, args...))
	}
}
