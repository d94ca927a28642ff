package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// Peer makes signed calls and opens WebSockets as clients do, without an SDK. It may be copied and changed: a copy with other
// credentials is another caller.
type Peer struct {
	Base   string // scheme://host:port
	HTTP   *http.Client
	Signer sigv4.Signer
	Now    func() time.Time // when requests are signed; nil: the machine's clock
}

// Dev is a peer of a dev mode node at the address, with the published root keys and connections of its own, which Close ends.
// A call that takes longer than the timeout fails; 0 is none.
func Dev(addr string, timeout time.Duration) Peer {
	return Peer{
		Base:   "http://" + addr,
		HTTP:   &http.Client{Timeout: timeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		Signer: sigv4.Signer{Credentials: DevKeys(), Scope: sigv4.Scope{Region: "us-east-1", Service: "chime"}},
	}
}

// DevKeys are the published root keys of dev mode.
func DevKeys() sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: config.DevAccessKeyID, SecretAccessKey: config.DevSecretAccessKey}
}

// Close ends the connections that no call uses.
func (p Peer) Close() { p.HTTP.CloseIdleConnections() }

// As is the peer with other keys.
func (p Peer) As(keys sigv4.Credentials) Peer {
	p.Signer.Credentials = keys
	return p
}

func (p Peer) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

// Escape writes an ARN as a segment of a path, as the SDKs do.
func Escape(arn string) string { return strings.ReplaceAll(url.PathEscape(arn), ":", "%3A") }

// Request makes a signed request to the target, a path with its query. An empty bearer and a nil body are left out.
func (p Peer) Request(ctx context.Context, method, target, bearer string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, p.Base+target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		r.Header.Set("X-Amz-Chime-Bearer", bearer)
	}
	return r, p.Sign(r, body)
}

// Sign signs a request whose body is the given one.
func (p Peer) Sign(r *http.Request, body []byte) error {
	return p.Signer.Sign(r, sha256.Sum256(body), p.now())
}

// Do sends a request and reads the whole answer.
func (p Peer) Do(r *http.Request) (Answer, error) {
	got, err := p.HTTP.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	return Answer{Status: got.StatusCode, Header: got.Header, Body: body}, err
}

// Send makes the request of Request and sends it.
func (p Peer) Send(ctx context.Context, method, target, bearer string, body []byte) (Answer, error) {
	r, err := p.Request(ctx, method, target, bearer, body)
	if err != nil {
		return Answer{}, err
	}
	return p.Do(r)
}

// Call sends in as JSON and reads the answer into out; nil is nothing to send, or nothing to read. An answer that is not a
// success is a *Refusal.
func (p Peer) Call(ctx context.Context, method, target, bearer string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if string(body) == "null" { // a nil map as well
		body = nil
	}
	got, err := p.Send(ctx, method, target, bearer, body)
	if err != nil {
		return err
	}
	return got.read(json.Unmarshal, out)
}

// Answer is what came back for a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Type is the exception's name, as the SDKs read it; empty for a success.
func (a Answer) Type() string { return a.Header.Get("X-Amzn-ErrorType") }

// Message is that of an exception; empty for a success.
func (a Answer) Message() string {
	var body struct{ Message string }
	_ = json.Unmarshal(a.Body, &body) // other kinds of bodies have none
	return body.Message
}

// read reads the body of a success into out unless that is nil. Any other answer is a *Refusal.
func (a Answer) read(unmarshal func([]byte, any) error, out any) error {
	switch {
	case a.Status/100 != 2:
		return &Refusal{a}
	case out == nil:
		return nil
	}
	return unmarshal(a.Body, out)
}

// Refusal is an answer that is not a success.
type Refusal struct{ Answer }

func (r *Refusal) Error() string {
	if message := r.Message(); message != "" {
		return fmt.Sprintf("%d %s: %s", r.Status, r.Type(), message)
	}
	return fmt.Sprintf("%d %s: %s", r.Status, r.Type(), r.Body)
}
