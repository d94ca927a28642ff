package trustedproxy

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
)

// Handler replaces a trusted proxy by its client before next sees the request: RemoteAddr is
// the client's address, with port 0 when the proxy does not send it, and Secure answers for the
// client's connection.
func (p *Proxies) Handler(next http.Handler) http.Handler {
	if len(p.Networks) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !p.trusts(peer.Addr()) {
			next.ServeHTTP(w, r)
			return
		}

		client, scheme := p.client(peer, p.hops(r.Header))
		if secure, known := schemes[scheme]; known {
			r = r.WithContext(context.WithValue(r.Context(), secureKey{}, secure))
		}
		if client != peer {
			copied := *r // the request is the server's, whose log names the peer
			copied.RemoteAddr = client.String()
			r = &copied
		}

		next.ServeHTTP(w, r)
	})
}

// Secure reports whether the client reached the proxy over TLS, and whether a trusted proxy
// reported it.
func Secure(ctx context.Context) (secure, known bool) {
	secure, known = ctx.Value(secureKey{}).(bool)
	return secure, known
}

type secureKey struct{}

var schemes = map[string]bool{"https": true, "wss": true, "http": false, "ws": false}

// hop is what one proxy reports of the connection that it got a request by.
type hop struct {
	node   string // the address that connected to it
	scheme string // in lower case, empty when it was not sent
}

// client passes the trusted hops, the nearest being the last. A node that is no address ends the way:
// the client is then as far as it is known.
func (p *Proxies) client(peer netip.AddrPort, hops []hop) (client netip.AddrPort, scheme string) {
	client = peer
	for i := len(hops) - 1; i >= 0 && p.trusts(client.Addr()); i-- {
		scheme = hops[i].scheme
		node, ok := parseNode(hops[i].node)
		if !ok {
			break
		}
		client = node
	}
	return client, scheme
}

// parseNode reads an address with or without a port.
func parseNode(text string) (netip.AddrPort, bool) {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port()), true
	}
	text = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	address, err := netip.ParseAddr(text)
	return netip.AddrPortFrom(address.Unmap().WithZone(""), 0), err == nil
}

// hops reads the one header that is believed.
func (p *Proxies) hops(h http.Header) []hop {
	if p.Header == Forwarded {
		return parseForwarded(h["Forwarded"])
	}
	// X-Forwarded-Proto has no value for each hop: the nearest proxy's word counts.
	scheme := ""
	if sent := h["X-Forwarded-Proto"]; len(sent) > 0 {
		scheme = sent[len(sent)-1]
		scheme = strings.ToLower(strings.TrimSpace(scheme[strings.LastIndexByte(scheme, ',')+1:]))
	}

	var hops []hop
	for _, value := range h["X-Forwarded-For"] {
		for node := range strings.SplitSeq(value, ",") {
			hops = append(hops, hop{strings.TrimSpace(node), scheme})
		}
	}
	if hops == nil && scheme != "" {
		hops = []hop{{scheme: scheme}} // a proxy that sends the scheme alone
	}
	return hops
}

// parseForwarded reads the elements of RFC 7239, section 4. A header that breaks its grammar
// is not believed at all.
func parseForwarded(values []string) []hop {
	var hops []hop
	rest := strings.Join(values, ",")
	for current := (hop{}); ; {
		name, after, found := strings.Cut(strings.TrimLeft(rest, " \t"), "=")
		if !found {
			return nil
		}
		value, after, ok := cutValue(after)
		if !ok {
			return nil
		}

		switch strings.ToLower(name) {
		case "for":
			current.node = value
		case "proto":
			current.scheme = strings.ToLower(value)
		}

		// A semicolon continues the hop, a comma begins the next.
		after = strings.TrimLeft(after, " \t")
		if after != "" && after[0] == ';' {
			rest = after[1:]
			continue
		}

		hops, current = append(hops, current), hop{}
		if after == "" {
			return hops
		} else if after[0] != ',' {
			return nil
		}
		rest = after[1:]
	}
}

// cutValue cuts a token or quoted string off the text.
func cutValue(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, ",; \t")
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], end > 0
	}

	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return b.String(), text[i+1:], true
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		}
		b.WriteByte(text[i])
	}
	return "", "", false
}
