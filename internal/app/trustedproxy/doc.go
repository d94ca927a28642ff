// Package trustedproxy finds the client of a request that came through proxies that the operator
// trusts. It promises:
//
//   - Only peers within the trusted networks are believed. What other peers send about an address or a
//     scheme is ignored.
//   - Of a chain of proxies every trusted hop is passed, from the nearest on. The client is the first
//     hop that is not trusted; what the client itself put in front of it is never reached.
//   - One forwarding header is believed, the one that the operator names: a proxy sets that one and
//     lets the other through as the client sent it.
//   - With the PROXY protocol, a connection of a trusted peer begins with its header or is closed.
//     Not a byte behind the header is read.
package trustedproxy

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/carillon-chat/carillon/internal/ops"
)

// The forwarding headers.
const (
	XForwardedFor = "x-forwarded-for" // with X-Forwarded-Proto
	Forwarded     = "forwarded"       // RFC 7239
)

// Options of Proxies.
type Options struct {
	Networks []netip.Prefix // of the trusted proxies; without any, no header is believed
	Header   string         // XForwardedFor or Forwarded
	// Protocol has connections of trusted peers begin with a PROXY protocol header, version 1 or 2.
	Protocol bool
	// Timeout bounds the wait for that header (default 10 s).
	Timeout time.Duration
	Now     func() time.Time // of the log's sampling; nil means time.Now
	Log     *slog.Logger     // nil discards
}

// Proxies are the trusted ones. They are safe for concurrent use.
type Proxies struct {
	Options
	lines *ops.Sampler // of connections with a broken header
}

// New takes the options.
func New(o Options) *Proxies {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Proxies{o, ops.NewSampler(time.Second, o.Now)}
}

// trusts reports whether the address is that of a trusted proxy.
func (p *Proxies) trusts(address netip.Addr) bool {
	address = address.Unmap()
	for _, network := range p.Networks {
		if network.Contains(address) {
			return true
		}
	}
	return false
}
