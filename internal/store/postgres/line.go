package postgres

import (
	"context"
	"slices"
	"sync"

	"github.com/carillon-chat/carillon/internal/store"
)

// request is an Update that waits for its turn and then for its commit.
type request struct {
	ctx  context.Context
	f    func(store.Tx) error
	turn chan bool // true: lead the next batch; false: done

	scans bool // the function reads ranges

	err      error
	panicked any
}

// maxMembers bounds how long a batch holds the lock.
const maxMembers = 256

// line is where the Updates of one log wait.
type line struct {
	app string

	mu      sync.Mutex
	waiting []*request
	led     bool // a leader runs a batch
	users   int  // Updates; of lines
}

// enter reports whether the caller has to lead a batch.
func (l *line) enter(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.led {
		l.led = true
		return true
	}
	l.waiting = append(l.waiting, r)
	return false
}

// leave takes a request away whose caller has gone, unless it is in a batch or leads one.
func (l *line) leave(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, r)
	if i < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	return true
}

// take returns up to most of those that wait, in their order.
func (l *line) take(most int) []*request {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(max(most, 0), len(l.waiting))
	taken := slices.Clone(l.waiting[:n])
	l.waiting = slices.Delete(l.waiting, 0, n)
	return taken
}

// handOver has the first that waits lead the next batch.
func (l *line) handOver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.led = len(l.waiting) > 0; l.led {
		l.waiting[0].turn <- true
		l.waiting = slices.Delete(l.waiting, 0, 1)
	}
}

// lines are the logs that have Updates.
type lines struct {
	mu    sync.Mutex
	byApp map[string]*line
}

func (l *lines) hold(app string) *line {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.byApp[app]
	if one == nil {
		one = &line{app: app}
		l.byApp[app] = one
	}
	one.users++
	return one
}

func (l *lines) release(one *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one.users--; one.users == 0 {
		delete(l.byApp, one.app)
	}
}

// Update implements store.Store. Once f has returned, the end of ctx is ignored. f may run in the goroutine of another
// Update.
func (s *Store) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if err := s.admit(); err != nil {
		return err
	}

	l := s.lines.hold(app)
	defer s.lines.release(l)
	r := &request{ctx: ctx, f: f, turn: make(chan bool, 1)}
	lead := l.enter(r)
	if !lead {
		select {
		case lead = <-r.turn:
		case <-ctx.Done():
			if l.leave(r) {
				return ctx.Err()
			}
			lead = <-r.turn
		}
	}
	if lead {
		s.lead(l, r)
	}
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.err
}

// lead runs batches until the one with the caller's Update is done.
func (s *Store) lead(l *line, own *request) {
	b := &batch{store: s, line: l, app: l.app, members: []*request{own}, number: s.number.Add(1)}
	failed := b.commit()
	if failed != nil {
		b.members = append(b.members, l.take(maxMembers)...) // it would be the same for them
	} else {
		b.publish()
	}
	l.handOver()

	// The members. The first is the leader's own.
	for i, r := range b.members {
		if failed != nil && r.panicked == nil {
			r.err = failed
		}
		if i > 0 {
			r.turn <- false
		}
	}
}
