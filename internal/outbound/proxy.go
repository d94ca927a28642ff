package outbound

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// proxy is an HTTP proxy that opens tunnels (CONNECT). Its own address is the operator's choice, and not checked.
type proxy struct {
	address string      // host:port
	tls     *tls.Config // of the connection to it; nil for plain HTTP
	header  http.Header // of each CONNECT
}

// newProxy reads the URL of a proxy; nil is none.
func newProxy(u *url.URL, roots *x509.CertPool) *proxy {
	if u == nil {
		return nil
	}
	p := &proxy{header: http.Header{"User-Agent": {Agent}}}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
		p.tls = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: u.Hostname()}
	}
	if u.Port() != "" {
		port = u.Port()
	}
	p.address = net.JoinHostPort(u.Hostname(), port)
	if u.User != nil {
		password, _ := u.User.Password()
		p.header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	return p
}

// tunnel opens a connection to the target, host:port, through the proxy.
func (p *proxy) tunnel(ctx context.Context, target string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, fmt.Errorf("the proxy: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	through, err := p.open(ctx, conn, target)
	if !stop() { // the deadline is set, or will be
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("the proxy: %w", err)
	}
	return through, nil
}

// open asks the proxy at the other end of a connection for the tunnel.
func (p *proxy) open(ctx context.Context, conn net.Conn, target string) (net.Conn, error) {
	if p.tls != nil {
		secured := tls.Client(conn, p.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secured
	}
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: p.header}
	if err := request.Write(conn); err != nil {
		return nil, err
	}

	head := bufio.NewReader(io.LimitReader(conn, maxHead))
	answer, err := http.ReadResponse(head, request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 != 2 { // its body is of no use
		return nil, fmt.Errorf("it answered CONNECT with %d", answer.StatusCode)
	}

	// What the target said first may have come with the head.
	said, err := head.Peek(head.Buffered())
	if err != nil || len(said) == 0 {
		return conn, err
	}
	return &begun{conn, io.MultiReader(bytes.NewReader(said), conn)}, nil
}

// begun is a connection of which some was read.
type begun struct {
	net.Conn
	rest io.Reader
}

func (b *begun) Read(p []byte) (int, error) { return b.rest.Read(p) }
