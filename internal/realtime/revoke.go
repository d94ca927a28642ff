package realtime

import (
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
	// user. Steady tells that the answer changes with the account alone. Its error is a *CloseError
	// that ends the session, or a failure after which the question is asked again.
	Confirm(ctx context.Context, standing any, app string, user chime.Ref) (steady bool, err error)
}

const (
	// confirmBatch is how many sessions are looked up at once under the hub's mu.
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

// AccountChanged tells the hub that what sessions may do could have changed. It returns at once; Run
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
			if !h.isUnsteady() {
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
	unsure, failure := 0, error(nil)
	var batch [confirmBatch]*Session
	for left := h.beginPass(); left > 0 && ctx.Err() == nil; {
		var n int
		left, n = h.batch(left, batch[:])
		for _, s := range batch[:n] {
			err := h.confirm(ctx, s)
			if refused, ok := errors.AsType[*CloseError](err); ok {
				h.endAs(s, "no longer allowed", refused.Code, refused.Reason)
			} else if err != nil {
				unsure, failure = unsure+1, err
			}
		}
	}
	if failure != nil && ctx.Err() == nil {
		h.opts.Log.Error("cannot confirm sessions after a change of the account; trying again", "sessions", unsure, "error", failure)
	}
	return failure == nil
}

// beginPass notes the revision and counts the sessions.
func (h *Hub) beginPass() int {
	var revision uint64
	if h.opts.Authority != nil {
		revision = h.opts.Authority.Revision()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.revision, h.unsteady = revision, false
	return len(h.online)
}

// batch copies the sessions before place end, at most a batch of them, and says where they begin. A
// pass goes from the end to the beginning: a session that takes the place of one that leaves comes
// from behind, so that none is missed.
func (h *Hub) batch(end int, to []*Session) (begin, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	end = min(end, len(h.online))
	begin = max(end-len(to), 0)
	return begin, copy(to, h.online[begin:end])
}

// confirm asks whether a session may stay.
func (h *Hub) confirm(ctx context.Context, s *Session) error {
	if s.standing == nil || s.ended() {
		return nil
	}
	steady, err := h.opts.Authority.Confirm(ctx, s.standing, s.member.app, s.member.user)
	if err == nil && !steady {
		h.mu.Lock()
		h.unsteady = true
		h.mu.Unlock()
	}
	return err
}

func (h *Hub) isUnsteady() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unsteady
}

// list and unlist keep all sessions together; the caller holds mu. The last one takes the place of one
// that leaves.
func (h *Hub) list(s *Session) {
	s.place = int32(len(h.online))
	h.online = append(h.online, s)
}

func (h *Hub) unlist(s *Session) {
	last := len(h.online) - 1
	moved := h.online[last]
	h.online[s.place], moved.place = moved, s.place
	h.online[last] = nil
	h.online = h.online[:last]
}
