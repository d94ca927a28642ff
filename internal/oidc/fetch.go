package oidc

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/carillon-chat/carillon/internal/outbound"
)

const (
	fetchTimeout = 5 * time.Second
	maxBody      = 1 << 20 // bytes of one answer of an issuer
)

// ClientOptions limit what the client that fetches from issuers may reach.
type ClientOptions struct {
	// AllowHTTP also lets it speak plain HTTP, to loopback hosts only.
	AllowHTTP bool
	// AllowedNetworks are networks it may connect to although they are not public.
	AllowedNetworks []netip.Prefix
	// Timeout bounds one request; zero means 5 seconds.
	Timeout time.Duration
	// Roots are the certificate authorities that it trusts; nil means those of the machine.
	Roots *x509.CertPool
	// Proxy is that of outbound.Options.
	Proxy *url.URL
}

// NewClient makes a guarded client. It follows no redirect and keeps no connection.
func NewClient(o ClientOptions) *http.Client {
	if o.Timeout == 0 {
		o.Timeout = fetchTimeout
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: guard{allowHTTP: o.AllowHTTP, client: outbound.New(outbound.Options{
			Networks: o.AllowedNetworks, Timeout: o.Timeout, Roots: o.Roots, Proxy: o.Proxy,
		})},
	}
}

// guard calls issuers through the guarded client, for a library that asks for an http.Client. By plain HTTP
// it reaches less than the client would.
type guard struct {
	allowHTTP bool
	client    *outbound.Client
}

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" && !(g.allowHTTP && isLoopback(r.URL.Hostname())) {
		return nil, errors.New("plain http is not allowed")
	}

	// Keys are fetched too seldom to keep a connection.
	r = r.Clone(r.Context())
	r.Close = true
	answer, err := g.client.Do(r.Context(), r, maxBody)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", answer.Status, http.StatusText(answer.Status)),
		StatusCode: answer.Status, Header: answer.Header, Body: io.NopCloser(bytes.NewReader(answer.Body)), Request: r,
	}, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
