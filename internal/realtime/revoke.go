package realtime

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Authority decides again about sessions that were let in.
type Authority interface {
	// Revision grows with every change of the account.
	Revision() uint64
	// Confirm decides by the account as it is now whether the standing may still connect as the
	// user. Steady reports that the answer changes with the account alone. Its error is a *CloseError
	// that ends the session, or a failure after which the question is asked again.
	Confirm(ctx context.Context, standing any, app string, user chime.Ref) (steady bool, err error)
}

const (
	// confirmBatch is how many sessions are looked up at once under the roster's mu.
	confirmBatch = 256
	// maxRest bounds the rest after a pass over all sessions. It is as long as the pass took, so
	// that an account that changes all the time costs half a processor at most.
	maxRest = 200 * time.Millisecond
	// confirmRetry lies between a pass in which the store failed and the next.
	confirmRetry = 500 * time.Millisecond
	// unsteadyPause lies between two passes when decisions depend on more than the account, such as
	// the time or the tags of the user.
	unsteadyPause = time.Minute
)

// AccountChanged notifies the hub that what sessions may do could have changed. It returns at once; Run
// does the work.
func (h *Hub) AccountChanged() {
	select {
	case h.changed <- struct{}{}:
	default: // a pass that has not begun will see this change too
	}
}

// Run confirms every session after each AccountChanged and closes those with 4401 that may not
// connect any more, until ctx ends. Changes that come during a pass share the next one.
func (h *Hub) Run(ctx context.Context) error {
	unsteady := time.NewTicker(unsteadyPause)
	defer unsteady.Stop()
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.changed:
		case <-retry:
		case <-unsteady.C:
			if !h.env.unsteady.Load() {
				continue
			}
		}
		begun := time.Now()
		retry = nil
		if !h.confirmAll(ctx) {
			retry = time.After(confirmRetry)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(min(time.Since(begun), maxRest)):
		}
	}
}

// confirmAll makes a pass over all sessions and reports whether each got its answer. A session that
// attaches meanwhile is either in the pass, or was let in by the account that the pass began with,
// or is confirmed by Attach.
func (h *Hub) confirmAll(ctx context.Context) bool {
	h.beginPass()
	unsure, failure := 0, error(nil)
	for _, r := range h.all(nil) {
		n, err := r.confirmAll(ctx)
		unsure += n
		failure = cmp.Or(failure, err)
	}
	if failure != nil && ctx.Err() == nil {
		h.env.Log.Error("cannot recheck sessions after a change of the account, will retry", "sessions", unsure, "error", failure)
	}
	return failure == nil
}

// beginPass notes the revision by which the pass decides, before it looks at the sessions.
func (h *Hub) beginPass() {
	if h.env.Authority != nil {
		h.env.revision.Store(h.env.Authority.Revision())
	}
	h.env.unsteady.Store(false)
}

// confirmAll makes the pass over the sessions of one app instance. It returns how many got no answer,
// and an error of one of them.
func (r *roster) confirmAll(ctx context.Context) (unsure int, failure error) {
	var batch [confirmBatch]*Session
	left, _ := r.size()
	for left > 0 && ctx.Err() == nil {
		var n int
		left, n = r.batch(left, batch[:])
		for _, s := range batch[:n] {
			err := s.confirm(ctx)
			if refused, ok := errors.AsType[*CloseError](err); ok {
				s.endAs("no longer allowed", refused.Code, refused.Reason)
			} else if err != nil {
				unsure, failure = unsure+1, err
			}
		}
	}
	return unsure, failure
}

// batch copies the sessions before index end, at most a batch of them, and returns where they begin. A
// pass goes from the end to the beginning: a session that takes the index of one that leaves comes
// from behind, so that none is missed.
func (r *roster) batch(end int, to []*Session) (begin, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	end = min(end, len(r.sessions))
	begin = max(end-len(to), 0)
	return begin, copy(to, r.sessions[begin:end])
}

// confirm asks whether the session may stay.
func (s *Session) confirm(ctx context.Context) error {
	if s.standing == nil || s.queue.IsClosed() {
		return nil
	}
	env := s.env()
	steady, err := env.Authority.Confirm(ctx, s.standing, s.user.roster.app, s.user.ref)
	if err == nil && !steady {
		env.unsteady.Store(true)
	}
	return err
}
