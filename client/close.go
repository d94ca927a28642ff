package client

import (
	"errors"
	"fmt"

	"github.com/coder/websocket"
)

// Codes with which a session's socket can close (spec 4.9).
const (
	CloseNormal       = 1000 // the client closed it
	CloseGoingAway    = 1001
	CloseAbnormal     = 1006 // the connection broke
	CloseInternal     = 1011 // an error of the server, or the caller read too slowly
	CloseRestart      = 1012
	CloseTryLater     = 1013
	CloseBadGateway   = 1014
	CloseClient       = 4002
	CloseForbidden    = 4003 // user deleted, too many sessions
	CloseThrottled    = 4005 // too many connects
	CloseUnauthorized = 4401
)

// ErrClosed reports that Close was called.
var ErrClosed = errors.New("client: the session is closed")

// CloseError is how a socket ended.
type CloseError struct {
	Code   int    // of the close frame; CloseAbnormal when there was none
	Reason string // as the server gave it
	Err    error  // what happened to the connection, when there was no close frame
}

// Error returns the code and what is known of the cause.
func (e *CloseError) Error() string {
	switch {
	case e.Err != nil:
		return "the socket broke: " + e.Err.Error()
	case e.Reason != "":
		return fmt.Sprintf("the server closed the socket with %d: %s", e.Code, e.Reason)
	}
	return fmt.Sprintf("the server closed the socket with %d", e.Code)
}

// Unwrap gives the error of the connection.
func (e *CloseError) Unwrap() error { return e.Err }

// Temporary reports whether connecting again can help. These are the codes on which
// amazon-chime-sdk-js reconnects.
func (e *CloseError) Temporary() bool {
	switch e.Code {
	case CloseGoingAway, CloseAbnormal, CloseInternal, CloseRestart, CloseTryLater, CloseBadGateway:
		return true
	case CloseClient, CloseForbidden, CloseUnauthorized:
		return false
	}
	return e.Code > 4000
}

func closeError(err error) *CloseError {
	var frame websocket.CloseError
	if errors.As(err, &frame) {
		return &CloseError{Code: int(frame.Code), Reason: frame.Reason}
	}
	return &CloseError{Code: CloseAbnormal, Err: err}
}
