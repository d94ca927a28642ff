package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// PrefetchSort is the order by which the 50 channels of a prefetch are chosen.
type PrefetchSort string

// The orders; empty stands for unread ones first, the latest of them first.
const (
	PrefetchSortUnread               PrefetchSort = "unread"
	PrefetchSortLastMessageTimestamp PrefetchSort = "last-message-timestamp"
)

// Extra is an event type of Carillon's own that a session asks for. The app instance must have
// opted in as well.
type Extra string

// The extras.
const (
	ExtraPresence Extra = "presence"
	ExtraTyping   Extra = "typing"
	ExtraUnread   Extra = "unread"
)

// Reconnect bounds how a session reconnects. Waits are random between zero and a limit that
// doubles from First to Longest.
type Reconnect struct {
	// Window is how long to try, from the loss of a socket (or the call of Connect) to the next
	// SESSION_ESTABLISHED. Zero is for ever.
	Window         time.Duration
	First, Longest time.Duration // zero stands for those of DefaultReconnect
}

// DefaultReconnect has the limits of amazon-chime-sdk-js.
var DefaultReconnect = Reconnect{Window: 10 * time.Second, First: time.Second, Longest: 5 * time.Second}

// SessionConfig configures a session.
type SessionConfig struct {
	UserARN string // whose events
	// SessionID names the session to the server, which closes an older socket of the same user and
	// id. Empty stands for a random one.
	SessionID string

	Prefetch     bool         // ask for CHANNEL_DETAILS after each connect
	PrefetchSort PrefetchSort // with Prefetch
	Extras       []Extra
	Compress     bool // offer permessage-deflate

	// ResumeFrom is Event.ResumeFrom of the last event handled by an earlier session of the user.
	ResumeFrom string
	// NoResume makes a session like those of other SDKs: what happens between two sockets is lost
	// silently.
	NoResume bool

	Reconnect *Reconnect // nil stands for DefaultReconnect
	// ConnectTimeout bounds one try, from asking for the endpoint to SESSION_ESTABLISHED. Zero
	// stands for 10 s.
	ConnectTimeout time.Duration
	// Liveness is how long the server may be silent, neither pinging nor answering a ping, before
	// the connection counts as broken. Zero stands for 45 s.
	Liveness time.Duration
	// Ahead is how many events are read before the caller takes them. Zero stands for 64.
	Ahead int
	// OnDisconnect is called when a socket is lost or a try fails, with how long the session waits
	// before the next. It must return soon, and not call Close.
	OnDisconnect func(err error, wait time.Duration)
}

const (
	defaultConnectTimeout = 10 * time.Second
	defaultLiveness       = 45 * time.Second
	defaultAhead          = 64
	farewell              = time.Second // for the close handshake
)

// Session is a WebSocket that stays connected. Its methods are safe for use by several goroutines;
// each event goes to one of them.
type Session struct {
	client *Client
	cfg    SessionConfig
	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc

	events      chan Event    // closed at the end, when err is set
	established chan struct{} // closed by the first SESSION_ESTABLISHED
	first       sync.Once
	err         error

	closing atomic.Bool // Close was called

	mu   sync.Mutex
	conn *websocket.Conn // nil while there is none
	wire io.Closer       // what it runs over

	from resumePoint // of the goroutine that runs the session
}

// Connect opens a session and returns after its first SESSION_ESTABLISHED. ctx bounds the opening
// alone; the session lives until Close, or until it gives up.
func (c *Client) Connect(ctx context.Context, cfg SessionConfig) (*Session, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Session{client: c, cfg: cfg, events: make(chan Event, cfg.Ahead), established: make(chan struct{})}
	if err := s.from.set(cfg.ResumeFrom); err != nil {
		return nil, err
	}

	// The session outlives ctx, which bounds the opening alone.
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	go s.run()
	select {
	case <-s.established:
		return s, nil
	case <-s.ctx.Done():
		select {
		case <-s.established: // and ended already, which the caller learns with its events
			return s, nil
		default:
		}
		s.finish() // it gave up
		return nil, s.err
	case <-ctx.Done():
		s.cancel(ErrClosed)
		s.finish()
		return nil, fmt.Errorf("client: connect: %w", context.Cause(ctx))
	}
}

// complete checks the configuration and fills in defaults.
func (c *SessionConfig) complete() error {
	switch {
	case c.UserARN == "":
		return errors.New("client: UserARN is missing")
	case c.ConnectTimeout < 0 || c.Liveness < 0 || c.Ahead < 0:
		return errors.New("client: ConnectTimeout, Liveness and Ahead must not be negative")
	case c.NoResume && c.ResumeFrom != "":
		return errors.New("client: ResumeFrom and NoResume exclude each other")
	}

	r := DefaultReconnect
	if c.Reconnect != nil {
		r = *c.Reconnect
		r.First = cmp.Or(r.First, DefaultReconnect.First)
		r.Longest = cmp.Or(r.Longest, max(r.First, DefaultReconnect.Longest))
	}

	if r.Window < 0 || r.First < 0 || r.Longest < r.First {
		return fmt.Errorf("client: Reconnect %+v: durations must not be negative, nor Longest shorter than First", r)
	}

	c.Reconnect = &r
	c.SessionID = cmp.Or(c.SessionID, strconv.FormatUint(uint64(rand.Uint32()), 10))
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, defaultConnectTimeout)
	c.Liveness = cmp.Or(c.Liveness, defaultLiveness)
	c.Ahead = cmp.Or(c.Ahead, defaultAhead)
	return nil
}

// Next returns the next event. It fails with the context's error, or permanently when the session
// has ended: with ErrClosed after Close, else with an error that wraps the last failure, such as a
// *CloseError or an *Error. Events that came before the end are returned first.
func (s *Session) Next(ctx context.Context) (Event, error) {
	select {
	case e, ok := <-s.events:
		if !ok {
			return Event{}, s.err
		}
		return e, nil
	case <-ctx.Done():
		return Event{}, context.Cause(ctx)
	}
}

// Events gives the events until ctx or the session ends. The last pair has an error, as Next
// returns it.
func (s *Session) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err := s.Next(ctx)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Close ends the session and waits until nothing of it is left: a server that does not answer the
// close frame is given at most five seconds. Events that were not taken are dropped.
func (s *Session) Close() error {
	s.closing.Store(true)
	if conn, wire := s.connected(); conn != nil && s.ctx.Err() == nil {
		giveUp := time.AfterFunc(farewell, func() {
			s.cancel(ErrClosed)
			_ = wire.Close() // conn waits for the rest of a message without a bound
		})
		_ = conn.Close(websocket.StatusNormalClosure, "") // it is over either way
		giveUp.Stop()
	}
	s.cancel(ErrClosed)
	s.finish()
	return nil
}

// finish waits for the end of run.
func (s *Session) finish() {
	for range s.events { // events that were not taken
	}
}

// ErrNotConnected reports that the session has no socket at the moment.
var ErrNotConnected = errors.New("client: the session is not connected")

// SendTyping notifies the other members of a channel that have the extra that the user is writing.
// It fails with ErrNotConnected between two sockets: a late notice would be of no use.
func (s *Session) SendTyping(ctx context.Context, channelARN string) error {
	return s.SendTypingIn(ctx, channelARN, "")
}

// SendTypingIn does it in a sub-channel of an elastic channel.
func (s *Session) SendTypingIn(ctx context.Context, channelARN, subChannelID string) error {
	conn, _ := s.connected()
	if conn == nil {
		return ErrNotConnected
	}
	text, err := json.Marshal(struct {
		Action       string
		ChannelARN   string `json:"ChannelArn"`
		SubChannelID string `json:"SubChannelId,omitempty"`
	}{"TYPING", channelARN, subChannelID})
	if err != nil {
		return err
	}
	return conn.Write(ctx, websocket.MessageText, text)
}

func (s *Session) connected() (*websocket.Conn, io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn, s.wire
}

func (s *Session) setConn(conn *websocket.Conn, wire io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.wire = conn, wire
}
