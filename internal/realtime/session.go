package realtime

import "sync"

// Session is one attached socket. The hub fills its queue, the transport empties it.
type Session struct {
	hub       *Hub
	transport Transport
	member    *member
	id        string

	mu     sync.Mutex
	queue  [][]byte
	bytes  int  // of all frames in the queue
	told   bool // Ready was called and the queue was not found empty since
	closed bool
}

// push puts a frame at the end of the queue. It reports false when the session has to be
// closed because its reader is too slow.
func (s *Session) push(frame []byte) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return true
	}
	if s.bytes+len(frame) > s.hub.opts.MaxQueueBytes && s.bytes > 0 {
		s.mu.Unlock()
		return false
	}
	s.queue = append(s.queue, frame)
	s.bytes += len(frame)
	tell := !s.told
	s.told = true
	s.mu.Unlock()
	if tell {
		s.transport.Ready()
	}
	return true
}

// Take appends waiting frames to frames, in order, up to about maxBytes but at least one. When
// there are none, Ready will be called before there are.
func (s *Session) Take(frames [][]byte, maxBytes int) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, 0
	for n < len(s.queue) && (n == 0 || size+len(s.queue[n]) <= maxBytes) {
		size += len(s.queue[n])
		n++
	}
	frames = append(frames, s.queue[:n]...)
	s.bytes -= size
	clear(s.queue[:n])
	if s.queue = s.queue[n:]; len(s.queue) == 0 {
		s.queue = nil // an idle session keeps no memory
	}
	s.told = n > 0
	return frames
}

// Beat is called now and then, at most every few seconds, while the socket is open.
func (s *Session) Beat() {}

// Received takes a text message of the client. Those of no meaning are ignored.
func (s *Session) Received([]byte) {}

// Detach takes the session off the hub. It may be called more than once.
func (s *Session) Detach() {
	s.stop()
	s.hub.mu.Lock()
	s.hub.leave(s)
	s.hub.mu.Unlock()
}

// stop ends the queue; the first call reports true.
func (s *Session) stop() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.closed
	s.closed, s.queue, s.bytes = true, nil, 0
	return first
}
