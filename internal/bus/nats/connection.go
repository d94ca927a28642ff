package nats

import (
	"errors"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	dialTimeout  = 5 * time.Second
	writeTimeout = 3 * time.Second
	// A server that has not answered this many pings is away.
	pingInterval = 2 * time.Second
	maxPings     = 2
	// The nodes of a server that comes back do not come all at once.
	reconnectWait   = 250 * time.Millisecond
	reconnectJitter = 500 * time.Millisecond
	// logInterval bounds the lines about what NATS refuses, which may be every message.
	logInterval = 10 * time.Second
)

// Options of a Bus. URLs or InProcess, Prefix and Logger are required.
type Options struct {
	// URLs are servers of one cluster, such as nats://nats.internal:4222, or tls:// to demand TLS. Others that
	// the cluster names are used as well.
	URLs []string
	// InProcess is a server within the process, in the place of URLs.
	InProcess InProcess
	// Prefix begins all subjects. Installations that share a NATS have different ones.
	Prefix string

	// CredentialsFile has NATS credentials (a JWT and its seed), NkeyFile the seed of an nkey. User and
	// Password, or Token, are what servers without those know. Empty is none.
	CredentialsFile, NkeyFile string
	User, Password, Token     string

	// CAFile has the certificates, in PEM, of which one signed the server's; empty for those of the system.
	// CertFile and KeyFile are what the node shows. All are read anew for each connection.
	CAFile, CertFile, KeyFile string

	Logger *slog.Logger
}

// InProcess is a server that is connected to without a port.
type InProcess interface {
	InProcessConn() (net.Conn, error)
}

// connect begins to connect.
func (b *Bus) connect(o Options) (err error) {
	options := []nats.Option{
		nats.Name("carillon"), nats.NoEcho(), nats.Timeout(dialTimeout), nats.FlusherTimeout(writeTimeout),
		nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(maxPings),

		// For as long as it takes, also when credentials are refused for a while.
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.ReconnectBufSize(-1), // what is sent late is of no use: the log was read by then

		nats.DisconnectErrHandler(b.disconnected), nats.ConnectHandler(b.connected), nats.ReconnectHandler(b.connected),
		nats.ErrorHandler(b.failed),
	}
	if o.InProcess != nil {
		options = append(options, nats.InProcessServer(o.InProcess))
	}
	options = append(options, o.authentication()...)
	if o.CAFile != "" {
		options = append(options, nats.RootCAs(o.CAFile))
	}
	if o.CertFile != "" {
		options = append(options, nats.ClientCert(o.CertFile, o.KeyFile))
	}
	b.conn, err = nats.Connect(strings.Join(o.URLs, ","), options...)
	return err
}

// authentication is by what servers know the node.
func (o Options) authentication() (list []nats.Option) {
	if o.CredentialsFile != "" {
		list = append(list, nats.UserCredentials(o.CredentialsFile))
	}
	if o.User != "" {
		list = append(list, nats.UserInfo(o.User, o.Password))
	}
	if o.Token != "" {
		list = append(list, nats.Token(o.Token))
	}
	if o.NkeyFile != "" {
		list = append(list, func(to *nats.Options) error {
			option, err := nats.NkeyOptionFromSeed(o.NkeyFile)
			if err != nil {
				return err
			}
			return option(to)
		})
	}
	return list
}

// disconnected is called when the connection is lost.
func (b *Bus) disconnected(_ *nats.Conn, err error) {
	select {
	case <-b.end: // it was closed
	default:
		b.counts.disconnects.Add(1)
		b.logger.Warn("the connection to NATS is lost; events of other nodes are read from the database until it is back", "error", err)
	}
}

// connected is called when there is a connection. What other nodes have announced before was lost.
func (b *Bus) connected(conn *nats.Conn) {
	b.logger.Info("connected to NATS", "server", conn.ConnectedServerName(), "reconnects", b.counts.disconnects.Load())
	b.mu.Lock()
	apps := slices.Collect(maps.Keys(b.followed))
	b.mu.Unlock()
	b.behind(apps...)
}

// failed is called for what goes wrong on a connection that stays.
func (b *Bus) failed(_ *nats.Conn, sub *nats.Subscription, err error) {
	if sub == nil || !errors.Is(err, nats.ErrSlowConsumer) {
		if omitted, ok := b.lines.Sample(); ok {
			b.logger.Warn("NATS refuses something", "error", err, "omitted", omitted)
		}
		return
	}
	b.counts.lost.slow.Add(1)
	if k, app, ok := parseSubject(b.prefix, sub.Subject); ok && k == kindLog {
		b.behind(app)
	}
}
