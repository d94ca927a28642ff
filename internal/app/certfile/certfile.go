// Package certfile is the server certificate that an operator keeps in two files. It promises:
//
//   - A change of the files is followed while the program runs, within CheckInterval or at once by
//     Reload.
//   - Files that cannot be read, or do not fit together, change nothing: the pair in force stays until
//     the files are valid, as between the writing of the two.
package certfile

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// CheckInterval lies between two looks at the files.
const CheckInterval = 5 * time.Second

// Pair is a certificate chain with its key. It is safe for concurrent use.
type Pair struct {
	log *slog.Logger

	mu                sync.Mutex
	certFile, keyFile string
	cert, key         []byte // as they were read last, in force or not
	inForce           *tls.Certificate
}

// Open reads the files.
func Open(certFile, keyFile string, log *slog.Logger) (*Pair, error) {
	p := &Pair{log: log}
	return p, p.Reload(certFile, keyFile)
}

// Reload reads the files, which may be others than before, and puts them in force. When they are
// invalid nothing changes.
func (p *Pair) Reload(certFile, keyFile string) error {
	cert, key, err := read(certFile, keyFile)
	if err != nil {
		return err
	}
	pair, err := parse(certFile, keyFile, cert, key)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.certFile, p.keyFile, p.cert, p.key, p.inForce = certFile, keyFile, cert, key, pair
	return nil
}

// GetCertificate is the pair in force, for tls.Config.
func (p *Pair) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inForce, nil
}

// Run follows the files until ctx ends.
func (p *Pair) Run(ctx context.Context) error {
	tick := time.NewTicker(CheckInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			p.follow()
		}
	}
}

// follow puts the files in force if they changed. A fault is logged once for each change.
func (p *Pair) follow() {
	p.mu.Lock()
	defer p.mu.Unlock()

	cert, key, err := read(p.certFile, p.keyFile)
	if err == nil && bytes.Equal(cert, p.cert) && bytes.Equal(key, p.key) {
		return
	}
	if err != nil && p.cert == nil {
		return // they could not be read before either
	}

	p.cert, p.key = cert, key
	var pair *tls.Certificate
	if err == nil {
		pair, err = parse(p.certFile, p.keyFile, cert, key)
	}

	if err != nil {
		p.log.Error("certificate reload failed, keeping the previous certificate", "error", err)
		return
	}

	p.inForce = pair
	p.log.Info("certificate reloaded", "file", p.certFile, "expires", pair.Leaf.NotAfter.UTC())
}

func read(certFile, keyFile string) (cert, key []byte, err error) {
	if cert, err = os.ReadFile(certFile); err != nil {
		return nil, nil, fmt.Errorf("tls-cert: %w", err)
	}
	if key, err = os.ReadFile(keyFile); err != nil {
		return nil, nil, fmt.Errorf("tls-key: %w", err)
	}
	return cert, key, nil
}

func parse(certFile, keyFile string, cert, key []byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("tls-cert %s, tls-key %s: %w", certFile, keyFile, err)
	}
	return &pair, nil
}
