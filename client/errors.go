package client

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Error is a refusal by the server.
type Error struct {
	Code      string // name of the exception: ForbiddenException
	Message   string
	RequestID string
	Status    int // of HTTP

	retryAfter time.Duration
}

// Error gives the name, the message and the id of the request.
func (e *Error) Error() string {
	text := e.Code
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// Temporary reports whether the same call may succeed later: the server is throttling or failing.
func (e *Error) Temporary() bool {
	return e.Status == http.StatusTooManyRequests || e.Status >= 500 || e.Code == "ThrottlingException"
}

// newError reads an answer that is no success. One that is not an error document, for example a
// proxy's, keeps its status.
func newError(resp *http.Response, body []byte) *Error {
	var document struct {
		Code, Message string
		Type          string `json:"__type"`
	}
	_ = json.Unmarshal(body, &document)

	e := &Error{
		Code: resp.Header.Get("X-Amzn-Errortype"), Message: document.Message,
		RequestID: resp.Header.Get("X-Amzn-Requestid"), Status: resp.StatusCode,
	}
	for _, other := range []string{document.Type, document.Code, http.StatusText(resp.StatusCode), resp.Status} {
		if e.Code == "" {
			e.Code = other
		}
	}

	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.retryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// refusesKeys reports whether the server refused the credentials themselves, which other ones can
// change.
func (e *Error) refusesKeys() bool {
	switch e.Code {
	case "ExpiredTokenException", "ExpiredToken", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidSignatureException":
		return true
	}
	return false
}
