// Package localca makes the certificates that a server needs before it has a bought one: a
// certificate authority that lives in a folder, and a server certificate signed by it.
//
// It promises:
//
//   - The authority is made once. It is made again only when it is near its end, damaged, or
//     needed for another name; programs that trusted the earlier one must then trust the new one.
//   - The authority can vouch for nothing but the names it was made for (X.509 name
//     constraints), so trusting it in a browser or system puts no other site at risk even if its
//     key is stolen.
//   - The server certificate is renewed before it ends, also while the program runs.
//   - Private keys are readable by the owner alone.
package localca

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Lifetimes. Clients refuse server certificates that are valid for much more than a year.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	serverLife    = 397 * 24 * time.Hour
	renewBefore   = 30 * 24 * time.Hour
)

// The names that every certificate holds in addition to the given ones.
var loopback = []string{"localhost", "127.0.0.1", "::1"}

// Authority is the certificate authority of one folder. It is safe for concurrent use.
type Authority struct {
	dir   string
	hosts []string
	now   func() time.Time

	mu     sync.Mutex
	ca     *tls.Certificate
	server *tls.Certificate
	made   bool
}

// Open reads the authority of the folder, or makes it, for localhost, 127.0.0.1, ::1 and the
// given names or addresses.
func Open(dir string, hosts []string, now func() time.Time) (*Authority, error) {
	a := &Authority{dir: dir, now: now, hosts: append(append([]string{}, loopback...), hosts...)}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	if err := a.renew(); err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	return a, nil
}

// File is the absolute path of the authority's certificate, in PEM.
func (a *Authority) File() string {
	path, err := filepath.Abs(a.path("ca.pem"))
	if err != nil {
		return a.path("ca.pem")
	}
	return path
}

// Made reports whether the authority is new, so that no program can trust it yet.
func (a *Authority) Made() bool { return a.made }

// GetCertificate is the server certificate, for tls.Config.
func (a *Authority) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.renew(); err != nil {
		return nil, err
	}
	return a.server, nil
}

// renew makes sure that both certificates are good for some time yet.
func (a *Authority) renew() error {
	soon := a.now().Add(renewBefore)
	if a.server != nil && soon.Before(a.server.Leaf.NotAfter) {
		return nil
	}

	if err := a.renewAuthority(soon); err != nil {
		return err
	}

	server, err := a.load("server")
	if err != nil {
		return err
	}
	if server == nil || !a.vouches(server.Leaf, soon) {
		if server, err = a.issue("server", serverTemplate(a.hosts, a.now(), a.ca.Leaf.NotAfter), a.ca); err != nil {
			return err
		}
	}
	a.server = server
	return nil
}

// renewAuthority makes a new authority unless there is one for all the names that outlives the
// next server certificate.
func (a *Authority) renewAuthority(soon time.Time) error {
	ca, err := a.load("ca")
	if err != nil {
		return err
	}
	if ca == nil || !ca.Leaf.IsCA || ca.Leaf.NotAfter.Before(soon.Add(serverLife)) || !permits(ca.Leaf, a.hosts) {
		if ca, err = a.issue("ca", authorityTemplate(a.hosts, a.now()), nil); err != nil {
			return err
		}
		a.made = true
	}
	a.ca = ca
	return nil
}

// vouches reports whether clients that trust the authority accept the certificate, at the moment
// and for every name.
func (a *Authority) vouches(server *x509.Certificate, at time.Time) bool {
	roots := x509.NewCertPool()
	roots.AddCert(a.ca.Leaf)
	for _, host := range a.hosts {
		if _, err := server.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: at}); err != nil {
			return false
		}
	}
	return true
}

// permits reports whether the authority's constraints allow every name.
func permits(ca *x509.Certificate, hosts []string) bool {
	for _, host := range hosts {
		permitted := false
		if ip := net.ParseIP(host); ip != nil {
			for _, block := range ca.PermittedIPRanges {
				permitted = permitted || block.Contains(ip)
			}
		} else {
			for _, name := range ca.PermittedDNSDomains {
				permitted = permitted || name == host
			}
		}
		if !permitted {
			return false
		}
	}
	return true
}

func (a *Authority) path(name string) string { return filepath.Join(a.dir, name) }

// load reads a certificate and its key. It returns nil when there is none, or when the files do
// not fit together, as after a crash between writing the one and the other.
func (a *Authority) load(name string) (*tls.Certificate, error) {
	certificate, err := os.ReadFile(a.path(name + ".pem"))
	if err == nil {
		var key []byte
		if key, err = os.ReadFile(a.path(name + "-key.pem")); err == nil {
			if pair, bad := tls.X509KeyPair(certificate, key); bad == nil {
				return &pair, nil
			}
			return nil, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return nil, err
}
