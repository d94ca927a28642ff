package wsconn

import (
	"sync"
	"time"
)

const (
	// batchBytes is about how much goes into one write. The gain of larger ones is small (16
	// usual frames cost 0.4 us each, against 4.9 us alone), and a stuck write holds them.
	batchBytes = 32 << 10
	// drainBytes bounds what is sent before a close frame.
	drainBytes = 256 << 10
)

// batch is what one write carries, and the room to put it together.
type batch struct {
	frames  [][]byte // taken from the session
	joined  []byte
	out     []byte // what to write: joined, or a frame of the session as it is
	count   int    // frames of the session in out
	drained int    // bytes taken since closing began
	goodbye bool   // out ends with the close frame
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// release gives the batch back without what it referred to and without rare large buffers.
func (b *batch) release() {
	clear(b.frames)
	if cap(b.joined) > 2*batchBytes {
		b.joined = nil
	}
	*b = batch{frames: b.frames[:0], joined: b.joined[:0]}
	batches.Put(b)
}

// join makes one piece of the frames behind the control frames in joined. A frame that is
// alone is written as it is.
func (b *batch) join() {
	b.count = len(b.frames)
	if b.count == 1 && len(b.joined) == 0 {
		b.out = b.frames[0]
		return
	}
	for _, frame := range b.frames {
		b.joined = append(b.joined, frame...)
	}
	b.out = b.joined
	clear(b.frames) // a write that is stuck holds one copy only
}

// wake starts the writing goroutine unless it runs. The caller holds mu.
func (c *conn) wake() {
	if c.flushing || c.phase == closed {
		return
	}
	c.flushing = true
	go c.flush()
}

// flush writes until nothing is left. Nothing else writes to the connection, so frames cannot
// mix.
func (c *conn) flush() {
	b := batches.Get().(*batch)
	defer b.release()
	for {
		c.gather(b)
		if len(b.out) > 0 {
			c.write(b)
		} else if c.rest() {
			return
		}
	}
}

// gather takes what there is to write next: control frames, then frames of the session, then,
// when there are none, the close frame.
func (c *conn) gather(b *batch) {
	clear(b.frames)
	b.frames, b.joined, b.out, b.goodbye = b.frames[:0], b.joined[:0], nil, false

	c.mu.Lock()
	if c.phase == closed {
		c.mu.Unlock()
		return
	}
	b.joined = append(b.joined, c.control...)
	c.control = nil
	session, end, ends := c.session, c.end, c.phase == closing
	if session != nil {
		c.ready = false // before Take, so that a Ready after it is not missed
	}
	take := session != nil && (!ends || c.drain && !c.peerClosed && b.drained < drainBytes)
	c.mu.Unlock()

	if take {
		b.frames = session.Take(b.frames, batchBytes)
	}
	b.join()
	switch {
	case ends && b.count == 0:
		b.goodbye = true
		b.joined = append(b.joined, closeFrame(end.code, end.reason)...)
		b.out = b.joined
	case ends:
		b.drained += len(b.out)
	}
}

func (c *conn) write(b *batch) {
	c.mu.Lock()
	limit := c.srv.opts.WriteTimeout
	switch c.phase {
	case closing:
		limit = c.srv.opts.CloseTimeout
	case closed:
		limit = 0 // given up, or the peer is gone
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(limit))
	c.mu.Unlock()

	if n, err := c.nc.Write(b.out); err != nil {
		c.giveUp(writeCause(err))
	} else {
		c.srv.wrote(b.count, n)
		if b.goodbye {
			c.saidGoodbye()
		}
	}
}

// rest ends the writing goroutine, unless something came in the meantime.
func (c *conn) rest() bool {
	c.mu.Lock()
	if c.phase == closing || c.phase == open && (len(c.control) > 0 || c.ready && c.session != nil) {
		c.mu.Unlock()
		return false
	}
	c.flushing = false
	last := !c.reading
	c.mu.Unlock()
	if last {
		c.release()
	}
	return true
}

// saidGoodbye follows the close frame. When the peer has closed too, the reader is told to
// end; otherwise it waits for the peer, for a bounded time. After a breach of the protocol the
// peer's close frame would not be understood: the end of our data tells it to hang up. Closing
// at once instead would let the kernel take back the close frame while input is unread.
func (c *conn) saidGoodbye() {
	c.mu.Lock()
	c.phase = closed
	session, breach := c.session, c.end.cause == causeProtocol
	wait := time.Now().Add(c.srv.opts.CloseTimeout)
	if c.peerClosed || c.hard {
		wait = past
	}
	_ = c.nc.SetReadDeadline(wait)
	c.mu.Unlock()
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && breach {
		_ = half.CloseWrite() // the deadline ends it otherwise
	}
	if session != nil {
		session.Detach() // nothing can be delivered from here on
	}
}
