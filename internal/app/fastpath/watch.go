package fastpath

import (
	"errors"
	"os"
	"sync"
	"time"
)

// watchAfter is how long a handler may take before its client is watched. Few do, and starting a
// read for each request is a good part of what net/http costs.
const watchAfter = 200 * time.Millisecond

// watch ends the context of a connection whose client goes away while a handler works for it. It
// reads what the client sends meanwhile, which begins the next request.
type watch struct {
	timer *time.Timer

	mu      sync.Mutex
	wanted  bool          // the body has been read, and the handler has not returned
	reading chan struct{} // closed when the read that is under way ends; nil when there is none
	n       int           // bytes that it read
}

// startWatch begins to watch in a while. The body must have been read.
func (c *conn) startWatch() {
	c.watch.mu.Lock()
	c.watch.wanted = true
	c.watch.mu.Unlock()
	if c.watch.timer == nil {
		c.watch.timer = time.AfterFunc(watchAfter, c.watchClient)
	} else {
		c.watch.timer.Reset(watchAfter)
	}
}

// stopWatch ends the watch, if there is one. The next request may be read when it returns.
func (c *conn) stopWatch() {
	w := &c.watch
	w.mu.Lock()
	wanted, reading := w.wanted, w.reading
	w.wanted, w.reading = false, nil
	w.mu.Unlock()
	if wanted {
		w.timer.Stop()
	}

	if reading != nil {
		c.readBy = time.Unix(1, 0)
		_ = c.nc.SetReadDeadline(c.readBy) // ends the read
		<-reading
		c.w += w.n
	}
}

// watchClient reads until the client sends something, goes away, or the watch is stopped.
func (c *conn) watchClient() {
	w := &c.watch
	w.mu.Lock()
	if !w.wanted || w.reading != nil || c.w == len(c.buf) {
		w.mu.Unlock()
		return
	}
	done := make(chan struct{})
	w.reading = done
	_ = c.nc.SetReadDeadline(time.Time{})
	w.mu.Unlock()

	defer close(done)
	var err error
	if w.n, err = c.nc.Read(c.buf[c.w:]); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.cancel()
	}
}
