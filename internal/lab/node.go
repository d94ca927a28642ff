package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// Load reads the settings of a mode from flags. Both ports are free ones unless the flags say otherwise, and the root keys of
// serve are of the lab's own.
func Load(mode config.Mode, flags map[string]string) (config.Config, error) {
	all := map[string]string{"listen": "127.0.0.1:0", "ops-listen": "127.0.0.1:0"}
	maps.Copy(all, flags)
	var environ []string
	if mode == config.Serve {
		environ = []string{"CARILLON_ROOT_ACCESS_KEY_ID=AKIASERVE00000000000", "CARILLON_ROOT_SECRET_ACCESS_KEY=a-secret-of-the-test"}
	}
	url, err := pgtest.DatabaseOf(context.Background(), all["data"])
	if err != nil {
		return config.Config{}, err
	}
	if url != "" {
		environ = append(environ, databaseURL+url, nodeLease)
	}
	return config.Load(mode, config.Sources{Flags: all, Environ: environ})
}

// The settings of a node with a database, in the environment. What a node that was killed did is taken over soon.
const (
	databaseURL = "CARILLON_DATABASE_URL="
	nodeLease   = "CARILLON_NODE_LEASE=3s"
)

// Settings are those of Load, with a data folder that ends with the test unless the flags name one.
func Settings(t testing.TB, mode config.Mode, flags map[string]string) config.Config {
	t.Helper()
	all := map[string]string{"data": filepath.Join(t.TempDir(), "data")}
	maps.Copy(all, flags)
	cfg, err := Load(mode, all)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// Node is a node that runs inside this process.
type Node struct {
	*app.App
	Config config.Config
	Log    *Log         // empty when the node was given a logger
	HTTP   *http.Client // trusts the node's CA alone; it has no timeout

	stop func() error
}

// Run builds a node, runs it and returns when it serves; ctx bounds that alone. Stop has to be called. Without a logger
// and a version in deps the node logs to Log, at the level of its settings, and is called "test".
func Run(ctx context.Context, cfg config.Config, deps app.Deps) (*Node, error) {
	n := &Node{Config: cfg, Log: new(Log)}
	if deps.Version == "" {
		deps.Version = "test"
	}
	if deps.Log == nil {
		var level slog.LevelVar
		if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
			return nil, err
		}
		deps.Log = slog.New(slog.NewTextHandler(n.Log, &slog.HandlerOptions{Level: &level}))
	}
	var err error
	if n.App, err = app.New(ctx, cfg, deps); err != nil {
		return nil, err
	}
	transport, err := trusting(n.CAFile())
	if err != nil {
		_ = n.Close()
		return nil, err
	}
	n.HTTP = &http.Client{Transport: transport}

	running, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.App.Run(running) }()
	n.stop = sync.OnceValue(func() error {
		defer transport.CloseIdleConnections()
		cancel()
		return <-done
	})
	<-n.Ready()
	return n, nil
}

// Start does what Run does, for a test: the node is stopped at its end, and the test fails when the stop is not clean.
func Start(t testing.TB, cfg config.Config, deps app.Deps) *Node {
	t.Helper()
	n, err := Run(t.Context(), cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Errorf("the stop is not clean: %v\n%s", err, n.Log)
		}
	})
	return n
}

// Stop ends the node in order and waits. The error says what was not clean; another call returns the same.
func (n *Node) Stop() error { return n.stop() }

// RootKeys are the keys that may do everything.
func (n *Node) RootKeys() sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: n.Config.RootAccessKeyID, SecretAccessKey: n.Config.RootSecretAccessKey.Reveal()}
}

// Peer calls the node over plain HTTP with the root keys.
func (n *Node) Peer() Peer {
	return Peer{Base: "http://" + n.Addr(), HTTP: n.HTTP, Signer: sigv4.Signer{
		Credentials: n.RootKeys(), Scope: sigv4.Scope{Region: n.Config.Region, Service: "chime"},
	}}
}

// trusting makes a transport that trusts the CA of the file alone, or those of the machine when there is no file.
func trusting(file string) (*http.Transport, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	if file == "" {
		return transport, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	return transport, nil
}
