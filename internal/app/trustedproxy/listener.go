package trustedproxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
)

// Listener reads the PROXY protocol on connections of trusted peers, when the option is set. Accept
// never waits for a peer.
func (p *Proxies) Listener(inner net.Listener) net.Listener {
	if !p.Protocol {
		return inner
	}
	return &listener{inner, p}
}

type listener struct {
	net.Listener
	proxies *Proxies
}

// Accept waits for the next connection; that of a trusted peer is a *Conn.
func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := raw.RemoteAddr().(*net.TCPAddr); ok && l.proxies.trusts(tcp.AddrPort().Addr()) {
		return &Conn{Conn: raw, proxies: l.proxies}, nil
	}
	return raw, nil
}

// Conn is a connection of a trusted proxy. Its header is read at the first call of Read, RemoteAddr or
// Secure, which waits for it.
type Conn struct {
	net.Conn // the network's own
	proxies  *Proxies

	once   sync.Once
	err    error
	client net.Addr
	secure bool
}

// NetConn is the network's own connection. It may be used instead of Conn once something was read.
func (c *Conn) NetConn() net.Conn { return c.Conn }

func (c *Conn) Read(b []byte) (int, error) {
	if c.once.Do(c.accept); c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(b)
}

// RemoteAddr is the client's address, the proxy's when it speaks for itself.
func (c *Conn) RemoteAddr() net.Addr {
	if c.once.Do(c.accept); c.client != nil {
		return c.client
	}
	return c.Conn.RemoteAddr()
}

// Secure reports whether the client connected to the proxy over TLS, which only version
// 2 of the protocol transmits.
func (c *Conn) Secure() bool {
	c.once.Do(c.accept)
	return c.secure
}

// CloseWrite ends our direction, so that the peer knows that nothing more comes.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// accept reads the header.
func (c *Conn) accept() {
	if c.err = c.Conn.SetReadDeadline(time.Now().Add(c.proxies.Timeout)); c.err != nil {
		return
	}

	header, err := readHeader(c.Conn)
	if err != nil {
		c.err = fmt.Errorf("PROXY protocol: %w", err)
		if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) { // a check of the port alone is no fault
			c.complain()
		}
		return
	}

	if tcp, ok := header.SourceAddr.(*net.TCPAddr); ok && header.Command.IsProxy() {
		c.client = tcp
	}
	if tlvs, err := header.TLVs(); err == nil {
		ssl, found := tlvparse.FindSSL(tlvs)
		c.secure = found && ssl.ClientSSL()
	}

	c.err = c.Conn.SetReadDeadline(time.Time{})
}

// complain logs a proxy that does not speak the protocol; without the line an operator would not
// find the cause.
func (c *Conn) complain() {
	if omitted, ok := c.proxies.lines.Sample(); ok {
		c.proxies.Log.Warn("closed a connection of a trusted proxy: it does not begin with a PROXY protocol header",
			"proxy", c.Conn.RemoteAddr().String(), "error", c.err, "omitted", omitted)
	}
}

// The sizes of headers, in bytes.
const (
	prefix       = 12 // of version 2, and less than the whole of version 1
	maxVersion1  = 107
	maxVersion2  = 2 << 10 // addresses and what a proxy reports of TLS
	restOfPrefix = 4
)

var errNoHeader = errors.New("there is no header")

// readHeader reads a header and not a byte more: what follows is read by the owner of the
// connection, perhaps from the socket itself.
func readHeader(r io.Reader) (*proxyproto.Header, error) {
	text := make([]byte, prefix, maxVersion1)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}

	// The first bytes decide the version, and with it how the length is found.
	switch {
	case bytes.Equal(text, proxyproto.SIGV2):
		text = text[:prefix+restOfPrefix]
		if _, err := io.ReadFull(r, text[prefix:]); err != nil {
			return nil, err
		}
		size := int(binary.BigEndian.Uint16(text[len(text)-2:]))
		if size > maxVersion2 {
			return nil, fmt.Errorf("the header has %d bytes, more than %d", size, maxVersion2)
		}
		text = append(text, make([]byte, size)...)
		if _, err := io.ReadFull(r, text[len(text)-size:]); err != nil {
			return nil, err
		}
	case bytes.HasPrefix(text, proxyproto.SIGV1):
		for text[len(text)-1] != '\n' && len(text) < maxVersion1 {
			text = text[:len(text)+1]
			if _, err := io.ReadFull(r, text[len(text)-1:]); err != nil {
				return nil, err
			}
		}
	default:
		return nil, errNoHeader
	}

	return proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(text), len(text)))
}
