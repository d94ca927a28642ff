package main

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-chat/carillon/endurance/processing"
)

// natsSubject is the prefix of the subjects that the node publishes to, and the name of the stream that takes them.
const natsSubject = "chime"

// serveNATS is a sink: a server with JetStream, which acknowledges what is on its disk.
func serveNATS(ctx context.Context, s partSettings, out io.Writer) error {
	host, text, err := net.SplitHostPort(s.listen)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	broker, err := server.NewServer(&server.Options{
		Host: host, Port: port, JetStream: true, StoreDir: s.dir, SyncAlways: true, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return err
	}
	go broker.Start()
	defer func() { broker.Shutdown(); broker.WaitForShutdown() }()
	if !broker.ReadyForConnections(restartWithin) {
		return errors.New("the server of NATS is not ready")
	}

	// The stream is the operator's: it is there when the node publishes.
	conn, err := nats.Connect(broker.ClientURL(), nats.InProcessServer(broker))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	if _, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: natsSubject, Subjects: []string{natsSubject + ".>"}}); err != nil {
		return err
	}
	if _, err := io.WriteString(out, partReady); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// readNATS reads the stream to its end.
func readNATS(ctx context.Context, address string) (k processing.Sink, err error) {
	k.Name = "nats"
	conn, err := nats.Connect("nats://" + address)
	if err != nil {
		return k, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return k, err
	}
	stream, err := js.Stream(ctx, natsSubject)
	if err != nil {
		return k, err
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return k, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return k, err
	}
	defer messages.Stop()

	for range stream.CachedInfo().State.Msgs {
		message, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return k, err
		}
		record, err := readRecord(0, message.Data())
		if err != nil {
			return k, err
		}
		k.Records = append(k.Records, record)
	}
	return k, nil
}
