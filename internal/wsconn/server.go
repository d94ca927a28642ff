package wsconn

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/lockorder"
	"github.com/carillon-chat/carillon/internal/ops"
	"github.com/carillon-chat/carillon/internal/realtime"
)

// Hub is where an authorised socket becomes a session; OnHub makes one of a realtime.Hub.
type Hub interface {
	// Attach's error is a *realtime.CloseError, or ctx's error.
	Attach(ctx context.Context, g realtime.Grant, t realtime.Transport) (Session, error)
}

// Session is the queue of one socket in the hub. Its calls do not block: the same
// goroutines serve other sockets.
type Session interface {
	// Take appends whole frames to frames, in order, about maxBytes but at least one; none when
	// there are none.
	Take(frames [][]byte, maxBytes int) [][]byte
	// Beat is called at each ping.
	Beat()
	// Probed reports whether the client showed a sign of life after realtime.Transport.Probe.
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

// ScreenFunc returns, by the query of a connect request alone, why no client would send it, or
// nothing. It is called before the upgrade and keeps nothing.
type ScreenFunc func(r *http.Request) (refusal string)

// AuthenticateFunc checks a connect request and returns what it is entitled to, or the close
// frame that refuses it. ctx ends when time is up or the server stops.
type AuthenticateFunc func(ctx context.Context, r *http.Request) (realtime.Grant, *realtime.CloseError)

// Server is the handler of GET /connect and the owner of all sockets that came through it.
type Server struct {
	opts     Options
	wheel    wheel
	pace     pace
	poller   *poller         // nil: every connection has its goroutine
	stopping context.Context // ends authentications
	stop     context.CancelFunc

	turns chan struct{} // one slot for each connection that is being made

	framesWritten, bytesWritten atomic.Uint64

	refusals, failures *ops.Sampler // of log lines

	mu     lockorder.Mutex[lockorder.Server]
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
	s.refusals, s.failures = ops.NewSampler(logInterval, opts.Now), ops.NewSampler(logInterval, opts.Now)
	s.door.networks = make(map[netip.Prefix]int)
	s.counts.Closed, s.counts.Rejected = make(map[Ended]uint64), make(map[string]uint64)
	return s
}

// ServeHTTP upgrades the request, authenticates it, and leaves the connection to its engine, so
// that net/http's goroutine with its buffers and the request are freed.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// What can be refused without a WebSocket is, so that it costs no more than a request.
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
	nc, early, err := takeOver(w)
	if err != nil {
		s.left(from)
		s.reject(r, &httpError{reason: rejectedLost, message: err.Error()})
		if errors.Is(err, http.ErrNotSupported) {
			http.Error(w, "this connection cannot become a WebSocket", http.StatusInternalServerError)
		}
		return
	}

	// The wheel bounds its life from now on, whatever happens.
	c := s.open(nc, from)
	c.deflated = extension != ""
	c.answers(switching(key, extension))
	s.wheel.add(c)
	if e := s.accepted(); e != nil {
		c.shut(*e)
	}

	// Input starts when the decision has been made, also one by a panic.
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

// CatchUp waits until every socket that has something to write has been written what the kernel takes of it now.
// It waits for no client. Only EngineEpoll has sockets wait for each other; for others it returns at once.
func (s *Server) CatchUp() {
	if s.poller != nil {
		s.poller.catchUp()
	}
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

// logRefusal writes a line whose number the callers decide: one a second, with
// the number of those left out.
func (s *Server) logRefusal(message string, attributes ...any) {
	if omitted, ok := s.refusals.Sample(); ok {
		s.opts.Log.Info(message, append(attributes, "omitted", omitted)...)
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
