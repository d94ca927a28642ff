package realtime

import (
	"sync"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Session is one attached socket. The hub fills its queue, the transport empties it.
type Session struct {
	roster    *roster
	user      *onlineUser
	transport Transport
	id        string
	rival     *Session // the newer one of the same id that it is probed for; the roster's mu guards it
	index     int32    // in roster.sessions; the roster's mu guards it
	standing  any      // what the hub's authority knows its credentials by; nil: nothing can end them
	client    Client   // nil when its texts have no meaning
	form      form
	extras    Extras
	wants     bool // extras, so it is told which it has

	mu     sync.Mutex
	told   bool // Ready was called and there was something to take since
	closed bool
	bytes  int // of all frames in the queue
	queue  []*frame
	after  uint64 // events of the log up to here are none of its queue's
	looked uint64 // up to here removals were looked at: see withdraw
	token  uint64 // position of the latest resume token
	pull   *pull  // what is read for it besides the queue; nil when nothing is left
}

// newSession makes a session that is on no roster yet.
func (env *environment) newSession(g Grant, t Transport) *Session {
	s := &Session{transport: t, id: g.SessionID, standing: g.Standing}
	if g.Extras != 0 && env.Companion != nil {
		s.extras, s.wants, s.client = g.Extras, true, env.Companion.Client(g)
	}
	if g.Compressed {
		s.form |= compressed
	}
	if g.Resume && env.Signer != nil {
		s.form |= withPosition
		s.pull = env.resume(userKey{g.App, g.User}, g.ResumeFrom)
	}
	if g.Prefetch && env.Prefetch != nil {
		if s.pull == nil {
			s.pull = new(pull)
		}
		s.pull.prefetch = &prefetch{sort: g.PrefetchSort}
	}
	return s
}

// begin lets the session have what comes after a position of the log. The caller holds the
// roster's mu.
func (s *Session) begin(position uint64) {
	s.mu.Lock()
	s.after = position
	var first *frame
	if s.form&withPosition != 0 {
		first = s.beginResuming(position)
	} else {
		first = s.system(chime.EventSessionEstablished, nil)
	}
	if s.pull != nil {
		s.pull.head = append([]*frame{first}, s.pull.head...)
	} else {
		s.queue, s.bytes = append(s.queue, first), len(first.bytes)
	}
	s.tell()
}

// push puts the frame of an event at the end of the queue. It reports false when the session has
// to be closed because its reader is too slow.
func (s *Session) push(f *frame, e *chime.Event) bool {
	s.mu.Lock()
	if s.closed || !e.Ephemeral && e.Position <= s.after {
		s.mu.Unlock()
		return true
	}
	return s.add(f)
}

// add is the end of push and gives mu back.
func (s *Session) add(f *frame) bool {
	holds := s.pull != nil && s.pull.holds
	if s.bytes+len(f.bytes) > s.roster.env.MaxQueueBytes && s.bytes > 0 {
		if holds { // it waits for no reader, but for the log, which has the frames too
			s.pull.lagging = true
			s.queue, s.bytes = nil, 0
		}
		s.mu.Unlock()
		return holds
	}
	if holds && s.pull.lagging {
		s.mu.Unlock()
		return true
	}
	s.queue = append(s.queue, f)
	s.bytes += len(f.bytes)
	if holds {
		s.mu.Unlock()
		return true
	}
	s.tell()
	return true
}

// tell calls Ready unless it was, and gives mu back.
func (s *Session) tell() {
	tell := !s.told
	s.told = true
	s.mu.Unlock()
	if tell {
		s.transport.Ready()
	}
}

// Take appends waiting frames to frames, in order, up to about maxBytes but at least one. When
// there are none, Ready will be called before there are.
func (s *Session) Take(frames [][]byte, maxBytes int) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.roster.removals.Load(); r.last > s.looked && s.withdraw(r) {
		s.told = false
		return frames
	}
	before, size := len(frames), 0
	if p := s.pull; p != nil {
		n := fitting(p.head, maxBytes, &size)
		frames = appendBytes(frames, p.head[:n])
		if p.head = p.head[n:]; len(p.head) == 0 {
			p.head = nil
			s.pullMore()
		}
		if p.holds || len(p.head) > 0 {
			s.told = len(frames) > before
			return frames
		}
	}
	begun := size
	n := fitting(s.queue, maxBytes, &size)
	frames = appendBytes(frames, s.queue[:n])
	s.bytes -= size - begun
	clear(s.queue[:n])
	if s.queue = s.queue[n:]; len(s.queue) == 0 {
		s.queue = nil // an idle session keeps no memory
	}
	s.told = len(frames) > before
	return frames
}

func appendBytes(to [][]byte, frames []*frame) [][]byte {
	for _, f := range frames {
		to = append(to, f.bytes)
	}
	return to
}

// fitting counts the frames that fit into maxBytes besides size bytes, but at least one when
// size is zero, and adds theirs to size.
func fitting(frames []*frame, maxBytes int, size *int) (n int) {
	for n < len(frames) && (*size == 0 || *size+len(frames[n].bytes) <= maxBytes) {
		*size += len(frames[n].bytes)
		n++
	}
	return n
}

// Beat is called now and then, at most every few seconds, while the socket is open.
func (s *Session) Beat() {
	if s.form&withPosition != 0 {
		s.renewToken()
	}
}

// Received takes a text message of the client. Those of no meaning are ignored.
func (s *Session) Received(text []byte) {
	if s.client != nil {
		s.client.Received(text)
	}
}

// Detach takes the session off the roster. It may be called more than once.
func (s *Session) Detach() {
	s.stop()
	s.roster.leave(s)
}

// endSlow closes a session that would miss an event.
func (s *Session) endSlow() { s.end(CloseInternalError, "slow consumer") }

// end closes a session that the hub gave up. The caller does not hold the roster's mu.
func (s *Session) end(code int, reason string) { s.endAs(reason, code, reason) }

// endAs does so for a reason that is counted under a shorter name.
func (s *Session) endAs(name string, code int, reason string) {
	if s.stop() {
		s.roster.env.closed.add(name)
		s.transport.Close(code, reason)
	}
}

// ended reports whether the session was closed.
func (s *Session) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// stop ends the queue; the first call reports true.
func (s *Session) stop() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.closed
	s.closed, s.queue, s.bytes, s.pull = true, nil, 0, nil
	return first
}

// userKey names a user across app instances.
type userKey struct {
	app  string
	user chime.Ref
}

func (s *Session) userKey() userKey { return userKey{s.roster.app, s.user.ref} }
