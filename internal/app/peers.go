package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-chat/carillon/internal/bus/nats"
	"github.com/carillon-chat/carillon/internal/bus/nats/embedded"
	"github.com/carillon-chat/carillon/internal/ops"
)

// peers is what connects the node with the others that share its database.
type peers struct {
	bus    *nats.Bus
	server *embedded.Server // nil with a NATS that is no part of the node
}

// openPeers begins to connect with the other nodes.
func (a *App) openPeers() (p *peers, err error) {
	cfg, p := a.cfg, &peers{}
	o := nats.Options{
		URLs: cfg.NATSURL, Prefix: cfg.NATSPrefix, CredentialsFile: cfg.NATSCredentialsFile, NkeyFile: cfg.NATSNkeyFile,
		User: cfg.NATSUser, Password: cfg.NATSPassword.Reveal(), Token: cfg.NATSToken.Reveal(),
		CAFile: cfg.NATSTLSCA, CertFile: cfg.NATSTLSCert, KeyFile: cfg.NATSTLSKey, Logger: a.deps.Log,
	}
	if cfg.ClusterListen != "" {
		p.server, err = embedded.Start(embedded.Options{
			Name: cfg.NATSPrefix, Listen: cfg.ClusterListen, Routes: cfg.ClusterRoutes, Secret: cfg.ClusterSecret.Reveal(),
			CertFile: cfg.ClusterTLSCert, KeyFile: cfg.ClusterTLSKey, CAFile: cfg.ClusterTLSCA, Logger: a.deps.Log,
		})
		if err != nil {
			return nil, fmt.Errorf("cluster-listen %s: %w", cfg.ClusterListen, err)
		}
		a.opened(func() error { p.server.Close(); return nil })
		a.deps.Log.Info("listening for other nodes", "address", p.server.Addr().String(), "routes", len(cfg.ClusterRoutes))
		o.InProcess = p.server
	}
	if p.bus, err = nats.Open(o); err != nil {
		return nil, fmt.Errorf("NATS: %w", err)
	}

	// Nothing acknowledged depends on it, so a node without it serves.
	a.opened(p.bus.Close)
	a.readiness.Add("bus", func(context.Context) error {
		if err := p.degraded(); err != nil {
			return fmt.Errorf("%w: events of other nodes come late: %w", ops.ErrDegraded, err)
		}
		return nil
	})
	a.registry.MustRegister(sampler(p.sample))
	return p, nil
}

var errAlone = errors.New("no other node of cluster-routes is reached")

// degraded is why other nodes are not reached, nil when they are.
func (p *peers) degraded() error {
	if p.server != nil && p.server.Alone() {
		return errAlone
	}
	return p.bus.Degraded()
}

func (p *peers) sample(gauge, counter sample) {
	s := p.bus.Stats()
	connected := 0.0
	if s.Connected {
		connected = 1
	}
	gauge("carillon_bus_connected", "1 while the node is connected with NATS. With 0 for long, events of other nodes come up to a second late.", connected)
	counter("carillon_bus_disconnects_total", "Connections with NATS that were lost.", float64(s.Disconnects))
	gauge("carillon_bus_subjects", "Subjects of NATS that the node receives: two for each app instance that has users online.", float64(s.Subjects))
	gauge("carillon_bus_waiting_bytes", "Bytes of events that wait for NATS. Beyond 32MiB the oldest are lost.", float64(s.WaitingBytes))
	counter("carillon_bus_sent_bytes_total", "Bytes sent to NATS.", float64(s.SentBytes))
	for _, kind := range []string{"live", "log"} {
		counter("carillon_bus_sent_total", "Messages sent to NATS: ephemeral events (live), or announcements of what was committed (log).", float64(s.Sent[kind]), "kind", kind)
		counter("carillon_bus_received_total", "Messages of other nodes that were received from NATS.", float64(s.Received[kind]), "kind", kind)
	}
	for reason, n := range s.Lost {
		counter("carillon_bus_lost_total", "Messages that were lost; those of the log are read from the database. Many of reason slow mean that the node is overloaded.", float64(n), "reason", reason)
	}
	if p.server != nil {
		gauge("carillon_bus_peers", "Other nodes that the node's own NATS server is connected with.", float64(p.server.Peers()))
	}
}
