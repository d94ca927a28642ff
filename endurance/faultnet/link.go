package faultnet

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	chunkBytes  = 16 << 10
	chunksAhead = 64 // that travel at once: the window of a slow network
)

// Link is one connection through a Proxy.
type Link struct {
	client, target *net.TCPConn
	down, up       pipe
	weather        atomic.Pointer[Weather]
}

// pipe is one direction of a connection.
type pipe struct {
	from, to *net.TCPConn
	link     *Link
	random   *rand.Rand
	chunks   chan chunk
	done     chan struct{} // closed when the writer has ended
	end      sync.Once
	hole     atomic.Bool // swallows everything, the end of the stream too
	tear     atomic.Bool // the next chunk is cut off and the connection reset
	broken   atomic.Bool // the stream did not end, it was cut
	still    atomic.Pointer[time.Time]
}

type chunk struct {
	bytes []byte
	read  time.Time // when it set out
}

func newLink(client, target *net.TCPConn) *Link {
	l := &Link{client: client, target: target}
	l.down = pipe{from: target, to: client}
	l.up = pipe{from: client, to: target}
	for _, p := range []*pipe{&l.down, &l.up} {
		p.link, p.chunks, p.done = l, make(chan chunk, chunksAhead), make(chan struct{})
	}
	return l
}

// Reset ends the connection on both sides with RST.
func (l *Link) Reset() {
	l.ResetClient()
	reset(l.target)
	l.up.stop()
}

// ResetClient ends the client's side with RST and leaves the target's open, of which it learns
// nothing: half-open.
func (l *Link) ResetClient() {
	l.up.hole.Store(true)
	l.down.hole.Store(true)
	reset(l.client)
	l.down.stop()
}

// Swallow makes a black hole of both directions: neither side learns anything.
func (l *Link) Swallow() {
	l.up.hole.Store(true)
	l.down.hole.Store(true)
}

// SwallowDown makes a black hole of the way to the client alone.
func (l *Link) SwallowDown() { l.down.hole.Store(true) }

// Tear lets a random part of the next bytes to the client through and then resets.
func (l *Link) Tear() { l.down.tear.Store(true) }

// Stall holds everything back for a time; then it goes on, whole.
func (l *Link) Stall(d time.Duration) {
	until := time.Now().Add(d)
	l.up.still.Store(&until)
	l.down.still.Store(&until)
}

// run carries bytes until both directions have ended.
func (l *Link) run() {
	var group sync.WaitGroup
	for _, p := range []*pipe{&l.down, &l.up} {
		group.Go(p.read)
		group.Go(p.write)
	}
	group.Wait()
	_ = l.client.Close()
	_ = l.target.Close()
}

func (p *pipe) stop() { p.end.Do(func() { close(p.done) }) }

func (p *pipe) read() {
	defer close(p.chunks)
	for {
		buf := make([]byte, chunkBytes)
		n, err := p.from.Read(buf)
		if n > 0 && !p.hole.Load() {
			select {
			case p.chunks <- chunk{buf[:n], time.Now()}:
			case <-p.done:
				return
			}
		}
		if err != nil {
			p.broken.Store(err != io.EOF)
			return
		}
	}
}

// write ends when the stream does, or when the other side takes no more.
func (p *pipe) write() {
	defer p.stop()
	for c := range p.chunks {
		w := p.link.weather.Load()
		travel := w.Delay
		if w.Jitter > 0 {
			travel += time.Duration(p.random.Int64N(int64(w.Jitter)))
		}
		if !p.wait(time.Until(c.read.Add(travel))) || !p.deliver(c.bytes) {
			if !p.hole.Load() {
				reset(p.from) // it learns that the peer has gone
			}
			return
		}
	}
	switch {
	case p.hole.Load():
	case p.broken.Load():
		reset(p.to)
	default:
		_ = p.to.CloseWrite()
	}
}

// deliver writes in segments; false when the connection is over.
func (p *pipe) deliver(b []byte) bool {
	for len(b) > 0 {
		if until := p.still.Load(); until != nil && !p.wait(time.Until(*until)) {
			return false
		}
		if p.hole.Load() {
			return true
		}
		n, w := len(b), p.link.weather.Load()
		if w.Segment > 0 {
			n = min(n, 1+p.random.IntN(w.Segment))
		}
		tear := p.tear.Load()
		if tear {
			n = p.random.IntN(len(b))
		}
		if _, err := p.to.Write(b[:n]); err != nil {
			return false
		}
		if tear {
			p.link.Reset()
			return false
		}
		if w.Rate > 0 && !p.wait(time.Duration(n)*time.Second/time.Duration(w.Rate)) {
			return false
		}
		b = b[n:]
	}
	return true
}

// wait is false when the pipe was stopped first.
func (p *pipe) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.done:
		return false
	}
}
