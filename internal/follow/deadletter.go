package follow

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// MaxDeadLetters is how many DeadLetters lists at once.
const MaxDeadLetters = 1000

// bury makes the event a dead letter, and end the position.
func (w *worker) bury(ctx context.Context, e *chime.Event, end uint64, attempts int, failed error) error {
	letter := chime.DeadLetter{
		Follower: w.Name, Position: e.Position, Kind: e.Type, Topic: e.Topic,
		Attempts: attempts, LastError: brief(failed), Time: chime.At(w.o.Now()),
	}
	err := w.claim.change(ctx, func(tx store.Tx, record *chime.Following) error {
		record.Position = end
		if _, err := store.AddCount(tx, lettersCount(w.app, w.Name), 1); err != nil {
			return err
		}
		return store.DeadLetters.Put(tx, w.letterKey(e.Position), letter)
	})
	if err != nil {
		return err
	}
	w.setFailure(nil)
	w.log.Error("follower: gave an event up, which is a dead letter now",
		"position", e.Position, "kind", e.Type, "attempts", attempts, "error", failed)
	return nil
}

func (w *worker) letterKey(position uint64) store.Key {
	return store.K(w.app, w.Name).Num(position)
}

// lettersCount is where the number of dead letters is kept.
func lettersCount(app, follower string) store.Key { return store.K(app, "dead letters", follower) }

// DeadLetters lists up to MaxDeadLetters, in the order of app instances, followers and positions. An empty
// app or follower stands for all. after, if not zero, is the position after which to go on with a
// follower in an app instance.
func (r *Runner) DeadLetters(ctx context.Context, app, follower string, after uint64) (letters []chime.DeadLetter, err error) {
	var list store.Range
	switch {
	case app != "" && follower != "":
		if list = store.Prefix(store.K(app, follower)); after > 0 {
			list.From = store.K(app, follower).Num(after + 1)
		}
	case app != "":
		list = store.Prefix(store.K(app))
	}
	err = r.o.Store.View(ctx, app, func(rd store.Reader) error {
		letters = nil
		return store.DeadLetters.Each(rd, list, func(_ store.Key, l chime.DeadLetter) (bool, error) {
			if follower == "" || l.Follower == follower {
				letters = append(letters, l)
			}
			return len(letters) < MaxDeadLetters, nil
		})
	})
	return letters, err
}

// DeadLetter is the one of the event at the position. replayable reports whether the log still has the
// event. ErrNotFound says that it is no dead letter.
func (r *Runner) DeadLetter(ctx context.Context, app, follower string, position uint64) (letter chime.DeadLetter, replayable bool, err error) {
	err = r.o.Store.View(ctx, app, func(rd store.Reader) error {
		var found bool
		if letter, found, err = store.DeadLetters.Get(rd, store.K(app, follower).Num(position)); err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("dead letter: %w", ErrNotFound)
		}
		_, err := store.ReadEvent(rd, app, position)
		if replayable = err == nil; errors.Is(err, store.ErrTrimmed) {
			return nil
		}
		return err
	})
	return letter, replayable, err
}

// Replay has the follower handle the event of a dead letter again, once, and removes the dead letter when
// it succeeds. Otherwise the error is the follower's, and is noted in the dead letter. ErrNotHere says
// that it has to be asked of another node, ErrNotFound that there is no such dead letter, and
// store.ErrTrimmed that the log no longer has the event.
func (r *Runner) Replay(ctx context.Context, app, follower string, position uint64) error {
	w, err := r.worker(app, follower)
	if err != nil {
		return err
	}
	return w.replay(ctx, position)
}

// Discard removes a dead letter without handling its event.
func (r *Runner) Discard(ctx context.Context, app, follower string, position uint64) error {
	return r.o.Store.Update(ctx, app, func(tx store.Tx) error {
		key := store.K(app, follower).Num(position)
		found, err := store.DeadLetters.Has(tx, key)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("dead letter: %w", ErrNotFound)
		}
		return removeLetter(tx, key, app, follower)
	})
}

func removeLetter(tx store.Tx, key store.Key, app, follower string) error {
	if _, err := store.AddCount(tx, lettersCount(app, follower), -1); err != nil {
		return err
	}
	return store.DeadLetters.Delete(tx, key)
}

// replay works beside run, which holds the lease for both.
func (w *worker) replay(ctx context.Context, position uint64) error {
	ctx, stop, err := w.o.Nodes.Hold(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if !w.o.alone {
		ctx = context.WithValue(ctx, fenceKey{}, w)
	}

	key := w.letterKey(position)
	var e *chime.Event
	err = w.o.Store.View(ctx, w.app, func(r store.Reader) error {
		if _, err := w.claim.check(r); errors.Is(err, ErrFenced) {
			return ErrNotHere
		} else if err != nil {
			return err
		}
		found, err := store.DeadLetters.Has(r, key)
		if err == nil && !found {
			err = fmt.Errorf("dead letter: %w", ErrNotFound)
		}
		if err == nil {
			e, err = store.ReadEvent(r, w.app, position)
		}
		return err
	})
	if err != nil {
		return err
	}

	_, _, failed := w.attempt(ctx, []*chime.Event{e}, true, w.rereads.Load())
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(failed, w.claim.change(ctx, func(tx store.Tx, _ *chime.Following) error {
		letter, found, err := store.DeadLetters.Get(tx, key)
		if err != nil || !found { // discarded meanwhile
			return err
		}
		if failed == nil {
			return removeLetter(tx, key, w.app, w.Name)
		}
		letter.Attempts, letter.LastError, letter.Time = letter.Attempts+1, brief(failed), chime.At(w.o.Now())
		return store.DeadLetters.Put(tx, key, letter)
	}))
}
