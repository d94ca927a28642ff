package postgres

import (
	"errors"
	"runtime/debug"
)

// errLater ends a function that needs what was not read yet. It runs again when that was.
var errLater = errors.New("what is needed is read together with what others need")

// errExited is the answer of an Update whose function ended the goroutine that ran it.
var errExited = errors.New("the function of a transaction did not return")

// maxRounds bounds how often the function of a member is left; more are not needed by reads that follow one another.
const maxRounds = 16

// run runs the functions of the members, one after another. Of several members those that need what was not read are left at
// first; when all have said what they need, it is read in one trip, and those that are not done run again. So a batch takes
// about as many trips as one of its functions alone.
func (b *batch) run() {
	for done, rounds := 0, 0; done < len(b.members) && b.fault == nil; {
		next := b.members[done]
		if done == len(b.members)-1 || next.scans || rounds >= maxRounds || b.seenSize >= seenBytes {
			b.keep(b.runOne(next, false))
			done++
			continue
		}

		// Those behind one that is left run for what they need alone.
		rounds++
		b.wanted = b.wanted[:0]
		left := false
		for _, r := range b.members[done:] {
			t := b.runOne(r, true)
			if left = left || t.left; !left {
				b.keep(t)
				done++
			}
		}
		if len(b.wanted) > 0 && b.fault == nil {
			_ = b.read(b.wanted) // fault has the error
		}
	}
}

// runOne runs the function of a member in a goroutine, which the function may end.
func (b *batch) runOne(r *request, gather bool) *tx {
	t := &tx{batch: b, of: r, gather: gather, over: b.over.copy(), began: b.position()}
	r.panicked = nil
	if r.err = r.ctx.Err(); r.err != nil {
		return t
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		r.err = errExited
		defer func() {
			if r.panicked = recover(); r.panicked != nil {
				t.stack = debug.Stack()
			}
		}()
		r.err = r.f(t)
	}()
	<-exited
	return t
}

// keep makes what a transaction wrote a part of the batch, when its function succeeded.
func (b *batch) keep(t *tx) {
	if t.of.panicked != nil {
		b.store.log.Error("a transaction panicked", "panic", t.of.panicked, "stack", string(t.stack))
	}
	if t.of.err != nil || !t.wrote {
		return
	}
	b.over = t.over
	if t.moved {
		b.restored = append(b.restored, t.restored...)
		b.end.position, b.moved = t.began, true
	}
	b.events = append(b.events, t.events...)
	b.trimmed = max(b.trimmed, t.trimmed)
	b.wrote++
	for _, e := range t.rewritten {
		if e.Position > b.end.position { // of this batch, and not published yet
			b.events[e.Position-b.end.position-1] = *e
		} else {
			b.rewritten = append(b.rewritten, e)
		}
	}
}
