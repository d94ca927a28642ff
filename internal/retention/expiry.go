package retention

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Expirer has channels or users that expire.
type Expirer interface {
	// Expire deletes the channel or user of an entry, when it has expired by the date, as the operation
	// for that does. Else it puts the entry off, or removes one that stands for nothing. Doing it twice
	// does what doing it once does. The error is one of a commit, or of what follows from the deletion,
	// which is tried again elsewhere.
	Expire(ctx context.Context, at store.Expiring, date chime.Millis) (expired bool, err error)
}

// AgedRemover has the messages.
type AgedRemover interface {
	// RemoveAged removes permanently what the retention settings of an app instance have hidden by the
	// date, when their grace period is over, in short transactions. What it has not removed when ctx ends, it
	// removes when it is called again.
	RemoveAged(ctx context.Context, app string, date chime.Millis) error
}

// ExpiryOptions are those of an Expiry. All are required, but for Window and Interval.
type ExpiryOptions struct {
	Store    store.Store
	Clock    *store.Clock
	Now      func() time.Time // the time of day
	Channels Expirer
	Users    Expirer
	Messages AgedRemover
	// Window is for how long of store time the clock of the machine has to be as it is before something is
	// removed by it; zero relies on it at once.
	Window   time.Duration
	Interval time.Duration // between two passes; zero means DefaultInterval
	Log      *slog.Logger
}

// Expiry removes channels, users and messages permanently when their dates have come.
type Expiry struct {
	o ExpiryOptions

	mu    sync.Mutex   // held by a pass
	swept chime.Millis // date of the latest look at messages, when hasSwept
	// hasSwept and hasListed are not kept: a process that begins looks again.
	hasSwept, hasListed bool
}

// NewExpiry makes an Expiry.
func NewExpiry(o ExpiryOptions) *Expiry {
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	return &Expiry{o: o}
}

const (
	// atOnce is how many entries one view reads.
	atOnce = 256
	// sweepEach lies between two looks at the oldest message of every channel. Settings count in days.
	sweepEach = chime.Millis(time.Hour / time.Millisecond)
)

// Run makes a pass at each interval until ctx ends, and then returns nil.
func (e *Expiry) Run(ctx context.Context) error {
	return Repeat(ctx, e.o.Interval, e.o.Log, "cannot remove all that has expired, will retry", e.Pass)
}

// Pass removes what is due. What fails does not keep the rest from being removed, and is tried again by the
// next pass.
func (e *Expiry) Pass(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	date, err := e.date(ctx)
	if err != nil {
		return err
	}
	return errors.Join(e.listFormer(ctx, date), e.expire(ctx, date), e.sweep(ctx, date))
}

// expire takes the entries of the list whose time has come.
func (e *Expiry) expire(ctx context.Context, date chime.Millis) error {
	var failed []error
	channels, users := 0, 0
	defer func() {
		if channels+users > 0 {
			e.o.Log.Info("deleted what has expired", "channels", channels, "users", users)
		}
	}()

	for from := store.K(); from != nil && ctx.Err() == nil; {
		var due []store.Expiring
		err := e.o.Store.View(ctx, "", func(r store.Reader) (err error) {
			due, from, err = store.Due(r, date, from, atOnce)
			return err
		})
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		for _, at := range due {
			expired, err := e.expireOne(ctx, at, date)
			switch _, is := at.Channel(); {
			case err != nil:
				failed = append(failed, err)
			case expired && is:
				channels++
			case expired:
				users++
			}
		}
	}
	return errors.Join(append(failed, ctx.Err())...)
}

func (e *Expiry) expireOne(ctx context.Context, at store.Expiring, date chime.Millis) (expired bool, err error) {
	if _, is := at.Channel(); is {
		return e.o.Channels.Expire(ctx, at, date)
	}
	return e.o.Users.Expire(ctx, at, date)
}

// sweep has messages removed that are past the retention of their app instance, for an interval at most: channels and users do not
// wait for more, which the next pass goes on with.
func (e *Expiry) sweep(ctx context.Context, date chime.Millis) error {
	if e.hasSwept && date >= e.swept && date < e.swept+sweepEach {
		return nil
	}
	var apps []string
	err := e.o.Store.View(ctx, "", func(r store.Reader) error {
		apps = nil
		return store.AppInstances.Each(r, store.Range{}, func(_ store.Key, app chime.AppInstance) (bool, error) {
			if app.Retention.Gone(date) > 0 {
				apps = append(apps, app.ID)
			}
			return true, nil
		})
	})

	// The date of a sweep is noted when it came to its end.
	bounded, cancel := context.WithTimeout(ctx, e.o.Interval)
	defer cancel()
	failed := []error{err}
	for _, app := range apps {
		err := e.o.Messages.RemoveAged(bounded, app, date)
		if bounded.Err() != nil {
			return errors.Join(append(failed, ctx.Err())...)
		}
		failed = append(failed, err)
	}
	if err = errors.Join(failed...); err == nil {
		e.hasSwept, e.swept = true, date
	}
	return err
}
