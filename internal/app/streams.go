package app

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/config"
	signing "github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/person"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/stream"
	"github.com/carillon-chat/carillon/internal/stream/file"
	"github.com/carillon-chat/carillon/internal/stream/jetstream"
	"github.com/carillon-chat/carillon/internal/stream/kafka"
	"github.com/carillon-chat/carillon/internal/stream/kinesis"
	"github.com/carillon-chat/carillon/internal/stream/webhook"
)

// buildStreams opens the sinks of the settings, and what streams to them.
func (s *services) buildStreams(ctx context.Context, a *App) error {
	routes, err := a.cfg.StreamRoutes()
	if err != nil {
		return err
	}
	o := stream.Options{Store: a.store, Site: s.site, Now: a.deps.Now, Log: a.deps.Log}
	for _, route := range routes {
		sink, err := s.openSink(route, a.deps.Now)
		if err != nil {
			return fmt.Errorf("the sink %s of the setting streams: %w", route.Name, err)
		}
		a.opened(sink.Close)
		if written, ok := sink.(person.Sink); ok {
			s.written = append(s.written, written)
		}
		o.Routes = append(o.Routes, stream.Route{Name: route.Name, Pattern: route.Pattern, Sink: sink})
	}
	s.exports = stream.New(o)
	a.registry.MustRegister(sampler(a.sampleStreams))
	return s.exports.WarnUnrouted(ctx)
}

func (s *services) openSink(route config.StreamRoute, now func() time.Time) (stream.Sink, error) {
	switch route.Target.Scheme {
	case "file":
		return file.Open(file.Options{Folder: cmp.Or(route.Target.Path, route.Target.Opaque), Size: route.Size()})
	case "http", "https":
		signer := func() (*signing.Signer, error) { return readSigner(route.Options["secret-file"]) }
		if _, err := signer(); err != nil {
			return nil, err
		}
		return webhook.New(webhook.Options{URL: route.Target.String(), Client: s.outbound, Signer: signer, Now: now}), nil
	case "kinesis":
		credentials := func() (sigv4.Credentials, error) { return kinesis.ReadCredentials(route.Options["credentials-file"]) }
		if _, err := credentials(); err != nil {
			return nil, err
		}
		return kinesis.New(kinesis.Options{
			Endpoint: route.Target.Opaque, Region: cmp.Or(route.Options["region"], s.site.Region), Client: s.outbound, Credentials: credentials, Now: now,
		}), nil
	case "kafka", "kafka+tls":
		var roots *x509.CertPool
		if name := route.Options["ca-file"]; name != "" {
			var err error
			if roots, err = kafka.ReadRoots(name); err != nil {
				return nil, err
			}
		}
		return kafka.Open(kafka.Options{
			Roots:  roots,
			Broker: route.Target.Host, Topic: strings.TrimPrefix(route.Target.Path, "/"), TLS: route.Target.Scheme == "kafka+tls",
			Credentials: route.Options["credentials-file"], Mechanism: route.Options["sasl"], Client: s.outbound,
		})
	case "nats", "tls":
		return jetstream.Open(jetstream.Options{
			URL: route.Target.Scheme + "://" + route.Target.Host, Subject: strings.TrimPrefix(route.Target.Path, "/"),
			Credentials: route.Options["credentials-file"], Client: s.outbound,
		})
	}
	return nil, fmt.Errorf("no kind of sink is called %q", route.Target.Scheme)
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

func (a *App) sampleStreams(gauge, _ sample) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	if n, err := a.services.exports.Unrouted(ctx); err == nil {
		gauge("carillon_streams_without_sink", "Streams of app instances that no sink of the setting streams is for. They export nothing.", float64(n))
	}
}
