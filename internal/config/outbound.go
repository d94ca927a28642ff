package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// namePattern is a host's name without port.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*\.)*[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*\.?$`)

// OutboundAllowed reads the setting outbound-allow.
func (c *Config) OutboundAllowed() (allowed []netip.Prefix, hosts []string, err error) {
	for _, text := range c.OutboundAllow {
		network, err := netip.ParsePrefix(text)
		switch {
		case err == nil && network == network.Masked():
			allowed = append(allowed, network)
		case namePattern.MatchString(text):
			hosts = append(hosts, text)
		default:
			return nil, nil, fmt.Errorf("must hold networks such as 10.1.0.0/16 and host names such as flows.internal, not %q", text)
		}
	}
	return allowed, hosts, nil
}

// OutboundProxyURL reads the setting outbound-proxy, with the user of outbound-proxy-auth; nil is none.
func (c *Config) OutboundProxyURL() (*url.URL, error) {
	if c.OutboundProxy == "" {
		return nil, nil
	}
	u, err := url.Parse(c.OutboundProxy)
	if err != nil || !isWeb(u) || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, errors.New("must be a URL such as http://proxy.internal:3128, with http or https")
	}
	if u.User != nil {
		return nil, errors.New("must not have a password: it belongs into outbound-proxy-auth")
	}
	if name, password, found := strings.Cut(c.OutboundProxyAuth.Reveal(), ":"); found {
		u.User = url.UserPassword(name, password)
	}
	return u, nil
}

// checkOutbound checks the settings of calls to other services.
func (c *Config) checkOutbound(fault func(key string, err error)) {
	_, _, err := c.OutboundAllowed()
	fault("outbound-allow", err)
	_, err = c.OutboundProxyURL()
	fault("outbound-proxy", err)
	if !c.OutboundProxyAuth.IsZero() {
		name, _, found := strings.Cut(c.OutboundProxyAuth.Reveal(), ":")
		fault("outbound-proxy-auth", when(!found || name == "" || c.OutboundProxy == "", "must be user:password, while outbound-proxy is set"))
	}
	fault("outbound-timeout", within(c.OutboundTimeout, 100*time.Millisecond, 5*time.Minute))
}
