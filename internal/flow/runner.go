package flow

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/message"
)

// How processors are invoked.
const (
	// tryTimeout bounds one attempt, and attempts begin at these times after the first (spec 7.3).
	tryTimeout = 8 * time.Second

	// patience is how long the next invocation of a channel waits for the one before: a processor that is
	// slow does not hold up the channel.
	patience = time.Second

	atOnce     = 64          // attempts at one end
	sweepEvery = time.Minute // between two looks for callbacks that are too old, or invocations that were left
)

// LeftAfter is how long an invocation has waited that a node among several has left: longer than all attempts take
// and the store times of two nodes differ.
const LeftAfter = 3 * time.Minute

var attempts = [...]time.Duration{0, 8 * time.Second, 20 * time.Second}

// RunnerOptions are those of a Runner. All but Shared are required.
type RunnerOptions struct {
	Queue   *Queue
	Service *Service
	Log     *slog.Logger
	Random  io.Reader // spreads waits; safe for concurrent use
	// Shared says that other nodes have the store too: what waits there is theirs, until TakeUp finds that it was
	// left. Without it all that waits at the start of Run is this node's.
	Shared bool
}

// Runner makes the invocations of a Queue.
type Runner struct {
	o       RunnerOptions
	backoff follow.Backoff // of the store
	working sync.WaitGroup
	slots   *follow.Slots[Invoker]

	invoked, answered, failed, gaveUp atomic.Uint64
}

// NewRunner makes a Runner. Of one Queue there is one.
func NewRunner(o RunnerOptions) *Runner {
	if o.Shared {
		o.Queue.lanes.SkipRead()
	}
	return &Runner{
		o: o, slots: follow.NewSlots[Invoker](atOnce),
		backoff: follow.Backoff{First: time.Second, Most: time.Minute, Random: o.Random},
	}
}

// Counts are what happened since the node started.
type Counts struct {
	Queued   int    // invocations that are to be made, or are being tried
	Invoked  uint64 // processors that were invoked and will call back
	Answered uint64 // that answered their invocation
	Failed   uint64 // attempts
	GaveUp   uint64 // invocations of which every attempt failed
}

// Counts returns the counts of this node.
func (r *Runner) Counts() Counts {
	return Counts{r.o.Queue.lanes.Len(), r.invoked.Load(), r.answered.Load(), r.failed.Load(), r.gaveUp.Load()}
}

// Run invokes processors until ctx ends; those that are due by then are invoked after the next start. It
// returns nil.
func (r *Runner) Run(ctx context.Context) error {
	defer r.working.Wait()
	r.working.Go(func() { r.sweep(ctx) })

	r.o.Queue.lanes.Run(ctx, r.read, r.work)
	return nil
}

// read offers what the store says is to be invoked.
func (r *Runner) read(ctx context.Context, offer func(message.Waiting) bool) error {
	err := r.o.Service.messages.EachWaiting(ctx, 0, offer)
	if err != nil && ctx.Err() == nil {
		r.o.Log.Error("flow: cannot read which messages wait for processors, will retry", "error", err)
	}
	return err
}

// TakeUp makes the invocations that nodes which are gone have left, until ctx ends, and then returns nil. Of the
// nodes that share a store one calls it; two may invoke a processor twice, under one CallbackId.
func (r *Runner) TakeUp(ctx context.Context) error {
	for ctx.Err() == nil {
		err := r.o.Service.messages.EachWaiting(ctx, LeftAfter, func(w message.Waiting) bool {
			r.o.Queue.Invoke(w)
			return true
		})
		if err != nil && ctx.Err() == nil {
			r.o.Log.Error("flow: cannot read which messages others have left, will retry", "error", err, "after", sweepEvery)
		}
		follow.Sleep(ctx, sweepEvery)
	}
	return nil
}

// sweep fails messages whose processors do not call back.
func (r *Runner) sweep(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.o.Service.messages.Expire(ctx); err != nil && ctx.Err() == nil {
			r.o.Log.Error("flow: cannot fail messages whose processors did not call back, will retry", "error", err, "after", sweepEvery)
		}
		follow.Sleep(ctx, sweepEvery)
	}
}

// work makes the invocations of a lane in their order. One that fails at first, or that is slow, is left to
// itself.
func (r *Runner) work(ctx context.Context, l lane) {
	for ctx.Err() == nil {
		w, found := r.o.Queue.lanes.Next(l)
		if !found {
			return
		}
		first := make(chan struct{})
		r.working.Go(func() {
			defer r.o.Queue.lanes.Done(w)
			r.invoke(ctx, w, first)
		})

		timer := time.NewTimer(patience)
		select {
		case <-ctx.Done():
		case <-first:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// invoke makes one invocation, in as many attempts as it takes. It closes first after the first one.
func (r *Runner) invoke(ctx context.Context, w message.Waiting, first chan struct{}) {
	began := time.Now()
	for attempt := 0; ; attempt++ {
		reason := r.try(ctx, w)
		if attempt == 0 {
			close(first)
		}
		if reason == nil || ctx.Err() != nil {
			return
		}

		r.failed.Add(1)
		if attempt+1 == len(attempts) || errors.Is(reason, errNoEnd) {
			r.giveUp(ctx, w, reason)
			return
		}
		follow.Sleep(ctx, time.Until(began.Add(attempts[attempt+1])))
	}
}

// errNoEnd is why a processor cannot be invoked that could be when the message was sent.
var errNoEnd = errors.New("the setting functions names no endpoint for the processor")

// try makes one attempt. It returns why that failed, nil when there is nothing left to do.
func (r *Runner) try(ctx context.Context, w message.Waiting) (reason error) {
	messages := r.o.Service.messages
	var call *Invocation
	r.insist(ctx, func() error {
		p, sender, waits, err := messages.Find(ctx, w)
		if err != nil || !waits {
			call = nil
			return err
		}
		event, err := encodeEvent(r.o.Service.site, w.App, &p, sender)
		call = &Invocation{Lambda: w.Lambda, Callback: w.Callback, Event: event}
		return err
	})
	if call == nil || ctx.Err() != nil {
		return nil
	}

	invoker := r.o.Queue.ends(w.Lambda)
	if invoker == nil {
		return errNoEnd
	}
	answer, err := r.call(ctx, invoker, *call)
	if err != nil {
		return err
	}
	if answer == nil {
		r.invoked.Add(1)
		r.insist(ctx, func() error { return messages.Invoked(ctx, w) })
		return nil
	}

	// An answer is refused when it is wrong, and also when it was given before.
	r.insist(ctx, func() error {
		reason = r.o.Service.answer(ctx, w, answer)
		if refusal := new(api.Error); reason == nil || errors.As(reason, &refusal) {
			return nil
		}
		return reason
	})
	if reason == nil {
		r.answered.Add(1)
	}
	return reason
}

// call calls an end, of which it lets a number of calls run at once.
func (r *Runner) call(ctx context.Context, invoker Invoker, call Invocation) ([]byte, error) {
	free, taken := r.slots.Take(ctx, invoker)
	if !taken {
		return nil, ctx.Err()
	}
	defer free()
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	return invoker.Invoke(ctx, call)
}

// giveUp has the fallback action taken.
func (r *Runner) giveUp(ctx context.Context, w message.Waiting, reason error) {
	r.gaveUp.Add(1)
	r.o.Log.Warn("flow: a processor could not be invoked; its message follows the fallback action",
		"processor", w.Lambda, "channel", r.o.Service.site.ChannelARN(w.App, w.Channel.ChannelID), "message", w.Message, "error", reason)
	r.insist(ctx, func() error { return r.o.Service.messages.GiveUp(ctx, w, reason.Error()) })
}

// insist calls f, which changes or reads the store, until it succeeds or ctx ends.
func (r *Runner) insist(ctx context.Context, f func() error) {
	r.backoff.Insist(ctx, f, func(err error, _ int, wait time.Duration) {
		r.o.Log.Error("flow: the store failed, will retry", "error", err, "after", wait)
	})
}
