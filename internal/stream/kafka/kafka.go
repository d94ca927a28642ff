// Package kafka is a sink of streams that produces records to a topic of Kafka, or what speaks its protocol. The
// key of a Kafka record is the ARN of the channel, so a channel is in one partition, and the header
// idempotency-key has the key of the record. A record is safe when all replicas in sync have it.
//
// The producer is idempotent: within its session it writes nothing twice, and when a record fails, those behind
// it in its partition fail with it, so order holds.
package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/stream"
)

// HeaderKey is the header of a Kafka record with the key of what it says.
const HeaderKey = "idempotency-key"

// DefaultTimeout is how long one attempt to write a record takes at most, unless Options say otherwise.
const DefaultTimeout = 30 * time.Second

// Options of a Sink. Broker, Topic and Client are required.
type Options struct {
	Broker string // host:port of a broker, which names the others
	Topic  string
	// TLS demands it of all brokers. Roots are the authorities that are trusted; nil means those of the machine.
	TLS   bool
	Roots *x509.CertPool
	// Credentials is a file with a user name and a password, separated by white space; empty for none.
	Credentials string
	// Mechanism is how they are shown: plain, scram-sha-256, or scram-sha-512, which is the default.
	Mechanism string
	Client    *outbound.Client
	Timeout   time.Duration // of one attempt, at least a second; zero means DefaultTimeout
}

// Sink produces records.
type Sink struct{ client *kgo.Client }

var _ stream.Sink = (*Sink)(nil)

// Open makes a Sink. It connects when there is something to write.
func Open(o Options) (*Sink, error) {
	options := []kgo.Opt{
		kgo.ClientID("carillon"), kgo.SeedBrokers(o.Broker), kgo.DefaultProduceTopic(o.Topic),
		kgo.Dialer(guarded{o.Client, o.TLS, o.Roots}.dial), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordDeliveryTimeout(cmp.Or(o.Timeout, DefaultTimeout)), kgo.ProducerLinger(0), kgo.DisableClientMetrics(),
	}
	if o.Credentials != "" {
		mechanism, err := readCredentials(o.Credentials, o.Mechanism)
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.SASL(mechanism))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	return &Sink{client}, nil
}

// readCredentials reads what is shown to brokers. Errors name the file and nothing in it.
func readCredentials(name, mechanism string) (sasl.Mechanism, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return nil, fmt.Errorf("%s: %w", name, errors.New("is not a user name and a password"))
	}
	user, password := fields[0], fields[1]
	switch mechanism {
	case "plain":
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case "scram-sha-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	case "", "scram-sha-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("the mechanism %q is not plain, scram-sha-256 or scram-sha-512", mechanism)
}

// ReadRoots reads the authorities of a file of PEM certificates.
func ReadRoots(name string) (*x509.CertPool, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no PEM certificate", name)
	}
	return roots, nil
}

// guarded dials under the rules of outbound, also the brokers that a cluster names.
type guarded struct {
	client *outbound.Client
	secure bool
	roots  *x509.CertPool
}

func (g guarded) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := g.client.Dial(ctx, g.secure, network, address)
	if err != nil || !g.secure {
		return conn, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	secured := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, RootCAs: g.roots})
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}

// Close ends the connections.
func (s *Sink) Close() error {
	s.client.Close()
	return nil
}

// Write produces records and waits until each is taken or failed.
func (s *Sink) Write(ctx context.Context, records []stream.Record) (written []string, err error) {
	batch := make([]*kgo.Record, len(records))
	for i, r := range records {
		batch[i] = &kgo.Record{
			Key: []byte(r.Channel), Value: r.Data, Headers: []kgo.RecordHeader{{Key: HeaderKey, Value: []byte(r.Key)}},
		}
	}
	for _, result := range s.client.ProduceSync(ctx, batch...) {
		switch {
		case result.Err == nil:
			written = append(written, string(result.Record.Headers[0].Value))
		case err == nil:
			err = result.Err
		}
	}
	return written, err
}
