// Package retention removes what has had its time: answers remembered for client request tokens,
// events of the log and keys; it has the engine erase what is left on disk of removed messages. That is the
// Cleaner. The Expiry has services remove channels, users and messages when their dates have come. They
// promise:
//
//   - Nothing younger than its window or retention is removed, and the latest event of an app instance
//     or the account never is. Ages are in store time (store.Clock), which setting the machine's clock
//     does not move.
//   - An event that a follower has not handled stays for longer, until FollowerRetention.
//   - A pass is short transactions, however much there is to remove: one for what all have in common,
//     one for each log that has grown or has old events, and a few for what the engine has erased.
//   - What has expired is deleted as by a call, once and within minutes, by the settings of that moment;
//     messages past the retention go within an hour after the grace period. No clock that is wrong for
//     less than a window makes that early. A pass reads what is due, and not what is not.
//   - What was removed is erased from the disk within a time, as long as passes succeed.
//   - A pass that fails is logged and the next one does its work too.
package retention

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/store"
)

// DefaultInterval lies between two passes.
const DefaultInterval = time.Minute

// Options of a Cleaner. Store, Clock and Log are required.
type Options struct {
	Store  store.Store
	Clock  *store.Clock // saved in every pass
	Tokens idempotency.Tokens
	// EventRetention is how long an event is kept in the log, in store time; FollowerRetention is how
	// long for followers that have not handled it, when that is longer.
	EventRetention, FollowerRetention time.Duration
	// Followers read the log; nil when there are none.
	Followers Followers
	// Eraser is the engine, nil when it leaves nothing on disk. It is asked to erase when something was
	// removed, and the latest time was EraseWithin ago, in store time.
	Eraser      Eraser
	EraseWithin time.Duration
	// RotateKeys replaces and forgets keys when their time has come; nil when that is done elsewhere.
	RotateKeys func(context.Context) error
	// Check refuses a pass that another node makes by now; nil where there is no other.
	Check    func(context.Context, store.Reader) error
	Interval time.Duration // zero means DefaultInterval
	Log      *slog.Logger
}

// Followers are the readers that need the log.
type Followers interface {
	// Floor returns the position up to which all of them are done in an app instance. found is false
	// when none follows it.
	Floor(r store.Reader, app string) (position uint64, found bool, err error)
}

// Cleaner makes the passes.
type Cleaner struct{ o Options }

// New makes a Cleaner.
func New(o Options) *Cleaner {
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	return &Cleaner{o}
}

// Run makes a pass at each interval until ctx ends, and then returns nil.
func (c *Cleaner) Run(ctx context.Context) error {
	return Repeat(ctx, c.o.Interval, c.o.Log, "cleanup failed, will retry", c.Clean)
}

// Repeat makes a pass at each interval until ctx ends, and then returns nil. It logs which passes failed.
func Repeat(ctx context.Context, interval time.Duration, log *slog.Logger, failed string, pass func(context.Context) error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := pass(ctx); err != nil && ctx.Err() == nil {
			log.Error(failed, "error", err, "after", interval)
		}
	}
}

// Clean makes one pass. A part that fails does not keep the others from their work. Only one may be
// under way.
func (c *Cleaner) Clean(ctx context.Context) error {
	err := errors.Join(c.forget(ctx), c.trimLogs(ctx), c.eraseInTime(ctx))
	if c.o.RotateKeys != nil {
		err = errors.Join(err, c.o.RotateKeys(ctx))
	}
	return err
}

// forget removes tokens and saves store time.
func (c *Cleaner) forget(ctx context.Context) error {
	return c.o.Store.Update(ctx, "", func(tx store.Tx) error {
		if c.o.Check != nil {
			if err := c.o.Check(ctx, tx); err != nil {
				return err
			}
		}
		if err := c.o.Clock.Save(tx); err != nil {
			return err
		}
		return c.o.Tokens.Forget(tx)
	})
}

// trimLogs removes events, and writes to no log of which nothing is to be noted or removed.
func (c *Cleaner) trimLogs(ctx context.Context) error {
	now := c.o.Clock.Now()
	var due []string
	err := c.o.Store.View(ctx, "", func(r store.Reader) error {
		due = nil
		return store.EachLog(r, func(app string) (bool, error) {
			is, err := c.due(r, app, now)
			if is {
				due = append(due, app)
			}
			return true, err
		})
	})
	failed := []error{err}
	for _, app := range due {
		failed = append(failed, c.o.Store.Update(ctx, app, func(tx store.Tx) error { return c.trim(tx, app, now) }))
	}
	return errors.Join(failed...)
}

// due reports whether a log goes beyond its latest mark, or has events to forget.
func (c *Cleaner) due(r store.Reader, app string, now time.Duration) (bool, error) {
	end, err := store.LogEnd(r, app)
	if err != nil {
		return false, err
	}
	marked, err := latestMark(r, store.Prefix(store.K(app)))
	if err != nil || marked < end {
		return err == nil, err
	}
	upTo, err := c.disposable(r, app, now, end)
	if err != nil || upTo == 0 {
		return false, err
	}
	start, err := store.LogStart(r, app)
	return upTo > start, err
}

// trim marks how far a log has come by now, and forgets what is disposable.
func (c *Cleaner) trim(tx store.Tx, app string, now time.Duration) error {
	end, err := tx.Position()
	if err != nil {
		return err
	}
	marked, err := latestMark(tx, store.Prefix(store.K(app)))
	if err != nil {
		return err
	}
	if marked < end {
		if err := store.LogMarks.Put(tx, moment(app, now), end); err != nil {
			return err
		}
	}

	upTo, err := c.disposable(tx, app, now, end)
	if err != nil || upTo == 0 {
		return err
	}
	if err := unmark(tx, app, upTo); err != nil {
		return err
	}
	return tx.TrimEvents(upTo)
}

// disposable returns the position up to which the events of a log are past their retention: up to the
// latest mark that is as old as that, or as followers let it. Times of events say nothing about it: they
// are times of day. The latest event of what exists stays.
func (c *Cleaner) disposable(r store.Reader, app string, now time.Duration, end uint64) (upTo uint64, err error) {
	upTo, err = latestMark(r, past(app, now-c.o.EventRetention))
	if err != nil || upTo == 0 {
		return 0, err
	}
	exists := app == ""
	if !exists {
		if exists, err = store.AppInstances.Has(r, store.K(app)); err != nil || !exists {
			return upTo, err
		}
	}
	upTo = min(upTo, max(end, 1)-1)
	if c.o.Followers == nil {
		return upTo, nil
	}

	// Events that a follower has not handled stay until they are too old for that too.
	floor, found, err := c.o.Followers.Floor(r, app)
	if err != nil || !found || floor >= upTo {
		return upTo, err
	}
	given, err := latestMark(r, past(app, now-c.o.FollowerRetention))
	return min(upTo, max(floor, given)), err
}

// unmark removes the marks of positions up to one. When a log could not be trimmed for long there may be
// more than one pass removes; the next ones go on.
func unmark(tx store.Tx, app string, upTo uint64) error {
	marks := store.Prefix(store.K(app))
	old, n := marks, 0
	err := store.LogMarks.Each(tx, marks, func(key store.Key, position uint64) (bool, error) {
		more := position <= upTo && n < marksAtOnce
		if n++; !more {
			old.To = slices.Clone(key)
		}
		return more, nil
	})
	if err != nil {
		return err
	}
	return tx.DeleteRange(store.LogMarks.ID, old)
}

// latestMark is the position of the latest mark in a range, zero when there is none.
func latestMark(r store.Reader, rng store.Range) (position uint64, err error) {
	rng.Reverse = true
	err = store.LogMarks.Each(r, rng, func(_ store.Key, marked uint64) (bool, error) {
		position = marked
		return false, nil
	})
	return position, err
}

// past is the range of a log's marks that were made at the time or before it.
func past(app string, at time.Duration) store.Range {
	return store.Range{From: store.K(app), To: moment(app, max(0, at+time.Millisecond))}
}

// moment is the key of a mark.
func moment(app string, at time.Duration) store.Key {
	return store.K(app).Num(uint64(at.Milliseconds()))
}
