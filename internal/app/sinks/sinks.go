// Package sinks opens the sinks of records that settings name, of streams and of the audit log.
package sinks

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/outbound"
	signing "github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/stream"
	"github.com/carillon-chat/carillon/internal/stream/file"
	"github.com/carillon-chat/carillon/internal/stream/jetstream"
	"github.com/carillon-chat/carillon/internal/stream/kafka"
	"github.com/carillon-chat/carillon/internal/stream/kinesis"
	"github.com/carillon-chat/carillon/internal/stream/webhook"
)

// Options are what sinks share. All are required.
type Options struct {
	Client *outbound.Client
	Region string // of the node, which signs where none is set
	Now    func() time.Time
}

// Open opens a sink. Its settings have been checked.
func Open(to config.Sink, o Options) (stream.Sink, error) {
	switch to.Target.Scheme {
	case "file":
		return file.Open(file.Options{Folder: cmp.Or(to.Target.Path, to.Target.Opaque), Size: to.Size()})
	case "http", "https":
		signer := func() (*signing.Signer, error) { return readSigner(to.Options["secret-file"]) }
		if _, err := signer(); err != nil {
			return nil, err
		}
		return webhook.New(webhook.Options{URL: to.Target.String(), Client: o.Client, Signer: signer, Now: o.Now}), nil
	case "kinesis":
		credentials := func() (sigv4.Credentials, error) { return kinesis.ReadCredentials(to.Options["credentials-file"]) }
		if _, err := credentials(); err != nil {
			return nil, err
		}
		return kinesis.New(kinesis.Options{
			Endpoint: to.Target.Opaque, Region: cmp.Or(to.Options["region"], o.Region), Client: o.Client, Credentials: credentials, Now: o.Now,
		}), nil
	case "kafka", "kafka+tls":
		var roots *x509.CertPool
		if name := to.Options["ca-file"]; name != "" {
			var err error
			if roots, err = kafka.ReadRoots(name); err != nil {
				return nil, err
			}
		}
		return kafka.Open(kafka.Options{
			Roots:  roots,
			Broker: to.Target.Host, Topic: strings.TrimPrefix(to.Target.Path, "/"), TLS: to.Target.Scheme == "kafka+tls",
			Credentials: to.Options["credentials-file"], Mechanism: to.Options["sasl"], Client: o.Client,
		})
	case "nats", "tls":
		return jetstream.Open(jetstream.Options{
			URL: to.Target.Scheme + "://" + to.Target.Host, Subject: strings.TrimPrefix(to.Target.Path, "/"),
			Credentials: to.Options["credentials-file"], Client: o.Client,
		})
	}
	return nil, fmt.Errorf("no kind of sink is called %q", to.Target.Scheme)
}

// readSigner reads the secrets of webhooks from a file that has one in each line.
func readSigner(name string) (*signing.Signer, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	signer, err := signing.NewSigner(strings.Fields(string(text))...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return signer, nil
}
