package store

import (
	"sync"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Feeds keeps the live ends of those logs that have cursors, one Feed for each. Engines publish what
// was committed into it, whether or not it is followed.
type Feeds struct {
	end  func(app string) (uint64, error)
	read func(app string, after uint64, limit int) ([]*chime.Event, error)
	// Interest, if any, is called when the first cursor of a log is opened and after the last was closed, one call after
	// the other. It must not block, and is set before the first cursor.
	Interest func(app string, on bool)

	mu     sync.Mutex
	open   map[string]*openFeed
	closed bool
}

// openFeed is a feed with the number of its cursors.
type openFeed struct {
	*Feed
	begin   sync.Once
	failed  error // of begin
	cursors int
}

// NewFeeds makes Feeds of logs. end is the position of the latest event of a log that is on disk, read
// returns up to limit events after a position, in order, nothing when there are none and ErrTrimmed
// when the log does not reach back to there.
func NewFeeds(end func(app string) (uint64, error), read func(app string, after uint64, limit int) ([]*chime.Event, error)) *Feeds {
	return &Feeds{end: end, read: read, open: make(map[string]*openFeed)}
}

// Follow opens a cursor: see Store.Follow.
func (f *Feeds) Follow(app string, after uint64) (Cursor, error) {
	feed, err := f.hold(app)
	if err != nil {
		return nil, err
	}
	// What is published from here on is in the feed, so that nothing falls between it and the end.
	feed.begin.Do(func() {
		var end uint64
		if end, feed.failed = f.end(app); feed.failed == nil {
			feed.Begin(end)
		}
	})
	err = feed.failed
	var c Cursor
	if err == nil {
		c, err = feed.Follow(after)
	}
	if err != nil {
		f.release(app, feed)
		return nil, err
	}
	return &heldCursor{Cursor: c, release: sync.OnceFunc(func() { f.release(app, feed) })}, nil
}

// hold finds or makes the feed of a log.
func (f *Feeds) hold(app string) (*openFeed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrUnavailable
	}
	feed := f.open[app]
	if feed == nil {
		feed = &openFeed{Feed: newFeed(func(after uint64, limit int) ([]*chime.Event, error) { return f.read(app, after, limit) })}
		f.open[app] = feed
		f.interest(app, true)
	}
	feed.cursors++
	return feed, nil
}

func (f *Feeds) release(app string, feed *openFeed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if feed.cursors--; feed.cursors == 0 && f.open[app] == feed {
		delete(f.open, app)
		f.interest(app, false)
	}
}

func (f *Feeds) interest(app string, on bool) {
	if f.Interest != nil {
		f.Interest(app, on)
	}
}

func (f *Feeds) feed(app string) *openFeed {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open[app]
}

// Publish adds events of one log, which are on disk. It keeps them when the log has a cursor.
func (f *Feeds) Publish(app string, events []chime.Event) {
	if len(events) == 0 {
		return
	}
	if feed := f.feed(app); feed != nil {
		feed.Publish(events)
	}
}

// Rewrite puts events of a log in the place of those with their positions.
func (f *Feeds) Rewrite(app string, events []*chime.Event) {
	if len(events) == 0 {
		return
	}
	if feed := f.feed(app); feed != nil {
		feed.Rewrite(events)
	}
}

// Trim forgets the events of a log up to and including the position.
func (f *Feeds) Trim(app string, upTo uint64) {
	if feed := f.feed(app); feed != nil {
		feed.Trim(upTo)
	}
}

// Ends are the logs that have cursors, with the position of the latest event that was published of each, zero when
// none was.
func (f *Feeds) Ends() map[string]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	ends := make(map[string]uint64, len(f.open))
	for app, feed := range f.open {
		ends[app] = feed.Last()
	}
	return ends
}

// Forget has cursors read what they have not read yet from the log, in which another process has replaced events.
func (f *Feeds) Forget(app string) {
	if feed := f.feed(app); feed != nil {
		feed.forget()
	}
}

// Close ends every cursor with ErrUnavailable.
func (f *Feeds) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, feed := range f.open {
		feed.Close()
	}
}

// heldCursor keeps its feed open until it is closed.
type heldCursor struct {
	Cursor
	release func()
}

func (c *heldCursor) Close() {
	c.Cursor.Close()
	c.release()
}
