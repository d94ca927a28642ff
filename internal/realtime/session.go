package realtime

import (
	"sync/atomic"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime/outbox"
)

// Session is one attached socket. The roster fills its queue, the transport empties it.
type Session struct {
	user      *onlineUser // set when the session enters the roster
	transport Transport
	id        string
	rival     *Session // the newer one of the same id that it is probed for; the roster's mu guards it
	index     int32    // in roster.sessions; the roster's mu guards it
	form      form
	extras    chime.Extras
	wants     bool          // extras, so SESSION_ESTABLISHED names those that it has
	standing  any           // what the hub's authority knows its credentials by; nil: nothing can end them
	client    Client        // nil when its texts have no meaning
	token     atomic.Uint64 // position of the latest resume token
	reading   *reading      // what is to be read for it once it begins; nil from then on
	queue     outbox.Queue
}

// newSession makes a session that is on no roster yet.
func (env *environment) newSession(g Grant, t Transport) *Session {
	s := &Session{transport: t, id: g.SessionID, standing: g.Standing}
	s.extras, s.wants = g.Extras, g.Extras != 0
	if g.Extras&chime.ExtraTyping != 0 && env.Typing != nil {
		s.client = env.Typing(g)
	}
	if g.Compressed {
		s.form |= compressed
	}
	if g.Resume && env.Signer != nil {
		s.form |= withPosition
	}
	s.reading = env.newReading(s, g)
	return s
}

// begin lets the session have what comes after a position of the log. The caller holds the
// roster's mu.
func (s *Session) begin(position uint64) {
	if s.form&withPosition != 0 {
		s.beginResuming(position)
		return
	}
	s.open(position, []*outbox.Frame{s.system(chime.EventSessionEstablished, nil)}, false)
}

// open opens the queue with the first frames. What is to be read follows them.
func (s *Session) open(after uint64, first []*outbox.Frame, held bool) {
	var source outbox.Source
	if s.reading != nil && !s.reading.isOver() {
		source = s.reading
	}
	s.reading = nil
	s.queue.Open(after, first, source, held)
}

// push puts the frames of events at the end of the queue, and returns how many bytes wait there then. It
// reports false when the session has to be closed because its reader is too slow. With write the transport
// may write at once; the caller holds no lock then.
func (s *Session) push(frames []*outbox.Frame, events []*chime.Event, write bool) (waiting int, ok bool) {
	return s.queue.PushAll(frames, events, write)
}

// Take appends waiting frames to frames, in order, up to about maxBytes but at least one. When
// there are none, Ready will be called before there are.
func (s *Session) Take(frames [][]byte, maxBytes int) [][]byte { return s.queue.Take(frames, maxBytes) }

// Beat is called periodically, at most every few seconds, while the socket is open.
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
	s.queue.Close()
	s.user.roster.leave(s)
}

// endSlow closes a session that would miss an event.
func (s *Session) endSlow() { s.end(CloseInternalError, "slow consumer") }

// end closes a session that the hub gave up. The caller does not hold the roster's mu.
func (s *Session) end(code int, reason string) { s.endAs(reason, code, reason) }

// endAs does so for a reason that is counted under a shorter name.
func (s *Session) endAs(name string, code int, reason string) {
	if s.queue.Close() {
		s.env().closed.add(name)
		s.transport.Close(code, reason)
	}
}

func (s *Session) env() *environment { return s.user.roster.env }

// owner is a session as its queue sees it.
type owner Session

var _ outbox.Session = (*owner)(nil)

func (o *owner) Ready() { o.transport.Ready() }
func (o *owner) Write() { o.transport.Write() }

func (o *owner) Remake(stale []*outbox.Frame) (map[*outbox.Frame]*outbox.Frame, error) {
	return (*Session)(o).remake(stale)
}

func (o *owner) Fail(err error) { (*Session)(o).fail(err) }
