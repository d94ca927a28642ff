package retention

import (
	"context"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// calendar is the date that can be relied upon to remove things permanently. It is store time with an
// offset: the least by which the clock of the machine was ahead of store time in all of a window of store
// time. So a clock that is set forward moves the date when it has been so for a window, at most two; one
// that is set back moves it at once. While the store is closed its time stands still, so the date is behind
// by as long as that for a while.
type calendar struct {
	offset chime.Millis // zero, and the date in the past of all, until the first window is over
	least  chime.Millis // of the window that is under way
	since  chime.Millis // store time when that began
}

// Where a calendar is kept.
var calendarKeys = [...]store.Key{
	store.K("", "date: offset"), store.K("", "date: least offset"), store.K("", "date: since"),
}

// observe takes a look at the clock of the machine.
func (c *calendar) observe(now, storeTime, window chime.Millis) {
	offset := now - storeTime
	if window == 0 {
		*c = calendar{offset, offset, storeTime}
		return
	}
	if c.least == 0 {
		c.least, c.since = offset, storeTime
	}
	c.least, c.offset = min(c.least, offset), min(c.offset, offset)
	if storeTime-c.since >= window {
		c.offset, c.least, c.since = c.least, offset, storeTime
	}
}

func loadCalendar(r store.Reader) (c calendar, err error) {
	for i, field := range c.fields() {
		n, _, err := store.Counts.Get(r, calendarKeys[i])
		if err != nil {
			return c, err
		}
		*field = chime.Millis(n)
	}
	return c, nil
}

func (c *calendar) save(tx store.Tx) error {
	for i, field := range c.fields() {
		if err := store.Counts.Put(tx, calendarKeys[i], uint64(max(*field, 0))); err != nil {
			return err
		}
	}
	return nil
}

func (c *calendar) fields() [len(calendarKeys)]*chime.Millis {
	return [...]*chime.Millis{&c.offset, &c.least, &c.since}
}

// date looks at the clock and returns the date.
func (e *Expiry) date(ctx context.Context) (date chime.Millis, err error) {
	err = e.o.Store.Update(ctx, "", func(tx store.Tx) error {
		c, err := loadCalendar(tx)
		if err != nil {
			return err
		}
		storeTime := chime.Millis(e.o.Clock.Now() / time.Millisecond)
		c.observe(chime.At(e.o.Now()), storeTime, chime.Millis(e.o.Window/time.Millisecond))
		date = storeTime + c.offset
		return c.save(tx)
	})
	return date, err
}
