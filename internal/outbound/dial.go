package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// dialer connects to the addresses that it checked.
type dialer struct {
	allowed  allowed
	secure   bool // TLS follows, so public addresses are allowed
	resolver Resolver
	timeout  time.Duration
	proxy    *proxy // to public addresses; nil for none
}

// dial resolves a host once, checks all its addresses, and connects to the first that answers. A proxy is asked for the
// address that was checked, and for a name where the host is allowed whatever it resolves to.
func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	addresses, err := d.resolve(ctx, host)
	if d.proxy != nil && d.allowed.host(host) && !slices.ContainsFunc(addresses, isInner) {
		return d.proxy.tunnel(ctx, address)
	}
	if err != nil {
		return nil, err
	}
	if err := d.allowed.check(host, addresses, d.secure); err != nil {
		return nil, err
	}

	// Each address has its share of the time that is left, so that a dead one leaves time for the next.
	var faults []error
	for i, ip := range addresses {
		conn, err := d.connect(ctx, network, ip, port, len(addresses)-i)
		if err == nil {
			return conn, nil
		}
		faults = append(faults, err)
	}
	return nil, errors.Join(faults...)
}

func (d dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	addresses, err := d.resolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addresses) == 0 {
		err = fmt.Errorf("%s has no address", host)
	}
	return addresses, err
}

// isInner reports whether an address is reached without the proxy.
func isInner(ip netip.Addr) bool { return !isPublic(ip) }

func (d dialer) connect(ctx context.Context, network string, ip netip.Addr, port string, share int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(share))
		defer cancel()
	}
	address := net.JoinHostPort(ip.String(), port)
	if d.proxy != nil && !isInner(ip) {
		return d.proxy.tunnel(ctx, address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}
