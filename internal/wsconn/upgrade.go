package wsconn

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// httpError is the answer to a request that cannot become a WebSocket.
type httpError struct {
	reason  string // one of rejected
	status  int
	message string
	header  []string // names and values
}

func (e *httpError) write(w http.ResponseWriter) {
	for pair := range slices.Chunk(e.header, 2) {
		w.Header().Set(pair[0], pair[1])
	}
	http.Error(w, e.message, e.status)
}

// Why requests get an HTTP error: the keys of Stats.Rejected.
const (
	rejectedUpgrade  = "upgrade"  // it is no upgrade to a WebSocket
	rejectedQuery    = "query"    // no client sends such a query
	rejectedBusy     = "busy"     // too many are not authenticated yet
	rejectedAddress  = "address"  // too many of its address are not
	rejectedStopping = "stopping" // the server stops
	rejectedLost     = "lost"     // the connection broke before it was answered
)

var (
	retryAfter     = []string{"Retry-After", "1"}
	upgradeHeaders = []string{"Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "13"}

	errBusy        = &httpError{rejectedBusy, http.StatusServiceUnavailable, "too many connections are being opened, try again", retryAfter}
	errBusyAddress = &httpError{rejectedAddress, http.StatusTooManyRequests, "too many connections are being opened from this address, try again", retryAfter}
	errStopping    = &httpError{rejectedStopping, http.StatusServiceUnavailable, "the server is stopping, try again", retryAfter}
)

// checkUpgrade is section 4.2.1 of RFC 6455. Origin is ignored: a connect request is
// authorised by its signature, never by cookies that a browser would add. No subprotocol is ever
// accepted.
func checkUpgrade(r *http.Request) (key string, refused *httpError) {
	switch {
	case r.Method != http.MethodGet:
		return "", &httpError{rejectedUpgrade, http.StatusMethodNotAllowed, "a WebSocket is opened with GET", []string{"Allow", "GET"}}
	case r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return "", &httpError{rejectedUpgrade, http.StatusHTTPVersionNotSupported, "a WebSocket is opened with HTTP/1.1", nil}
	case !hasToken(r.Header["Upgrade"], "websocket"):
		return "", &httpError{rejectedUpgrade, http.StatusUpgradeRequired, "this address speaks WebSocket: the header Upgrade: websocket is missing", upgradeHeaders}
	case !hasToken(r.Header["Connection"], "upgrade"):
		return "", &httpError{rejectedUpgrade, http.StatusBadRequest, "the header Connection: Upgrade is missing", nil}
	case !slices.Equal(r.Header["Sec-Websocket-Version"], []string{"13"}):
		return "", &httpError{rejectedUpgrade, http.StatusUpgradeRequired, "Sec-WebSocket-Version must be 13", upgradeHeaders}
	}

	keys := r.Header["Sec-Websocket-Key"]
	if len(keys) != 1 {
		return "", &httpError{rejectedUpgrade, http.StatusBadRequest, "one Sec-WebSocket-Key is needed", nil}
	}
	if nonce, err := base64.StdEncoding.DecodeString(keys[0]); err != nil || len(nonce) != 16 {
		return "", &httpError{rejectedUpgrade, http.StatusBadRequest, "Sec-WebSocket-Key must be 16 bytes in base64", nil}
	}
	return keys[0], nil
}

// hasToken looks for a token, in lower case, in the comma-separated values of a header.
func hasToken(values []string, token string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// appendAccept appends what proves to the client that its upgrade was understood (RFC 6455 section
// 4.2.2).
func appendAccept(to []byte, key string) []byte {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.AppendEncode(to, sum[:])
}

// takeOver takes the connection from net/http. early is what the client sent too soon. Nothing of
// net/http's stays referenced, so that its buffers are freed.
func takeOver(w http.ResponseWriter) (nc net.Conn, early []byte, err error) {
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over connection: %w", err)
	}
	if n := buffered.Reader.Buffered(); n > 0 {
		peeked, _ := buffered.Reader.Peek(n) // cannot fail: they are buffered
		early = slices.Clone(peeked)
	}
	if err := nc.SetDeadline(time.Time{}); err != nil { // net/http's deadlines are not ours
		nc.Close()
		return nil, nil, fmt.Errorf("take over connection: %w", err)
	}
	return nc, early, nil
}

// switching is the answer to an upgrade with this key, after which the connection speaks WebSocket.
func switching(key, extension string) []byte {
	const fields = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
	answer := make([]byte, 0, len(fields)+2*sha1.Size+len(extension)+40)
	answer = appendAccept(append(answer, fields...), key)
	if extension != "" {
		answer = append(append(answer, "\r\nSec-WebSocket-Extensions: "...), extension...)
	}
	return append(answer, "\r\n\r\n"...)
}

// innermost unwraps TLS and whatever else the listener put around a socket.
func innermost(nc net.Conn) net.Conn {
	for {
		wrapped, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return nc
		}
		nc = wrapped.NetConn()
	}
}
