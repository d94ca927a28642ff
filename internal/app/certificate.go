package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/app/certfile"
	"github.com/carillon-chat/carillon/internal/app/localca"
)

// The certificate is checked periodically, and its end announced in time.
const (
	certificateCheck = 24 * time.Hour
	expiresSoon      = 14 * 24 * time.Hour
)

// openCertificate opens the setting's certificate, or one of the local CA.
func (a *App) openCertificate(context.Context) (err error) {
	if a.cfg.TLSCert != "" {
		if a.ownCertificate, err = certfile.Open(a.cfg.TLSCert, a.cfg.TLSKey, a.deps.Log); err != nil {
			return err
		}
		a.actors = append(a.actors, actor{name: "certificate", run: a.ownCertificate.Run, patience: stopPatience})
		a.getCertificate = a.ownCertificate.GetCertificate
	} else {
		if a.authority, err = localca.Open(a.data.TLS(), a.certifiedHosts(), a.deps.Now); err != nil {
			return err
		}
		if a.authority.Made() {
			a.deps.Log.Info("created a local certificate authority: TLS clients must trust it", "file", a.authority.File())
		}
		a.getCertificate = a.authority.GetCertificate
	}

	a.actors = append(a.actors, actor{name: "certificate check", run: a.checkCertificates, patience: stopPatience})
	a.registry.MustRegister(sampler(a.sampleCertificate))
	return nil
}

// tlsConfig serves the certificate in force.
func (a *App) tlsConfig() *tls.Config {
	// HTTP/2 has no upgrade to a WebSocket that its clients know.
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: a.getCertificate}
}

func (a *App) sampleCertificate(gauge, _ sample) {
	if pair, err := a.getCertificate(nil); err == nil {
		gauge("carillon_tls_certificate_expiry_timestamp_seconds", "When the certificate of the public port expires, in Unix time.",
			float64(pair.Leaf.NotAfter.Unix()))
	}
}

// checkCertificates looks at the certificate at the start and each day.
func (a *App) checkCertificates(ctx context.Context) error {
	tick := time.NewTicker(certificateCheck)
	defer tick.Stop()
	for {
		a.checkCertificate()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *App) checkCertificate() {
	pair, err := a.getCertificate(nil)
	if err != nil {
		a.deps.Log.Error("there is no certificate", "error", err)
		return
	}
	for _, warning := range certificateWarnings(pair, a.publicHost, a.deps.Now()) {
		a.deps.Log.Warn("clients may refuse the certificate", slog.String("why", warning), slog.Time("expires", pair.Leaf.NotAfter.UTC()))
	}
}

// certificateWarnings are the reasons why clients refuse the certificate, or will.
func certificateWarnings(pair *tls.Certificate, publicHost string, now time.Time) (warnings []string) {
	switch left := pair.Leaf.NotAfter.Sub(now); {
	case now.Before(pair.Leaf.NotBefore):
		warnings = append(warnings, fmt.Sprintf("it is not valid before %v", pair.Leaf.NotBefore.UTC()))
	case left <= 0:
		warnings = append(warnings, "it has expired")
	case left < expiresSoon:
		warnings = append(warnings, fmt.Sprintf("it expires in %d days", int(left.Hours()/24)))
	}

	host, _, err := net.SplitHostPort(publicHost)
	if err != nil {
		host = strings.Trim(publicHost, "[]")
	}
	if err := pair.Leaf.VerifyHostname(host); err != nil {
		warnings = append(warnings, fmt.Sprintf("it does not cover public-host: %v", err))
	}
	return warnings
}

// certifiedHosts are the names that clients use, apart from those of the machine itself.
func (a *App) certifiedHosts() []string {
	var hosts []string
	for _, address := range []string{a.publicHost, a.Addr()} {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address
		}
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback() && !ip.IsUnspecified()) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
