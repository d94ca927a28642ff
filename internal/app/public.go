package app

import (
	"container/list"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/app/bothtls"
	"github.com/carillon-chat/carillon/internal/app/browser"
	"github.com/carillon-chat/carillon/internal/app/fastpath"
	"github.com/carillon-chat/carillon/internal/app/trustedproxy"
	"github.com/carillon-chat/carillon/internal/awshttp"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/console"
	"github.com/carillon-chat/carillon/internal/ops"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/wsconn"
)

// Limits of HTTP connections. A WebSocket leaves them behind when it is taken over.
const (
	headerTimeout  = 10 * time.Second // first byte, TLS handshake and headers
	requestTimeout = 30 * time.Second
	answerTimeout  = 60 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10

	// stopPatience bounds the stop of parts that have nothing to wait for.
	stopPatience = 5 * time.Second
)

// buildPublic builds the public port: sockets, REST and pages behind the guards of the connection.
func (a *App) buildPublic(ctx context.Context) error {
	// The transport of sockets counts its own connections.
	refused := a.countRefusals()
	guard := &wsconn.Guard{Gate: a.services.access, Secure: isSecure, Now: a.deps.Now, Refused: refused("websocket"), Audit: a.logs.connectAuditor()}
	sockets := wsconn.New(wsconn.Options{
		Hub: wsconn.OnHub(a.services.hub), Authenticate: guard.Authenticate, Screen: guard.Screen, Secure: isSecure,
		Now: a.deps.Now, Log: a.deps.Log, PingInterval: a.cfg.WSPingInterval, Limiter: a.services.limiter,
		Engine: wsconn.Engine(a.cfg.WSEngine), Compression: a.cfg.WSCompression,
		MaxPending: a.cfg.WSPending, MaxPendingPerAddress: a.cfg.WSPendingPerAddress, MaxRefused: a.cfg.WSRefused,
		CloseSpread:  a.closeSpread(),
		ClientFrames: a.cfg.WSClientFrames, ClientBytes: int(a.cfg.WSClientBytes),
	})
	a.services.sockets = sockets
	a.registry.MustRegister(sampler(sampleSockets(sockets)))

	// Requests pass the guard of pages, the router, and the proxies that are believed.
	a.pages = browser.New(browser.Options{
		Origins: a.cfg.AllowedOrigins, Loopback: a.cfg.HasDevKeys(), Hosts: []string{a.publicHost, a.Addr()}, Links: true,
	})
	handler, err := a.router(sockets, refused("rest"))
	if err != nil {
		return err
	}
	networks, err := a.cfg.ProxyNetworks()
	if err != nil {
		return err
	}
	proxies := trustedproxy.New(trustedproxy.Options{
		Networks: networks, Header: a.cfg.ProxyHeader, Protocol: a.cfg.ProxyProtocol, Timeout: headerTimeout,
		Now: a.deps.Now, Log: a.deps.Log,
	})

	// Connections are bounded before anything is read from them.
	conns := &connections{
		most: mostConnections(a.cfg.MaxConnections, a.files), sockets: func() int { return sockets.Stats().Open },
		lines: ops.NewSampler(logInterval, a.deps.Now), log: a.deps.Log,
		element: map[net.Conn]*list.Element{}, leaving: map[net.Conn]struct{}{},
	}
	a.registry.MustRegister(sampler(conns.sample))
	front := &publicPort{sockets: sockets, conns: conns, farewell: a.farewell(), server: &http.Server{
		Handler: proxies.Handler(handler), ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: answerTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(a.deps.Log.Handler(), slog.LevelWarn),
	}}
	front.server.ConnState = conns.track
	front.server.ConnContext = withConn
	var listener net.Listener = bothtls.NewListener(proxies.Listener(bounded{a.keepFiles(a.publicListener), conns}), a.tlsConfig())
	if a.cfg.HTTPFastPath {
		front.fast = fastpath.NewListener(listener, front.server)
		listener = front.fast
		a.registry.MustRegister(sampleFastPath(front.fast))
	}

	// Readiness goes first at a stop, so that load balancers send no new clients.
	a.readiness.Add("public port", func(context.Context) error {
		if !a.serving.Load() {
			return errors.New("starting or shutting down")
		}
		return nil
	})
	a.actors = append(a.actors, actor{
		name: "public port", patience: a.cfg.ShutdownDelay + a.cfg.DrainTimeout,
		run: func(context.Context) error { return serve(front.server, listener) },
		stop: func(ctx context.Context) error {
			a.serving.Store(false) // load balancers see it, and everything is served as before
			a.drain(ctx)
			a.deps.Wait(ctx, a.cfg.ShutdownDelay)
			return front.stop(ctx)
		},
	})
	return nil
}

// connKey leads from a request to its connection: net/http knows of TLS only where it made it
// itself.
type connKey struct{}

// link is a connection with what knows whether the client uses TLS, kept here because a WebSocket's
// engine takes the connection to pieces.
type link struct {
	both  *bothtls.Conn
	proxy *trustedproxy.Conn // nil without the PROXY protocol
}

func withConn(ctx context.Context, conn net.Conn) context.Context {
	both, ok := conn.(*bothtls.Conn)
	if !ok {
		return ctx
	}
	l := link{both: both}
	l.proxy, _ = both.NetConn().(*trustedproxy.Conn)
	return context.WithValue(ctx, connKey{}, l)
}

// isSecure reports whether a request came over TLS, to this port or to a trusted proxy.
func isSecure(r *http.Request) bool {
	if secure, known := trustedproxy.Secure(r.Context()); known {
		return secure
	}
	l, ok := r.Context().Value(connKey{}).(link)
	return ok && (l.both.TLS() != nil || l.proxy != nil && l.proxy.Secure())
}

// router sends each request to its transport, by the path as it was sent. http.ServeMux would
// redirect paths that the transports answer themselves.
func (a *App) router(sockets http.Handler, refused func(step, code string)) (http.Handler, error) {
	pageKey := awshttp.PageKey(a.services.keyring.MAC("page tokens", nil))
	bodies := awshttp.NewBodies(int64(a.cfg.RequestBytes))
	a.registry.MustRegister(sampleBodies(bodies))
	rest, err := awshttp.New(awshttp.Options{
		Gate: a.services.access, Operations: a.services.operations(), Log: a.deps.Log, Limiter: a.services.limiter,
		AllowOrigin: a.pages.Allows, Explain: a.cfg.Mode == config.Dev, Secure: isSecure,
		Now: a.deps.Now, Random: a.deps.Random, Observe: a.countRequests(), Bodies: bodies, Presigned: a.cfg.PresignedREST,
		PageKey: &pageKey, Refused: refused, AccessLog: a.cfg.AccessLog, Audit: a.logs.callAuditor(),
	})
	if err != nil {
		return nil, err
	}

	// The console gets seeded data only in dev mode.
	options := console.Options{
		PublicHost: a.publicHost, Hosts: a.ownHosts(), Explainer: a.services.access, Secure: isSecure, Log: a.deps.Log,
		Version: a.deps.Version,
	}
	for _, web := range a.services.webPush {
		options.WebPush = append(options.WebPush, console.WebPush{Name: web.Name, Pattern: string(web.Pattern), ApplicationServerKey: web.Key})
	}
	if a.seeded != nil {
		dev := devConsole{a.services, a.seeded.AppInstanceARN}
		options.Dev = &console.Dev{Region: a.cfg.Region, AppInstanceARN: a.seeded.AppInstanceARN, Users: dev, Issuer: dev}
		options.Dev.PushARN, options.Dev.PushKey = a.services.pagePush()
	}
	pages, err := console.New(options)
	if err != nil {
		return nil, err
	}

	return endChunked(a.guardPages(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case console.IsVisit(r):
			pages.ServeHTTP(w, r)
		case r.URL.Path == access.ConnectTarget && r.URL.EscapedPath() == access.ConnectTarget:
			sockets.ServeHTTP(w, r)
		case console.Owns(r.URL.Path) && console.Owns(r.URL.EscapedPath()):
			pages.ServeHTTP(w, r)
		default: // without the cost of escaping the path
			rest.ServeHTTP(w, r)
		}
	}))), nil
}

// endChunked ends the connection after a request with a chunked body. Such a request may have had a
// Content-Length as well, which net/http drops and a proxy may have believed; then the two disagree
// about where the next request begins (RFC 9112, 6.1). Clients of AWS announce a length.
func endChunked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// ownHosts are the host[:port] that a browser may use for this port.
func (a *App) ownHosts() []string {
	host, port, _ := net.SplitHostPort(a.Addr()) // an address of the network's own has both
	hosts := []string{a.publicHost}
	for _, name := range []string{"localhost", "127.0.0.1", "::1", host} {
		if ip, err := netip.ParseAddr(name); err != nil || !ip.IsUnspecified() {
			hosts = append(hosts, net.JoinHostPort(name, port))
		}
	}
	return hosts
}

// publicPort is the server of everything that clients use, and its orderly end.
type publicPort struct {
	server  *http.Server
	fast    *fastpath.Listener // of the server; nil when it is switched off
	sockets *wsconn.Server
	conns   *connections
	// farewell is what sockets are closed with.
	farewell realtime.CloseError
}

// stop accepts nothing more, closes every socket, and waits for the
// requests under way; when ctx ends it cuts off what is left.
func (p *publicPort) stop(ctx context.Context) error {
	closed := make(chan error, 1)
	p.server.RegisterOnShutdown(func() { // runs once the listener is closed
		p.conns.closeFresh()
		closed <- p.sockets.Shutdown(ctx, p.farewell.Code, p.farewell.Reason)
	})
	err := p.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, p.server.Close())
	}
	if p.fast != nil {
		err = errors.Join(err, p.fast.Shutdown(ctx))
	}
	return errors.Join(err, <-closed)
}

// serve runs a server until it is shut down, for which it returns nil.
func serve(server *http.Server, listener net.Listener) error {
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
