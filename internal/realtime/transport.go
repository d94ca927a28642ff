package realtime

import (
	"context"
	"fmt"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
)

// Close codes that the hub gives (spec 4.9).
const (
	CloseGoingAway     = 1001 // credentials expired, drain: clients reconnect
	CloseInternalError = 1011 // slow reader, internal error: clients reconnect
	CloseRestart       = 1012 // shutdown: clients reconnect
	CloseTryLater      = 1013 // silent beside a newer socket of its sessionId: clients reconnect
	CloseForbidden     = 4003 // kicked, over the limit: clients stay away
	CloseThrottled     = 4005 // too many connections a second: clients reconnect
	CloseUnauthorized  = 4401 // not authorised: clients stay away
)

// CloseError refuses or ends a session with a close code and a reason of at most 123 bytes.
type CloseError struct {
	Code   int
	Reason string
}

func (e *CloseError) Error() string { return fmt.Sprintf("close %d: %s", e.Code, e.Reason) }

// Transport is one socket as the hub sees it. Its calls never block and, but for Write, never call back:
// some are made under locks of the hub.
type Transport interface {
	// Ready reports that the session has frames to take. It is not called again until Take has
	// returned none.
	Ready()
	// Write is Ready from a caller that holds no lock and has little to do: the transport may take the
	// frames and write in the caller's goroutine, as far as that does not block.
	Write()
	// Probe asks the client for a sign of life. Session.Probed is called with whether one came in time, unless
	// the socket has ended by then.
	Probe()
	// Close ends the socket with a close frame of this code and reason. Frames that were not
	// taken yet are dropped.
	Close(code int, reason string)
}

// Grant is what a verified connect request is entitled to.
type Grant struct {
	App       string
	User      chime.Ref
	UserARN   string
	SessionID string    // the client's name for the connection
	Expires   time.Time // end of the credentials; zero: never

	// Prefetch asks for CHANNEL_DETAILS, PrefetchSort says in which order (spec 4.7).
	Prefetch     bool
	PrefetchSort string
	// Resume asks for positions and resume tokens. ResumeFrom is where to go on: a token, or a token,
	// a dot and the position of the last event that the client has; empty for a new beginning.
	Resume     bool
	ResumeFrom string
	// Extras are what the client asks for beyond AWS's events.
	Extras chime.Extras
	// Standing is what Options.Authority knows the credentials by; nil: nothing can end them.
	// Revision says by which account the request was decided, Steady that the decision holds until
	// the account changes.
	Standing any
	Revision uint64
	Steady   bool
	// Authorize asks IAM, by the account as it is then, whether the client may call an operation; nil when it may not call any.
	Authorize func(ctx context.Context, operation string, req api.Request) error
	// Settled, if set, is called by the transport once, with what became of the connection: nil when it
	// is a session.
	Settled func(refused *CloseError)
	// Compressed frames are what the transport takes.
	Compressed bool
}
