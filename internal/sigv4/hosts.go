package sigv4

import (
	"slices"
	"strings"
)

// maxCandidates bounds the hosts that one signature is tried with.
const maxCandidates = 6

// candidates are the hosts that the client of a request may have signed: Host
// as received, which SigV4 wants; in lower case, as some signers write what
// they then send as typed; each with or without the default port, which
// clients and the libraries below them treat differently; and the names that
// the server is known by, which a proxy may have replaced. Since each of them
// is a name of this server, a signature over one is meant for it.
func candidates(r *Request, public []string) []string {
	hosts := make([]string, 0, maxCandidates)
	add := func(host string) {
		if host != "" && len(hosts) < maxCandidates && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	add(r.Host)
	lower := strings.ToLower(r.Host)
	add(lower)
	add(otherPort(lower, r.Secure))
	for _, host := range public {
		add(host)
		add(otherPort(host, r.Secure))
	}
	return hosts
}

// otherPort gives a host without the default port of its scheme, or with it;
// empty when the host has another port.
func otherPort(host string, secure bool) string {
	port := ":80"
	if secure {
		port = ":443"
	}
	if bare, ok := strings.CutSuffix(host, port); ok {
		return bare
	}
	if strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']') {
		return ""
	}
	return host + port
}
