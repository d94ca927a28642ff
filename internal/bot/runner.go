package bot

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
)

const atOnce = 64 // calls of one end

// waits lie between the attempts of a turn, unless an end asks for more, up to maxAfter.
var waits = [...]time.Duration{time.Second, 4 * time.Second}

const maxAfter = 30 * time.Second

// counts are what happened since the node started.
type counts struct{ answered, failed, dropped, attempts atomic.Uint64 }

// Counts are what happened since the node started.
type Counts struct {
	Queued         int    // turns that are to be taken, or are being taken
	Answered       uint64 // turns that ended with an answer, or with a conversation ended
	Failed         uint64 // turns that ended with an error reply
	Dropped        uint64 // turns that had nothing left to do: the bot, the channel or the message was gone
	FailedAttempts uint64
}

// Counts returns the counts of this node.
func (s *Service) Counts() Counts {
	c := &s.counts
	return Counts{s.o.Queue.lanes.Len(), c.answered.Load(), c.failed.Load(), c.dropped.Load(), c.attempts.Load()}
}

// Run takes turns until ctx ends; those that are stored and not done by then are taken after the next start.
// It returns nil.
func (s *Service) Run(ctx context.Context) error {
	var hearing sync.WaitGroup
	defer hearing.Wait()
	hearing.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-s.o.Queue.live:
				s.hear(ctx, &e)
			}
		}
	})
	s.o.Queue.lanes.Run(ctx, s.read, s.work)
	return nil
}

// read offers the turns that are stored in the app instances that this node holds.
func (s *Service) read(ctx context.Context, offer func(turn) bool) error {
	err := s.o.Store.View(ctx, "", func(r store.Reader) error {
		return store.BotTurns.Each(r, store.Range{}, func(key store.Key, record chime.BotTurn) (more bool, err error) {
			app, err := key.App()
			if more = err == nil; more && s.places.holds(app) {
				more = offer(turn{BotTurn: record, app: app, key: slices.Clone(key)})
			}
			return more, err
		})
	})
	if err != nil && ctx.Err() == nil {
		s.o.Log.Error("bots: cannot read what they have to do, will retry", "error", err)
	}
	return err
}

// hear queues the turns of a message that is not persistent.
func (s *Service) hear(ctx context.Context, e *chime.Event) {
	var turns []turn
	err := s.o.Store.View(ctx, e.App, func(r store.Reader) (err error) {
		turns, err = s.find(r, e.App, e)
		return err
	})

	// The conversation is kept, so that it ends with the membership that it has now.
	if err == nil && len(turns) > 0 {
		err = s.o.Store.Update(ctx, e.App, func(tx store.Tx) (err error) {
			turns, err = s.find(tx, e.App, e)
			for i := range turns {
				if err := converse(tx, &turns[i]); err != nil {
					return err
				}
			}
			return err
		})
	}
	if err != nil {
		if ctx.Err() == nil {
			s.o.Log.Warn("bots: the store failed, a message that is not persistent is not answered", "error", err)
		}
		return
	}
	if s.o.Queue.lanes.Len() < maxQueued {
		s.o.Queue.lanes.Add(turns...)
	}
}

// work takes the turns of a conversation.
func (s *Service) work(ctx context.Context, session string) {
	for ctx.Err() == nil {
		t, found := s.o.Queue.lanes.Next(session)
		if !found {
			return
		}
		s.take(ctx, &t)
		if ctx.Err() == nil {
			s.o.Queue.lanes.Done(t)
		}
	}
}

// take takes one turn to its end, unless ctx ends before.
func (s *Service) take(ctx context.Context, t *turn) {
	var sc *scene
	there := false
	s.insist(ctx, func() (err error) {
		sc, there, err = s.look(ctx, t)
		return err
	})
	switch {
	case ctx.Err() != nil:
	case !there:
		if t.Reply != "" { // an answer that was begun before a restart
			(&page{s: s, t: t, sc: sc}).breakOff(ctx)
		}
		s.drop(ctx, t)
	case t.Do == chime.BotLeaves:
		s.leave(ctx, t, sc)
	default:
		s.reply(ctx, t, sc)
	}
}

// leave ends a conversation.
func (s *Service) leave(ctx context.Context, t *turn, sc *scene) {
	failure := s.try(ctx, sc.end, func() error { return sc.end.Leave(ctx, sc.session) })
	switch {
	case ctx.Err() != nil:
	case failure != nil:
		s.failed(ctx, t, sc, failure)
	default:
		s.counts.answered.Add(1)
		s.insist(ctx, func() error { return s.settle(ctx, t) })
	}
}

// try calls an end, again after a failure that another attempt may mend.
func (s *Service) try(ctx context.Context, end End, call func() error) *Failure {
	for attempt := 0; ; attempt++ {
		free, taken := s.slots.Take(ctx, end)
		if !taken {
			return failureOf(ctx.Err())
		}
		err := call()
		free()
		if err == nil {
			return nil
		}
		failure := failureOf(err)
		s.counts.attempts.Add(1)
		if !failure.Again || attempt == len(waits) || ctx.Err() != nil {
			return failure
		}
		follow.Sleep(ctx, max(waits[attempt], min(failure.After, maxAfter)))
	}
}

// failureOf is the Failure that an error of an end is: of a kind unless it says so.
func failureOf(err error) *Failure {
	if f := new(Failure); errors.As(err, &f) {
		return f
	}
	return &Failure{Code: http.StatusInternalServerError, Reason: err.Error(), Again: true}
}

// drop ends a turn that has nothing left to do.
func (s *Service) drop(ctx context.Context, t *turn) {
	s.counts.dropped.Add(1)
	s.insist(ctx, func() error { return s.settle(ctx, t) })
}

// settle removes the record of a turn, if it has one and no other process takes it.
func (s *Service) settle(ctx context.Context, t *turn) error {
	if t.key == nil {
		return nil
	}
	return s.o.Store.Update(ctx, t.app, func(tx store.Tx) error { return t.finish(tx, nil) })
}

// insist calls f, which reads or changes the store, until it succeeds, is refused, or ctx ends. It reports
// whether it succeeded.
func (s *Service) insist(ctx context.Context, f func() error) bool {
	var final error
	done := s.backoff.Insist(ctx, func() error {
		err := f()
		if refused(err) || errors.Is(err, errDone) {
			final = err
			return nil
		}
		return err
	}, func(err error, _ int, wait time.Duration) {
		s.o.Log.Error("bots: the store failed, will retry", "error", err, "after", wait)
	})
	return done && final == nil
}

// errDone undoes what is done for a turn whose record is gone: it was taken already.
var errDone = errors.New("the turn was taken")

// refused reports whether a service refused a call, which another attempt does not change.
func refused(err error) bool {
	refusal := new(api.Error)
	return errors.As(err, &refusal)
}
