package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"
)

// Errors that another attempt does not change.
var (
	// ErrRefused reports a call to where the client may not connect.
	ErrRefused = errors.New("outbound-allow does not allow it")
	// ErrTooLarge reports an answer whose body is longer than the caller's limit.
	ErrTooLarge = errors.New("the answer is too large")
)

// Agent is the User-Agent of what calls other services for the operator.
const Agent = "carillon"

const (
	// DefaultTimeout bounds a call unless Options says otherwise.
	DefaultTimeout = 10 * time.Second

	maxHead     = 64 << 10 // bytes of an answer's head
	idleTimeout = 90 * time.Second
	// idlePerHost is as many connections as a processor of channel flows is invoked over at once: fewer would be
	// closed after each burst of calls, and opened for the next.
	idlePerHost = 64
)

// Resolver finds the addresses of a host; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options say where a Client may connect, and for how long.
type Options struct {
	// Networks and Hosts may be reached although they are not public, also by plain HTTP. A host is a
	// name without port; whatever it resolves to is allowed.
	Networks []netip.Prefix
	Hosts    []string
	// Timeout bounds a whole call, in addition to its context; zero means DefaultTimeout.
	Timeout time.Duration
	// Resolver resolves names; nil means the machine's.
	Resolver Resolver
	// Roots are the certificate authorities that are trusted; nil means those of the machine.
	Roots *x509.CertPool
	// Certificates prove the client to servers that ask for one.
	Certificates []tls.Certificate
	// Proxy is an HTTP proxy, by http or https, through which public addresses are reached; nil is none. User and
	// password of the URL are shown to it. What is not public and allowed is reached directly.
	Proxy *url.URL
}

// Client makes guarded calls and keeps connections for later ones. It is safe for concurrent use.
type Client struct {
	timeout                 time.Duration
	secure, plain           *http.Transport
	dialSecure, dialAllowed dialer
}

// New makes a Client.
func New(o Options) *Client {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Resolver == nil {
		o.Resolver = new(net.Resolver)
	}

	// Each scheme has a transport, because they differ in which addresses they may connect to.
	secure := dialer{allowed: newAllowed(o.Networks, o.Hosts), secure: true, resolver: o.Resolver, timeout: o.Timeout, proxy: newProxy(o.Proxy, o.Roots)}
	plain := secure
	plain.secure = false
	transport := func(d dialer) *http.Transport {
		return &http.Transport{
			DialContext: d.dial, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots, Certificates: o.Certificates}, TLSHandshakeTimeout: o.Timeout,
			MaxResponseHeaderBytes: maxHead, DisableCompression: true,
			MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: idleTimeout,
		}
	}
	return &Client{timeout: o.Timeout, secure: transport(secure), plain: transport(plain), dialSecure: secure, dialAllowed: plain}
}

// Dial connects to an address for another protocol than HTTP, under the same rules. With secure the caller
// promises to speak TLS of its own over the connection before anything else that matters.
func (c *Client) Dial(ctx context.Context, secure bool, network, address string) (net.Conn, error) {
	if secure {
		return c.dialSecure.dial(ctx, network, address)
	}
	return c.dialAllowed.dial(ctx, network, address)
}

// Check refuses a URL that no call could be made to, as far as that can be said without looking its host up.
func (c *Client) Check(u *url.URL) error {
	if u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return fmt.Errorf("%w: it is not a URL of https or http with a host", ErrRefused)
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil { // a name
		return nil
	}
	return c.dialSecure.allowed.check(u.Hostname(), []netip.Addr{ip}, u.Scheme == "https")
}

// Close closes the connections that no call uses.
func (c *Client) Close() {
	c.secure.CloseIdleConnections()
	c.plain.CloseIdleConnections()
}

// Answer is what the other end said, whatever its status. A redirect is an answer as any other.
type Answer struct {
	Host   string // that was called
	Status int
	Header http.Header
	Body   []byte // as it was sent: content encodings are not undone
}

// Succeeded reports whether the status is 2xx.
func (a *Answer) Succeeded() bool { return a.Status/100 == 2 }

// RetryAfter is how long the other end asks to wait (RFC 9110, section 10.2.3), zero when it does not.
func (a *Answer) RetryAfter() time.Duration {
	text := a.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}

	// A date counts from the date of the answer, since the clocks of the two ends may differ.
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, until.Sub(now))
}

// Do makes one call within ctx and the client's time-out, and reads the answer, whose body may have limit
// bytes. A call that fails may have reached the other end, except with ErrRefused.
func (c *Client) Do(ctx context.Context, request *http.Request, limit int64) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := c.call(request.WithContext(ctx), limit)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", request.Method, request.URL.Host, err)
	}
	return answer, nil
}

func (c *Client) call(request *http.Request, limit int64) (*Answer, error) {
	resp, err := c.send(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()

	// One byte more than the limit shows that there is more.
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return &Answer{Host: request.URL.Host, Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// send makes a call and returns the answer without its body, which the caller closes.
func (c *Client) send(request *http.Request) (*http.Response, error) {
	var transport *http.Transport
	switch request.URL.Scheme {
	case "https":
		transport = c.secure
	case "http":
		transport = c.plain
	default:
		return nil, fmt.Errorf("%w: the scheme %q", ErrRefused, request.URL.Scheme)
	}

	// A transport by itself follows no redirect, keeps no cookie and adds no credentials of a URL.
	return transport.RoundTrip(request)
}
