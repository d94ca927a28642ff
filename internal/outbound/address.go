package outbound

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// isPublic reports whether an address is one of the public Internet. An address of IPv6 that carries one of
// IPv4 is judged by that.
func isPublic(ip netip.Addr) bool {
	ip = carried(ip)
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !slices.ContainsFunc(special, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// carried is the address of IPv4 that a mapped, 6to4 or NAT64 address of IPv6 stands for, and any other
// address without its zone.
func carried(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	b := ip.As16()
	switch {
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:16]))
	}
	return ip
}

var (
	sixToFour = netip.MustParsePrefix("2002::/16")
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
)

// special are networks that are neither private nor public: the registries of special-purpose addresses
// (RFC 6890), and those of IPv6 that carry an IPv4 address in other ways.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4",
	"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10",
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// allowed is what may be reached although it is not public.
type allowed struct {
	networks []netip.Prefix
	hosts    []string // as canonical writes them
}

func newAllowed(networks []netip.Prefix, hosts []string) allowed {
	a := allowed{networks: networks}
	for _, name := range hosts {
		a.hosts = append(a.hosts, canonical(name))
	}
	return a
}

func (a allowed) host(name string) bool { return slices.Contains(a.hosts, canonical(name)) }

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func (a allowed) network(ip netip.Addr) bool {
	ip, inner := ip.Unmap().WithZone(""), carried(ip)
	return slices.ContainsFunc(a.networks, func(n netip.Prefix) bool { return n.Contains(ip) || n.Contains(inner) })
}

// check refuses the addresses of a host when one of them may not be connected to. Plain HTTP asks that each
// is allowed, TLS also lets public ones pass.
func (a allowed) check(host string, addresses []netip.Addr, secure bool) error {
	if a.host(host) {
		return nil
	}
	for _, ip := range addresses {
		switch {
		case a.network(ip):
		case !isPublic(ip):
			return fmt.Errorf("%w: %s is %s, which is not public", ErrRefused, host, ip)
		case !secure:
			return fmt.Errorf("%w: plain http to %s", ErrRefused, host)
		}
	}
	return nil
}
