package app

import (
	"crypto/tls"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/outbound"
)

// openOutbound makes the client that calls other services.
func openOutbound(cfg config.Config, own ...tls.Certificate) (*outbound.Client, error) {
	networks, hosts, err := cfg.OutboundAllowed()
	if err != nil {
		return nil, err
	}
	proxy, err := cfg.OutboundProxyURL()
	if err != nil {
		return nil, err
	}
	return outbound.New(outbound.Options{Networks: networks, Hosts: hosts, Timeout: cfg.OutboundTimeout, Proxy: proxy, Certificates: own}), nil
}
