package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Config is the server to call, and the caller.
type Config struct {
	// Endpoint is the server's URL without a path: https://chat.example.org:24463. With http,
	// sessions use ws; with https, wss.
	Endpoint string
	// Region is the region that the server signs for. Empty stands for us-east-1.
	Region string
	// Credentials supplies the keys.
	Credentials CredentialsProvider
	// Bearer is the ARN of the user or bot on whose behalf calls are made that name none
	// themselves in ChimeBearer. It may be empty.
	Bearer string
	// HTTPClient makes the calls. Sessions use its Transport too, when that is an
	// *http.Transport, with HTTP/1.1. Nil stands for one with limits of 30 s for each call.
	HTTPClient *http.Client
	// TLS is for servers with a certificate of their own. It is used when HTTPClient is nil.
	TLS *tls.Config
	// MaxAttempts bounds the tries of one call, the first included. Zero stands for 4.
	MaxAttempts int
}

// Client calls the operations. It is safe for use by several goroutines.
type Client struct {
	cfg      Config
	endpoint *url.URL
	http     *http.Client // for calls
	sockets  *http.Client // for upgrades
	keys     *keyCache
}

const (
	defaultRegion   = "us-east-1"
	defaultAttempts = 4
	callTimeout     = 30 * time.Second
)

// New checks the configuration; it does not call the server.
func New(cfg Config) (*Client, error) {
	at, err := url.Parse(cfg.Endpoint)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, fmt.Errorf("client: Endpoint %q is no http or https URL", cfg.Endpoint)
	}
	if at.Path != "" && at.Path != "/" || at.RawQuery != "" || at.User != nil {
		return nil, fmt.Errorf("client: Endpoint %q has more than scheme, host and port", cfg.Endpoint)
	}
	if cfg.Credentials == nil {
		return nil, errors.New("client: Credentials are missing")
	}
	if cfg.MaxAttempts < 0 {
		return nil, errors.New("client: MaxAttempts is negative")
	}

	if cfg.Region == "" {
		cfg.Region = defaultRegion
	}
	if cfg.MaxAttempts == 0 {
		cfg.MaxAttempts = defaultAttempts
	}

	c := &Client{cfg: cfg, endpoint: &url.URL{Scheme: at.Scheme, Host: at.Host}, keys: newKeyCache(cfg.Credentials)}
	c.http = cfg.HTTPClient
	if c.http == nil {
		c.http = &http.Client{Transport: newTransport(cfg.TLS), Timeout: callTimeout}
	}
	c.sockets = &http.Client{Transport: upgradable(c.http.Transport)}

	return c, nil
}

func newTransport(config *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, TLSClientConfig: config,
		TLSHandshakeTimeout: 10 * time.Second, MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
	}
}

// upgradable returns a transport that speaks HTTP/1.1, the only version that upgrades to a
// WebSocket.
func upgradable(t http.RoundTripper) http.RoundTripper {
	own, ok := t.(*http.Transport)
	if t == nil {
		own, ok = newTransport(nil), true
	}
	if !ok {
		return t
	}

	own = own.Clone()
	own.ForceAttemptHTTP2 = false
	own.TLSNextProto = nil
	own.Protocols = new(http.Protocols)
	own.Protocols.SetHTTP1(true)
	if own.TLSClientConfig != nil {
		own.TLSClientConfig.NextProtos = nil
	}
	return own
}

// CloseIdleConnections closes connections that no call and no session uses now.
func (c *Client) CloseIdleConnections() {
	c.http.CloseIdleConnections()
	c.sockets.CloseIdleConnections()
}
