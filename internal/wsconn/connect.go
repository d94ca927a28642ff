package wsconn

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
)

// authenticate makes a session of the connection, or closes it.
func (s *Server) authenticate(c *conn, r *http.Request) {
	// A turn covers authentication and attaching. The user's rate may end it in between.
	var grant realtime.Grant
	var session Session
	var wait time.Duration // for the rate of the user's connections
	settled := func(*realtime.CloseError) {}
	refused := s.inTurn(c, func(ctx context.Context) (refused *realtime.CloseError) {
		if grant, refused = s.opts.Authenticate(ctx, r); refused != nil {
			return refused
		}
		if grant.Settled != nil {
			settled, grant.Settled = grant.Settled, nil // the session does not keep it
		}
		unshare(&grant)
		grant.Compressed = c.deflated
		if wait, refused = s.reserve(c, grant.UserARN); refused != nil || wait > 0 {
			return refused
		}
		session, refused = s.attach(ctx, grant, c)
		return refused
	})

	// The connection waits for its rate without a turn, which others use meanwhile.
	if wait > 0 { // without a turn
		if refused = s.await(c, wait); refused == nil {
			refused = s.inTurn(c, func(ctx context.Context) (refused *realtime.CloseError) {
				session, refused = s.attach(ctx, grant, c)
				return refused
			})
		}
	}

	settled(refused)
	if refused != nil {
		s.refuse(c, refused)
		s.logRefusal("websocket refused", "code", refused.Code, "reason", refused.Reason, "user", grant.UserARN, "remote", r.RemoteAddr)
		return
	}

	s.admitted(c)
	c.attach(session, &grant)
	s.wheel.plan(c, grant.Expires)
	if s.opts.Log.Enabled(s.stopping, slog.LevelDebug) {
		s.opts.Log.Debug("websocket opened", "user", grant.UserARN, "session", grant.SessionID, "remote", r.RemoteAddr, "tls", s.opts.Secure(r))
	}
}

// inTurn does a part of connecting. AuthTimeout bounds it and the wait for its turn together.
func (s *Server) inTurn(c *conn, do func(context.Context) *realtime.CloseError) *realtime.CloseError {
	ctx, cancel := context.WithTimeout(s.stopping, s.opts.AuthTimeout)
	defer cancel()
	defer s.turn(ctx, c)()
	if ctx.Err() != nil {
		return errTooLate
	}
	refused := do(ctx)
	if refused != nil && ctx.Err() != nil {
		return errTooLate
	}
	return refused
}

var errTooLate = &realtime.CloseError{Code: codeTryLater, Reason: "connecting took too long, try again"}

// reserve reserves the user's next turn to connect. A connection that waits for it is
// authenticated, so it does not count as pending any more.
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
func (s *Server) await(c *conn, wait time.Duration) *realtime.CloseError {
	defer s.waited()
	c.greet()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.stopping.Done():
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

// piece returns the part within the whole if it is there, so that they share memory, else a copy.
func piece(whole, part string) string {
	if at := strings.Index(whole, part); at >= 0 {
		return whole[at : at+len(part)]
	}
	return strings.Clone(part)
}

// turn waits until few other connections are being made, so that clients that return together do
// not fill the queue of the scheduler, in which everything else waits too. It gives up with ctx.
func (s *Server) turn(ctx context.Context, c *conn) (done func()) {
	select {
	case s.turns <- struct{}{}:
		return s.turned
	default:
	}
	c.greet()
	select {
	case s.turns <- struct{}{}:
		return s.turned
	case <-ctx.Done():
		return func() {}
	}
}

func (s *Server) turned() { <-s.turns }
