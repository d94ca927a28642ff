package app

import (
	"crypto/tls"
	"fmt"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
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

// signerOf signs with the secrets of a setting; it is nil without any.
func signerOf(setting string, secrets []string) (*webhook.Signer, error) {
	if len(secrets) == 0 {
		return nil, nil
	}
	signer, err := webhook.NewSigner(secrets...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return signer, nil
}
