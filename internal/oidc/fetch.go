package oidc

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
	"slices"
	"syscall"
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
}

// NewClient makes a guarded client. It follows no redirect and keeps no connection.
func NewClient(o ClientOptions) *http.Client {
	if o.Timeout == 0 {
		o.Timeout = fetchTimeout
	}

	// The address is checked when it is connected to, after the name was resolved.
	dialer := &net.Dialer{
		Timeout: o.Timeout,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return o.checkAddress(address)
		},
	}

	return &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: guard{allowHTTP: o.AllowHTTP, next: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: o.Timeout,
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
			DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		}},
	}
}

// guard refuses what is not https and bounds answers.
type guard struct {
	allowHTTP bool
	next      http.RoundTripper
}

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.URL.Scheme {
	case "https":
	case "http":
		if !g.allowHTTP || !isLoopback(r.URL.Hostname()) {
			return nil, errors.New("plain http is not allowed")
		}
	default:
		return nil, fmt.Errorf("the scheme %q is not allowed", r.URL.Scheme)
	}

	resp, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{http.MaxBytesReader(nil, resp.Body, maxBody), resp.Body}
	return resp, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// checkAddress sees each address that a name resolved to, before it is connected to.
func (o *ClientOptions) checkAddress(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr().Unmap().WithZone("")
	holds := func(network netip.Prefix) bool { return network.Contains(ip) }
	if slices.ContainsFunc(o.AllowedNetworks, holds) {
		return nil
	}
	if !outbound.IsPublic(ip) {
		return fmt.Errorf("the address %s is not public", ip)
	}
	return nil
}
