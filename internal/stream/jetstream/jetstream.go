// Package jetstream is a sink of streams that publishes records to NATS JetStream. A record goes to the subject
// PREFIX.APP.CHANNEL, of the ids of its app instance and channel, with its key as Nats-Msg-Id, so that
// JetStream drops what it has within its window. A record is safe when JetStream has acknowledged it; until
// then the next of its channel is not published.
//
// The stream that takes the subjects is the operator's: without one each attempt fails.
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/stream"
)

const atOnce = 64 // channels whose records are published at once, by one call of Write

// Options of a Sink. URL, Subject and Client are required.
type Options struct {
	// URL is the server, such as nats://127.0.0.1:4222, or tls:// to demand TLS.
	URL     string
	Subject string // prefix of the subjects
	// Credentials is a file of NATS credentials (a JWT and its seed); empty for none.
	Credentials string
	Client      *outbound.Client
}

// Sink publishes records.
type Sink struct {
	subject string
	conn    *nats.Conn
	js      jetstream.JetStream
}

var _ stream.Sink = (*Sink)(nil)

// Open begins to connect, which goes on for as long as it takes, also after the connection is lost.
func Open(o Options) (*Sink, error) {
	options := []nats.Option{
		nats.Name("carillon"), nats.SetCustomDialer(guarded{o.Client, strings.HasPrefix(o.URL, "tls://")}), nats.SkipHostLookup(),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // what is published while there is no connection fails, and is not sent behind the caller's back
	}
	if o.Credentials != "" {
		options = append(options, nats.UserCredentials(o.Credentials))
	}
	conn, err := nats.Connect(o.URL, options...)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Sink{subject: o.Subject, conn: conn, js: js}, nil
}

// guarded dials under the rules of outbound, also the servers that a cluster names.
type guarded struct {
	client *outbound.Client
	secure bool
}

func (g guarded) Dial(network, address string) (net.Conn, error) {
	return g.client.Dial(context.Background(), g.secure, network, address) // it has a time-out
}

// Close ends the connection.
func (s *Sink) Close() error {
	s.conn.Close()
	return nil
}

// Write publishes records until the first of each channel that is not acknowledged.
func (s *Sink) Write(ctx context.Context, records []stream.Record) (written []string, err error) {
	if !s.conn.IsConnected() {
		return nil, fmt.Errorf("no connection to NATS: %w", cause(s.conn))
	}
	var (
		mu      sync.Mutex
		workers sync.WaitGroup
	)
	turn := make(chan struct{}, atOnce)
	for _, line := range stream.ByChannel(records) {
		turn <- struct{}{}
		workers.Go(func() {
			defer func() { <-turn }()
			taken, failed := s.publish(ctx, line)
			mu.Lock()
			defer mu.Unlock()
			written = append(written, taken...)
			if err == nil {
				err = failed
			}
		})
	}
	workers.Wait()
	return written, err
}

// cause is why there is no connection, as far as it is known.
func cause(conn *nats.Conn) error {
	if err := conn.LastError(); err != nil {
		return err
	}
	return nats.ErrDisconnected
}

// publish publishes records one after another, and returns the keys of those that are acknowledged.
func (s *Sink) publish(ctx context.Context, records []stream.Record) (taken []string, err error) {
	for _, r := range records {
		message := &nats.Msg{Subject: s.subject + "." + tokens(r.Channel), Data: r.Data, Header: nats.Header{}}
		message.Header.Set(nats.MsgIdHdr, r.Key)
		_, err := s.js.PublishMsg(ctx, message, jetstream.WithRetryAttempts(0))
		if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) {
			err = fmt.Errorf("no stream of JetStream takes %s.>: %w", s.subject, err)
		}
		if err != nil {
			return taken, err
		}
		taken = append(taken, r.Key)
	}
	return taken, nil
}

// tokens are the ids in the ARN of a channel, as tokens of a subject. Another partition key is one token.
func tokens(channel string) string {
	parts := strings.Split(channel, "/") // arn:...:app-instance/APP/channel/CHANNEL
	if len(parts) != 4 {
		return token.Replace(channel)
	}
	return token.Replace(parts[1]) + "." + token.Replace(parts[3])
}

// token replaces what a token of a subject cannot have.
var token = strings.NewReplacer(".", "_", "*", "_", ">", "_", " ", "_")
