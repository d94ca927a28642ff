package wsconn

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/obs"
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
	// Probed tells whether the client showed a sign of life after realtime.Transport.Probe.
	Probed(alive bool)
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

// ScreenFunc tells by the query of a connect request alone why no client would send it, or
// nothing. It is asked before the upgrade and keeps nothing.
type ScreenFunc func(r *http.Request) (refusal string)

// AuthenticateFunc checks a connect request and tells what it is entitled to, or the close
// frame that refuses it. ctx ends when time is up or the server stops.
type AuthenticateFunc func(ctx context.Context, r *http.Request) (realtime.Grant, *realtime.CloseError)

// logInterval lies between two lines of a kind whose number callers decide.
const logInterval = time.Second

// Options of a Server. Hub and Authenticate are required; zero values of the rest mean the
// defaults.
type Options struct {
	Hub          Hub
	Authenticate AuthenticateFunc
	// Screen has requests that it refuses answered with 403; nil accepts all.
	Screen ScreenFunc
	// Secure reports whether a request came over TLS, for logs; nil looks at the request alone.
	Secure func(*http.Request) bool
	// Engine moves the bytes (default EngineAuto).
	Engine Engine
	// Now is the clock by which credentials expire (default time.Now).
	Now func() time.Time
	Log *slog.Logger // default: no logs
	// Limiter bounds the connections that one user opens in a second, successful ones alone;
	// nil does not.
	Limiter *throttle.Limiter

	// ConnectWait is how long a connection over the limiter's rate waits for its turn (default 5 s;
	// negative: not at all). Further ones are closed with 4005, and those beyond MaxWaiting in all
	// (default 1,024).
	ConnectWait time.Duration
	MaxWaiting  int

	// PingInterval lies between two pings of a connection (default 30 s). Credentials expire
	// with a thirtieth of it as precision.
	PingInterval time.Duration
	// MissedPings is how many pings may stay without any sign of life (default 2).
	MissedPings int
	// ProbeTimeout is how long the answer to a probe may take (default 3 s).
	ProbeTimeout time.Duration
	// WriteTimeout bounds one write, of at most 32 KiB or one frame (default 10 s).
	WriteTimeout time.Duration
	// CloseTimeout bounds the writing of a close frame, and then the wait for the peer's
	// (default 3 s each).
	CloseTimeout time.Duration
	// CloseSpread is the time over which Shutdown spreads the closing of sockets, so that their
	// clients do not come back all at once; zero closes all at one moment.
	CloseSpread time.Duration
	// AuthTimeout bounds authentication and attaching to the hub together (default 5 s).
	AuthTimeout time.Duration
	// MaxPending bounds the upgrades and sockets that are not authenticated (default 1,024).
	// Beyond, upgrades get 503.
	MaxPending int
	// MaxPendingPerAddress bounds those of one address, or of one /64 of IPv6, among them
	// (default 512). Beyond, upgrades get 429.
	MaxPendingPerAddress int
	// MaxRefused bounds the refused sockets that wait for their peer's close frame (default 256).
	// The oldest is cut off for the next.
	MaxRefused int
	// ReadLimit bounds a message of a client, in bytes (default 4 KiB, spec 4.3).
	ReadLimit int
	// ClientFrames and ClientBytes are how many frames and bytes a client may send a second, on
	// average over ten seconds, frames of control and pieces of messages included (default 100 and
	// 64 KiB). Half of the one leaves half of the other. A client that sends faster is closed with
	// 1008.
	ClientFrames, ClientBytes int
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
	if o.Secure == nil {
		o.Secure = func(r *http.Request) bool { return r.TLS != nil }
	}
	or(&o.PingInterval, 30*time.Second)
	or(&o.MissedPings, 2)
	or(&o.ProbeTimeout, 3*time.Second)
	or(&o.WriteTimeout, 10*time.Second)
	or(&o.CloseTimeout, 3*time.Second)
	or(&o.AuthTimeout, 5*time.Second)
	if o.ConnectWait == 0 {
		o.ConnectWait = 5 * time.Second
	}
	o.ConnectWait = max(o.ConnectWait, 0)
	or(&o.MaxWaiting, 1024)
	or(&o.MaxPending, 1024)
	or(&o.MaxPendingPerAddress, 512)
	or(&o.MaxRefused, 256)
	or(&o.ReadLimit, 4<<10)
	or(&o.ClientFrames, 100)
	or(&o.ClientBytes, 64<<10)
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
	pace     pace
	poller   *poller         // nil: every connection has its goroutine
	stopping context.Context // ends authentications
	stop     context.CancelFunc

	turns chan struct{} // a place for each connection that is being made

	framesWritten, bytesWritten atomic.Uint64

	refusals, failures *obs.Sampler // of log lines

	mu     sync.Mutex
	live   int     // requests and connections that have not ended
	ending *ending // set by Shutdown
	empty  chan struct{}
	door   door
	counts Stats
}

// New makes a server without connections. It starts no goroutine.
func New(opts Options) *Server {
	opts.setDefaults()
	s := &Server{opts: opts}
	s.wheel.init(&s.opts)
	s.pace = newPace(s.opts.ClientFrames, s.opts.ClientBytes)
	if opts.Engine != EngineGoroutine {
		s.poller = newPoller()
	}
	s.turns = make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.refusals, s.failures = obs.NewSampler(logInterval, opts.Now), obs.NewSampler(logInterval, opts.Now)
	s.door.networks = make(map[netip.Prefix]int)
	s.counts.Closed, s.counts.Rejected = make(map[Ended]uint64), make(map[string]uint64)
	return s
}

// ServeHTTP upgrades the request, authenticates it, and leaves the connection to its engine, so
// that net/http's goroutine with its buffers and the request are freed.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, refused := checkUpgrade(r)
	if refused == nil {
		refused = s.screen(r)
	}
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	if refused == nil {
		refused = s.enter(from)
	}
	if refused != nil {
		s.reject(r, refused)
		refused.write(w)
		return
	}
	extension := ""
	if s.opts.Compression {
		extension = acceptDeflate(r.Header["Sec-Websocket-Extensions"])
	}
	nc, early, err := upgrade(w, key, extension, s.opts.CloseTimeout)
	if err != nil {
		s.left(from)
		s.reject(r, &httpError{reason: rejectedLost, message: err.Error()})
		if errors.Is(err, http.ErrNotSupported) {
			http.Error(w, "this connection cannot become a WebSocket", http.StatusInternalServerError)
		}
		return
	}
	c := s.open(nc, from)
	c.deflated = extension != ""
	s.wheel.add(c)
	if e := s.accepted(); e != nil {
		c.shut(*e)
	}
	decided := false
	defer func() {
		if !decided { // authentication panicked
			s.refuse(c, &realtime.CloseError{Code: codeInternal, Reason: "internal error"})
		}
		c.link.start(early)
	}()
	s.authenticate(c, r)
	decided = true
}

// screen refuses what no client sends before anything is made of it.
func (s *Server) screen(r *http.Request) *httpError {
	if s.opts.Screen == nil {
		return nil
	}
	if refusal := s.opts.Screen(r); refusal != "" {
		return &httpError{rejectedQuery, http.StatusForbidden, refusal, nil}
	}
	return nil
}

// reject counts and logs a request that gets no WebSocket.
func (s *Server) reject(r *http.Request, e *httpError) {
	s.mu.Lock()
	s.counts.Rejected[e.reason]++
	s.mu.Unlock()
	s.logRefusal("websocket rejected", "cause", e.reason, "status", e.status, "reason", e.message, "remote", r.RemoteAddr)
}

// logRefusal writes a line whose number callers decide, strangers among them: one a second, with
// the number of those left out.
func (s *Server) logRefusal(message string, attributes ...any) {
	if omitted, ok := s.refusals.Sample(); ok {
		s.opts.Log.Info(message, append(attributes, "omitted", omitted)...)
	}
}

// turn waits until few others are being connected, so that clients that return together do not
// fill the queue of the scheduler, in which everything else waits too. It gives up with ctx.
func (s *Server) turn(ctx context.Context) (done func()) {
	select {
	case s.turns <- struct{}{}:
		return func() { <-s.turns }
	case <-ctx.Done(): // the rest fails by itself
		return func() {}
	}
}

// open makes a connection of an upgraded socket, with the engine that there is for it. from is
// the client's address; when it is not valid, the socket's.
func (s *Server) open(nc net.Conn, from netip.AddrPort) *conn {
	if tcp, ok := innermost(nc).(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(s.opts.SendBuffer) // a hint
		limitSilence(tcp, s.opts.PingInterval*time.Duration(s.opts.MissedPings))
	}
	if address, ok := nc.RemoteAddr().(*net.TCPAddr); ok && !from.IsValid() {
		from = address.AddrPort()
	}
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	if s.poller != nil {
		if c := s.poller.adopt(s, nc, from); c != nil {
			return c
		}
	}
	return newBlocking(s, nc, from)
}

// authenticate makes a session of the connection, or closes it.
func (s *Server) authenticate(c *conn, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()

	var grant realtime.Grant
	var session Session
	var wait time.Duration // for the rate of the user's connections
	refused := s.inTurn(ctx, func(ctx context.Context) (refused *realtime.CloseError) {
		if grant, refused = s.opts.Authenticate(ctx, r); refused != nil {
			return refused
		}
		unshare(&grant)
		grant.Compressed = c.deflated
		if wait, refused = s.reserve(c, grant.UserARN); refused != nil || wait > 0 {
			return refused
		}
		session, refused = s.attach(ctx, grant, c)
		return refused
	})
	if wait > 0 { // without a turn
		if refused = s.await(ctx, wait); refused == nil {
			refused = s.inTurn(ctx, func(ctx context.Context) (refused *realtime.CloseError) {
				session, refused = s.attach(ctx, grant, c)
				return refused
			})
		}
	}
	if refused != nil {
		s.refuse(c, refused)
		s.logRefusal("websocket refused", "code", refused.Code, "reason", refused.Reason, "user", grant.UserARN, "remote", r.RemoteAddr)
		return
	}
	c.attach(session, &grant)
	s.admitted(c)
	s.wheel.plan(c, grant.Expires)
	s.opts.Log.Debug("websocket opened", "user", grant.UserARN, "session", grant.SessionID, "remote", r.RemoteAddr, "tls", s.opts.Secure(r))
}

// inTurn does a part of connecting. AuthTimeout bounds it and the wait for its turn together.
func (s *Server) inTurn(ctx context.Context, do func(context.Context) *realtime.CloseError) *realtime.CloseError {
	ctx, cancel := context.WithTimeout(ctx, s.opts.AuthTimeout)
	defer cancel()
	defer s.turn(ctx)()
	refused := do(ctx)
	if refused != nil && ctx.Err() != nil {
		return errTooLate
	}
	return refused
}

var errTooLate = &realtime.CloseError{Code: codeTryLater, Reason: "connecting took too long, try again"}

// reserve asks the limiter for the user's next turn to connect. A connection that waits for it is
// authenticated, so it gives its place among the pending back.
func (s *Server) reserve(c *conn, userARN string) (wait time.Duration, refused *realtime.CloseError) {
	patience := s.opts.ConnectWait
	if !s.mayWait() {
		patience = 0
	}
	wait, err := s.opts.Limiter.Connect(userARN, patience)
	if err != nil {
		return 0, &realtime.CloseError{Code: realtime.CloseThrottled, Reason: err.Error()}
	}
	if wait > 0 {
		s.waits(c)
	}
	return wait, nil
}

// await waits for a turn that was reserved.
func (s *Server) await(ctx context.Context, wait time.Duration) *realtime.CloseError {
	defer s.waited()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errTooLate
	}
}

func (s *Server) attach(ctx context.Context, g realtime.Grant, c *conn) (Session, *realtime.CloseError) {
	session, err := s.opts.Hub.Attach(ctx, g, c)
	if err == nil {
		return session, nil
	}
	s.opts.Limiter.NotConnected(g.UserARN) // a client in a loop gets in once it may
	var refused *realtime.CloseError
	if !errors.As(err, &refused) {
		if ctx.Err() == nil { // else the server stops, or it takes too long
			if omitted, ok := s.failures.Sample(); ok {
				s.opts.Log.Error("cannot attach session", "error", err, "user", g.UserARN, "omitted", omitted)
			}
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

// Shutdown closes all connections with the code and reason, spread over CloseSpread, and waits until
// they have ended.
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
	s.closeAll(ctx, e)
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

// closeAll closes the connections in an order of chance, evenly over CloseSpread, each at some moment
// of its share. It ends early with ctx, or when none is left.
func (s *Server) closeAll(ctx context.Context, e ending) {
	all := s.wheel.all()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	share := float64(s.opts.CloseSpread) / float64(max(len(all), 1))
	begin := time.Now()
	for i, c := range all {
		at := time.Duration((float64(i) + rand.Float64()) * share)
		if wait := at - time.Since(begin); wait > 0 {
			select {
			case <-time.After(wait):
			case <-s.empty:
				return
			case <-ctx.Done():
				return
			}
		}
		c.shut(e)
	}
}
