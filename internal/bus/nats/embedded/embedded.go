// Package embedded runs a NATS server within the process, which joins those of the other nodes, so that a bus
// needs no server of its own. The process is its only client.
package embedded

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/carillon-chat/carillon/internal/ops"
)

const (
	startTimeout = 10 * time.Second
	tlsTimeout   = 5 // seconds
	// A node that has not answered this many pings is gone.
	pingInterval = 2 * time.Second
	maxPings     = 2
	// user goes with the secret, which alone decides.
	user = "carillon"
)

// Options of a Server. Name, Listen and Logger are required.
type Options struct {
	// Name is that of the cluster. Servers of others are refused.
	Name string
	// Listen is the address for the servers of other nodes, as host:port. Port 0 takes a free one.
	Listen string
	// Routes are such addresses of other nodes, as host:port. One that is reached suffices: it names the others.
	// They are tried as long as it takes.
	Routes []string
	// Secret is what servers show to each other; empty lets in all that TLS does.
	Secret string
	// CertFile and KeyFile are the certificate, in PEM, that the server shows to others, and CAFile has those of
	// which one signed theirs. Without them nothing is encrypted.
	CertFile, KeyFile, CAFile string

	Logger *slog.Logger
}

// Server is a server of the cluster.
type Server struct {
	server *server.Server
	routes int
}

// Start starts a server. It returns when other nodes can reach it, and does not wait for them.
func Start(o Options) (*Server, error) {
	settings, err := o.settings()
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(settings)
	if err != nil {
		return nil, err
	}
	log := &serverLog{to: o.Logger, lines: ops.NewSampler(time.Second, time.Now), secret: o.Secret, fatal: make(chan string, 1)}
	s.SetLogger(log, false, false)

	s.Start()
	started := &Server{server: s, routes: len(o.Routes)}
	if err := started.await(log.fatal); err != nil {
		started.Close()
		return nil, err
	}
	return started, nil
}

// await waits until other nodes can reach the server. Its only report of a port that is taken is a line of its log.
func (s *Server) await(fatal <-chan string) error {
	const step = 50 * time.Millisecond
	for began := time.Now(); !s.server.ReadyForConnections(step); {
		select {
		case text := <-fatal:
			return errors.New(text)
		default:
		}
		if time.Since(began) > startTimeout {
			return fmt.Errorf("the server is not ready after %s", startTimeout)
		}
	}
	return nil
}

// settings are those of the library.
func (o Options) settings() (*server.Options, error) {
	host, text, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("port %q: %w", text, err)
	}

	to := &server.Options{
		// The library begins with routes when it listens for clients, so there is such a port, on which none gets in.
		Host: "127.0.0.1", Port: server.RANDOM_PORT, CustomClientAuthentication: onlyInProcess{},
		NoSigs: true, // the program handles them
		Cluster: server.ClusterOpts{
			Name: o.Name, Host: cmp.Or(host, "0.0.0.0"), Port: cmp.Or(port, server.RANDOM_PORT), PingInterval: pingInterval, MaxPingsOut: maxPings,
			ConnectRetries: 10,   // of servers that others name
			NoAdvertise:    true, // of the port for clients
		},
	}

	// What is shown to other servers, and asked of them.
	for _, address := range o.Routes {
		to.Routes = append(to.Routes, &url.URL{Scheme: "nats-route", Host: address})
	}
	if o.Secret != "" {
		to.Cluster.Username, to.Cluster.Password = user, o.Secret
		for _, route := range to.Routes {
			route.User = url.UserPassword(user, o.Secret)
		}
	}
	if o.CertFile != "" {
		to.Cluster.TLSTimeout = tlsTimeout
		if to.Cluster.TLSConfig, err = o.tls(); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// onlyInProcess lets in the clients that InProcessConn made.
type onlyInProcess struct{}

// Check implements server.Authentication.
func (onlyInProcess) Check(client server.ClientAuthentication) bool {
	address := client.RemoteAddress()
	return address != nil && address.Network() == "pipe"
}

// tls is for both ends of a route, each of which shows its certificate.
func (o Options) tls() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificates", o.CAFile)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, RootCAs: roots, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS12,
	}, nil
}

// InProcessConn connects to the server.
func (s *Server) InProcessConn() (net.Conn, error) { return s.server.InProcessConn() }

// Addr is the address for other nodes.
func (s *Server) Addr() net.Addr { return s.server.ClusterAddr() }

// Peers is how many servers of other nodes it is connected with.
func (s *Server) Peers() int { return s.server.NumRemotes() }

// Alone reports whether there are routes and none of them leads to another node at present.
func (s *Server) Alone() bool { return s.routes > 0 && s.Peers() == 0 }

// Close stops the server.
func (s *Server) Close() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}
