package certfile_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/app/certfile"
	"github.com/carillon-chat/carillon/internal/app/localca"
)

// pairs are the texts of certificates and keys, each of another authority.
func pairs(t *testing.T, n int) (certs, keys [][]byte) {
	t.Helper()
	for range n {
		dir := t.TempDir()
		if _, err := localca.Open(dir, nil, time.Now); err != nil {
			t.Fatal(err)
		}
		certs, keys = append(certs, read(t, dir, "server.pem")), append(keys, read(t, dir, "server-key.pem"))
	}
	return certs, keys
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// serial is that of the certificate in force.
func serial(t *testing.T, p *certfile.Pair) string {
	t.Helper()
	pair, err := p.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf.SerialNumber.String()
}

// lines are what was logged, by whichever goroutine.
type lines struct {
	mu   sync.Mutex
	text []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	return len(p), nil
}

// take gives the lines since it was called before.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := string(l.text)
	l.text = nil
	return text
}

func TestChangedFilesAreFollowed(t *testing.T) {
	certs, keys := pairs(t, 3)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	write(t, cert, certs[0])
	write(t, key, keys[0])
	synctest.Test(t, func(t *testing.T) {
		var log lines
		p, err := certfile.Open(cert, key, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = p.Run(ctx) }()
		// later lets the next look at the files happen and gives what it logged.
		later := func() string {
			log.take()
			time.Sleep(certfile.CheckInterval)
			synctest.Wait()
			return log.take()
		}
		first := serial(t, p)
		if said := later(); said != "" || serial(t, p) != first {
			t.Errorf("nothing changed: %s", said)
		}

		write(t, cert, certs[1]) // the key follows
		if said := later(); !strings.Contains(said, "keeping the previous") || serial(t, p) != first {
			t.Errorf("half a change: %s", said)
		}
		if said := later(); said != "" {
			t.Errorf("the same fault is logged again: %s", said)
		}
		write(t, key, keys[1])
		if said := later(); !strings.Contains(said, "reloaded") || serial(t, p) == first {
			t.Errorf("the other half: %s", said)
		}
		second := serial(t, p)

		if err := os.Remove(cert); err != nil {
			t.Fatal(err)
		}
		if said := later(); !strings.Contains(said, "keeping the previous") || serial(t, p) != second {
			t.Errorf("a file is gone: %s", said)
		}
		if said := later(); said != "" {
			t.Errorf("it is still gone: %s", said)
		}
		write(t, cert, certs[1])
		later()

		write(t, cert, certs[2])
		write(t, key, keys[2])
		if err := p.Reload(cert, key); err != nil || serial(t, p) == second {
			t.Errorf("reloaded at once: %v", err)
		}
	})
}

func TestBadFilesAreRefused(t *testing.T) {
	certs, keys := pairs(t, 2)
	dir := t.TempDir()
	cert, key, other := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"), filepath.Join(dir, "o.pem")
	write(t, cert, certs[0])
	write(t, key, keys[0])
	write(t, other, keys[1])
	for want, files := range map[string][2]string{
		"tls-cert: open":             {filepath.Join(dir, "absent.pem"), key},
		"tls-key: open":              {cert, filepath.Join(dir, "absent.pem")},
		"private key does not match": {cert, other},
	} {
		if _, err := certfile.Open(files[0], files[1], slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
