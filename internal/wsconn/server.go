package wsconn

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/throttle"
)

// Hub is where an authorised socket becomes a session; OnHub makes one of a realtime.Hub.
type Hub interface {
	// Attach's error is a *realtime.CloseError, or ctx's error.
	Attach(ctx context.Context, g realtime.Grant, t realtime.Transport) (Session, error)
}

// Session is the queue of one socket in the hub. Its calls do not wait: others are served by the
// same goroutines.
type Session interface {
	// Take appends whole frames to frames, in order, about maxBytes but at least one; none when
	// there are none.
	Take(frames [][]byte, maxBytes int) [][]byte
	// Beat is called at each ping.
	Beat()
	// Received takes a text message of the client, which it may not keep.
	Received(text []byte)
	// Detach takes the session off the hub. It may be called more than once.
	Detach()
}

// OnHub lets sockets attach to the hub.
func OnHub(h *realtime.Hub) Hub { return hub{h} }

type hub struct{ *realtime.Hub }

func (h hub) Attach(ctx context.Context, g realtime.Grant, t realtime.Transport) (Session, error) {
	s, err := h.Hub.Attach(ctx, g, t)
	if err != nil {
		return nil, err // not a Session that holds a nil *realtime.Session
	}
	return s, nil
}

// AuthenticateFunc checks a connect request and tells what it is entitled to, or the close
// frame that refuses it. ctx ends when time is up or the server stops.
type AuthenticateFunc func(ctx context.Context, r *http.Request) (realtime.Grant, *realtime.CloseError)

// Options of a Server. Hub and Authenticate are required; zero values of the rest mean the
// defaults.
type Options struct {
	Hub          Hub
	Authenticate AuthenticateFunc
	// Engine moves the bytes (default EngineAuto).
	Engine Engine
	// Now is the clock by which credentials expire (default time.Now).
	Now func() time.Time
	Log *slog.Logger // default: no logs
	// Limiter bounds the connections that one user opens in a second, successful ones alone;
	// nil does not.
	Limiter *throttle.Limiter

	// PingInterval lies between two pings of a connection (default 30 s). Credentials expire
	// with a thirtieth of it as precision.
	PingInterval time.Duration
	// MissedPings is how many pings may stay without any sign of life (default 2).
	MissedPings int
	// WriteTimeout bounds one write, of at most 32 KiB or one frame (default 10 s).
	WriteTimeout time.Duration
	// CloseTimeout bounds the writing of a close frame, and then the wait for the peer's
	// (default 3 s each).
	CloseTimeout time.Duration
	// AuthTimeout bounds authentication and attaching to the hub together (default 5 s).
	AuthTimeout time.Duration
	// MaxPending bounds the sockets that are not authenticated, refused ones that still wait
	// for their peer included (default 1,024). Beyond, upgrades get 503.
	MaxPending int
	// ReadLimit bounds a message of a client, in bytes (default 4 KiB, spec 4.3).
	ReadLimit int
	// Compression accepts permessage-deflate from clients that offer it.
	Compression bool
	// SendBuffer is what the kernel may hold for one peer, in bytes (default 128 KiB).
	SendBuffer int
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Engine == "" {
		o.Engine = EngineAuto
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	or(&o.PingInterval, 30*time.Second)
	or(&o.MissedPings, 2)
	or(&o.WriteTimeout, 10*time.Second)
	or(&o.CloseTimeout, 3*time.Second)
	or(&o.AuthTimeout, 5*time.Second)
	or(&o.MaxPending, 1024)
	or(&o.ReadLimit, 4<<10)
	or(&o.SendBuffer, 128<<10)
}

func or[T int | time.Duration](value *T, standard T) {
	if *value <= 0 {
		*value = standard
	}
}

// Server is the handler of GET /connect and the owner of all sockets that came through it.
type Server struct {
	opts     Options
	wheel    wheel
	poller   *poller         // nil: every connection has its goroutine
	stopping context.Context // ends authentications
	stop     context.CancelFunc

	turns chan struct{} // a place for each connection that is being made

	framesWritten, bytesWritten atomic.Uint64

	mu      sync.Mutex
	live    int     // requests and connections that have not ended
	ending  *ending // set by Shutdown
	empty   chan struct{}
	pending int
	counts  Stats
}

// New makes a server without connections. It starts no goroutine.
func New(opts Options) *Server {
	opts.setDefaults()
	s := &Server{opts: opts}
	s.wheel.init(&s.opts)
	if opts.Engine != EngineGoroutine {
		s.poller = newPoller()
	}
	s.turns = make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.counts.Closed = make(map[Ended]uint64)
	return s
}

// ServeHTTP upgrades the request, authenticates it, and leaves the connection to its engine, so
// that net/http's goroutine with its buffers and the request are freed.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, refused := checkUpgrade(r)
	if refused == nil {
		refused = s.enter()
	}
	if refused != nil {
		s.rejected()
		refused.write(w)
		return
	}
	defer s.turn(r)()
	extension := ""
	if s.opts.Compression {
		extension = acceptDeflate(r.Header["Sec-Websocket-Extensions"])
	}
	nc, early, err := upgrade(w, key, extension, s.opts.CloseTimeout)
	if err != nil {
		s.left()
		s.rejected()
		s.opts.Log.Debug("websocket upgrade failed", "error", err, "remote", r.RemoteAddr)
		if errors.Is(err, http.ErrNotSupported) {
			http.Error(w, "this connection cannot become a WebSocket", http.StatusInternalServerError)
		}
		return
	}
	c := s.open(nc)
	c.deflated = extension != ""
	s.wheel.add(c)
	if e := s.accepted(); e != nil {
		c.shut(*e)
	}
	defer func() {
		if c.session == nil { // refused and closing already, or authentication panicked
			c.shut(ending{causeRefused, codeInternal, "internal error"})
		}
		c.link.start(early)
	}()
	s.authenticate(c, r)
}

// turn waits until few others are being connected, so that those who return together do not fill
// the queue of the scheduler, in which everybody else waits too. It gives up with the request.
func (s *Server) turn(r *http.Request) (done func()) {
	select {
	case s.turns <- struct{}{}:
		return func() { <-s.turns }
	case <-r.Context().Done(): // the rest fails by itself
	case <-s.stopping.Done():
	}
	return func() {}
}

// open makes a connection of an upgraded socket, with the engine that there is for it.
func (s *Server) open(nc net.Conn) *conn {
	if tcp, ok := innermost(nc).(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(s.opts.SendBuffer) // a hint
		limitSilence(tcp, s.opts.PingInterval*time.Duration(s.opts.MissedPings))
	}
	if s.poller != nil {
		if c := s.poller.adopt(s, nc); c != nil {
			return c
		}
	}
	return newBlocking(s, nc)
}

// authenticate makes a session of the connection, or closes it.
func (s *Server) authenticate(c *conn, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), s.opts.AuthTimeout)
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()

	grant, refused := s.opts.Authenticate(ctx, r)
	var session Session
	if refused == nil {
		unshare(&grant)
		grant.Compressed = c.deflated
		session, refused = s.attach(ctx, grant, c)
	}
	if refused != nil {
		if ctx.Err() != nil {
			refused = &realtime.CloseError{Code: codeTryLater, Reason: "connecting took too long, try again"}
		}
		c.shut(ending{causeRefused, refused.Code, refused.Reason})
		return
	}
	c.attach(session, &grant)
	s.admitted()
	s.wheel.plan(c, grant.Expires)
}

func (s *Server) attach(ctx context.Context, g realtime.Grant, c *conn) (Session, *realtime.CloseError) {
	if err := s.opts.Limiter.Connect(g.UserARN); err != nil {
		return nil, &realtime.CloseError{Code: realtime.CloseThrottled, Reason: err.Error()}
	}
	session, err := s.opts.Hub.Attach(ctx, g, c)
	if err == nil {
		return session, nil
	}
	s.opts.Limiter.NotConnected(g.UserARN) // a client in a loop gets in once it may
	var refused *realtime.CloseError
	if !errors.As(err, &refused) {
		if ctx.Err() == nil { // else the server stops, or it takes too long
			s.opts.Log.Error("cannot attach session", "error", err, "user", g.UserARN)
		}
		refused = &realtime.CloseError{Code: codeInternal, Reason: "internal error"}
	}
	return nil, refused
}

// unshare copies the grant's strings: pieces of the query would keep all of it in memory, with
// the session token, for as long as the connection lives.
func unshare(g *realtime.Grant) {
	g.UserARN = strings.Clone(g.UserARN)
	g.App = piece(g.UserARN, g.App)
	g.User = chime.Ref(piece(g.UserARN, string(g.User)))
	g.SessionID = strings.Clone(g.SessionID)
	g.PrefetchSort = strings.Clone(g.PrefetchSort)
	g.ResumeFrom = strings.Clone(g.ResumeFrom)
}

// piece is the part within the whole if it is there, so that they share memory, else a copy.
func piece(whole, part string) string {
	if at := strings.Index(whole, part); at >= 0 {
		return whole[at : at+len(part)]
	}
	return strings.Clone(part)
}

// Shutdown closes all connections with the code and reason and waits until they have ended.
// When ctx is done first it cuts the rest off and returns ctx's error. From now on requests
// get 503.
func (s *Server) Shutdown(ctx context.Context, code int, reason string) error {
	e := ending{causeShutdown, code, reason}
	s.mu.Lock()
	s.ending = &e
	if s.empty == nil {
		s.empty = make(chan struct{})
		if s.live == 0 {
			s.ended()
		}
	}
	s.mu.Unlock()
	s.stop()
	for _, c := range s.wheel.all() {
		c.shut(e)
	}
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
	}
	for _, c := range s.wheel.all() {
		c.giveUp(causeShutdown)
	}
	return ctx.Err()
}
