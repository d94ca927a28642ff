package wsconn

import (
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/realtime/outbox"
)

const (
	// batchBytes is about how much goes into one write. The gain of larger ones is small (16
	// usual frames cost 0.4 us each, against 4.9 us alone), and a stuck write holds them.
	batchBytes = 32 << 10
	// drainBytes bounds what is sent before a close frame.
	drainBytes = 256 << 10
)

// batch is what one write carries, and the buffers to put it together.
type batch struct {
	frames [][]byte // taken from the session
	joined []byte
	part
}

// part is what is to be written, or is left to be.
type part struct {
	out     []byte // joined, or a frame of the session as it is
	count   int    // frames of the session in out
	size    int    // bytes of out at first
	bounded int    // bytes of out when the time of the write began
	goodbye bool   // out ends with the close frame
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// release gives the batch back.
func (b *batch) release() {
	b.reset()
	batches.Put(b)
}

// reset leaves the batch without what it referred to and without rare large buffers.
func (b *batch) reset() {
	clear(b.frames)
	if cap(b.joined) > 2*batchBytes {
		b.joined = nil
	}
	*b = batch{frames: b.frames[:0], joined: b.joined[:0]}
}

// join makes one piece of the frames behind the control frames in joined. Frames that are a piece
// already are written as they are.
func (b *batch) join() {
	b.count = len(b.frames)
	if piece, whole := inLine(b.frames); whole && len(b.joined) == 0 {
		b.out = piece
		return
	}
	for _, frame := range b.frames {
		b.joined = append(b.joined, frame...)
	}
	b.out = b.joined
	clear(b.frames) // a write that is stuck holds one copy only
}

// inLine returns frames as one piece if they are a line. whole is false when they are not, and when there
// are none.
func inLine(frames [][]byte) (piece []byte, whole bool) {
	for i, next := range frames {
		if i == 0 {
			piece, whole = next, true
		} else if piece, whole = outbox.Extend(piece, next); !whole {
			break
		}
	}
	return piece, whole
}

// wake has flush called unless it is under way. The caller holds mu.
func (c *conn) wake() {
	if c.begins() {
		c.link.schedule()
	}
}

// begins reports that the caller has to have flush called: it is not under way. The caller holds mu.
func (c *conn) begins() bool {
	if c.flushing || c.phase == closed {
		return false
	}
	c.flushing = true
	return true
}

// flush does one write, of what there is. again reports that it has to be called again: it ends
// the writing when nothing is left, and not before. Nothing else writes to the connection, so
// frames cannot mix.
func (c *conn) flush(b *batch) (again bool) {
	c.gather(b)
	if len(b.out) == 0 {
		return !c.rest()
	}
	if !c.arm() {
		return true // to rest
	}
	pending, err := c.link.send(b)
	if !pending {
		c.sent(&b.part, err)
	}
	return !pending
}

// gather takes what there is to write next: control frames, then frames of the session, then,
// when there are none, the close frame.
func (c *conn) gather(b *batch) {
	clear(b.frames)
	b.frames, b.joined, b.part = b.frames[:0], b.joined[:0], part{}

	c.mu.Lock()
	if c.phase == closed {
		c.mu.Unlock()
		return
	}

	if c.control != nil {
		b.joined = append(b.joined, *c.control...)
		c.control = nil
	}
	session, end, ends := c.session, c.end, c.phase == closing
	if session != nil {
		c.ready = false // before Take, so that a Ready after it is not missed
	}

	// Until it closes a session is drained; then only with drain, for a peer that still listens.
	take := session != nil && (!ends || c.drain && !c.peerClosed && c.drained < drainBytes)
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
		c.drained += int32(len(b.out))
	}
	b.size = len(b.out)
}

// arm prepares the write that follows, unless nothing may be written any more.
func (c *conn) arm() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == closed {
		return false
	}
	c.link.begin(c.writeLimit())
	return true
}

// writeLimit is how long a write may take. The caller holds mu.
func (c *conn) writeLimit() time.Duration {
	if c.phase == closing {
		return c.srv.opts.CloseTimeout
	}
	return c.srv.opts.WriteTimeout
}

// sent follows the end of a write.
func (c *conn) sent(p *part, err error) {
	if err != nil {
		c.giveUp(writeCause(err))
		return
	}
	c.srv.wrote(p.count, p.size)
	if p.goodbye {
		c.saidGoodbye()
	}
}

// rest ends the writing, unless something came in the meantime.
func (c *conn) rest() bool {
	c.mu.Lock()
	if c.phase == closing || c.phase == open && (c.control != nil || c.ready && c.session != nil) {
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

// saidGoodbye follows the close frame. When the peer has closed too, the reader is made to
// end; otherwise it waits for the peer, for a bounded time. After a breach of the protocol the
// peer's close frame would not be understood: the end of our data makes it hang up. Closing
// at once instead would let the kernel take back the close frame while input is unread.
func (c *conn) saidGoodbye() {
	c.mu.Lock()
	c.phase = closed
	session, breach := c.session, c.end.isBreach()
	wait := c.srv.opts.CloseTimeout
	if c.peerClosed || c.hard {
		wait = 0
	}
	c.link.hangUp(wait)
	c.mu.Unlock()

	if breach {
		c.link.halfClose()
	}
	if session != nil {
		session.Detach() // nothing can be delivered from here on
	}
}
