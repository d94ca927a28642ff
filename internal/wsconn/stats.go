package wsconn

import "maps"

// Stats counts what the server did. Counts only grow, except Open and Pending.
type Stats struct {
	Open     int // sockets now, those that are not authenticated included
	Pending  int // upgrades and sockets that are not authenticated, now
	Waiting  int // authenticated sockets that wait for a turn of their user, now
	Refused  int // sockets that were refused and wait for their peer's close frame, now
	Accepted uint64
	// Rejected requests got an HTTP error instead of a WebSocket, by reason: upgrade, query, busy,
	// address, stopping or lost.
	Rejected map[string]uint64
	// CutOff are refused sockets that made room for others, without a wait for their peer.
	CutOff        uint64
	Closed        map[Ended]uint64
	FramesWritten uint64 // of sessions; control frames are not counted
	BytesWritten  uint64 // with headers, control frames and the answers to upgrades
}

// Ended labels the end of a socket.
type Ended struct {
	// Cause is client, lost, refused, hub, expired, shutdown, protocol, flood, ping_timeout or
	// write_timeout.
	Cause string
	// Code is that of the server's close frame, whether it got through or not; 1006 when there
	// was none, 0 when it echoed the client's, which may be any.
	Code int
}

// Stats returns the counts so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := s.counts
	counts.Waiting = s.door.waiting
	counts.Pending, counts.Refused = s.door.pending, len(s.door.refused)
	counts.Closed, counts.Rejected = maps.Clone(s.counts.Closed), maps.Clone(s.counts.Rejected)
	counts.FramesWritten, counts.BytesWritten = s.framesWritten.Load(), s.bytesWritten.Load()
	return counts
}

// accepted counts a new connection. Its result is not nil when it has to end at once, because
// Shutdown may not have seen it.
func (s *Server) accepted() *ending {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Accepted++
	s.counts.Open++
	return s.ending
}

func (s *Server) wrote(frames, bytes int) {
	s.framesWritten.Add(uint64(frames))
	s.bytesWritten.Add(uint64(bytes))
}

// gone uncounts a connection whose goroutines have ended.
func (s *Server) gone(c *conn) {
	c.logEnd(s.opts.Log)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.door.leavePending(c)
	s.door.forget(c)

	label := Ended{c.end.cause, c.end.code}
	if label.Cause == causeClient {
		label.Code = 0
	}
	s.counts.Open--
	s.counts.Closed[label]++
	s.leave()
}

// leave counts out a request or connection; the last one lets Shutdown return. The caller
// holds mu.
func (s *Server) leave() {
	if s.live--; s.live == 0 && s.ending != nil {
		s.ended()
	}
}

// ended follows the last connection of a server that stops. The caller holds mu.
func (s *Server) ended() {
	close(s.empty)
	if s.poller != nil {
		s.poller.stop()
	}
}
