package jetstream_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/stream"
	"github.com/carillon-chat/carillon/internal/stream/jetstream"
)

const arn = "arn:aws:chime:us-east-1:000000000000:app-instance/app/channel/"

// serve runs a server with JetStream over a folder. Port -1 is a free one.
func serve(t *testing.T, folder string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: folder, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

func connect(t *testing.T, s *server.Server) natsjs.JetStream {
	t.Helper()
	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := natsjs.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func open(t *testing.T, url string, allowed ...netip.Prefix) *jetstream.Sink {
	t.Helper()
	sink, err := jetstream.Open(jetstream.Options{URL: url, Subject: "chime", Client: outbound.New(outbound.Options{Networks: allowed})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close() })
	return sink
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

func records(from, to int, channels ...string) (list []stream.Record) {
	for i := from; i < to; i++ {
		for _, c := range channels {
			text := fmt.Sprintf("%s:%d", c, i)
			list = append(list, stream.Record{Key: "key-" + text, Channel: arn + c, Data: []byte(text)})
		}
	}
	return list
}

// writeAll writes until all is written, as the follower does.
func writeAll(t *testing.T, sink *jetstream.Sink, left []stream.Record) {
	t.Helper()
	for len(left) > 0 && t.Context().Err() == nil {
		written, err := sink.Write(t.Context(), left)
		if err == nil {
			return
		}
		left = slices.DeleteFunc(left, func(r stream.Record) bool { return slices.Contains(written, r.Key) })
	}
}

// TestAServerThatIsKilledLosesNothing stops the server in the middle, and starts it again on its port.
func TestAServerThatIsKilledLosesNothing(t *testing.T) {
	folder := t.TempDir()
	first := serve(t, folder, -1)
	js := connect(t, first)
	if _, err := js.CreateStream(t.Context(), natsjs.StreamConfig{Name: "chime", Subjects: []string{"chime.>"}}); err != nil {
		t.Fatal(err)
	}
	sink := open(t, first.ClientURL(), loopback)
	channels := []string{"a", "b.with.dots", "c"}
	writeAll(t, sink, records(0, 20, channels...))

	var port int
	if _, err := fmt.Sscanf(first.ClientURL(), "nats://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	first.Shutdown()
	first.WaitForShutdown()
	if written, err := sink.Write(t.Context(), records(20, 22, channels...)); err == nil || len(written) > 0 {
		t.Errorf("without a server %v is written, %v", written, err)
	}
	second := serve(t, folder, port)
	writeAll(t, sink, records(18, 40, channels...)) // two of each again
	expect(t, connect(t, second), channels, 40)
}

func expect(t *testing.T, js natsjs.JetStream, channels []string, n int) {
	t.Helper()
	consumer, err := js.OrderedConsumer(t.Context(), "chime", natsjs.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	for range n * len(channels) {
		message, err := consumer.Next()
		if err != nil {
			t.Fatal(err)
		}
		channel, i, _ := strings.Cut(string(message.Data()), ":")
		if i != fmt.Sprint(next[channel]) {
			t.Fatalf("%s comes after %d records of its channel", message.Data(), next[channel])
		}
		next[channel]++
		if want := "chime.app." + strings.ReplaceAll(channel, ".", "_"); message.Subject() != want || message.Headers().Get("Nats-Msg-Id") != "key-"+string(message.Data()) {
			t.Errorf("%s is on %s with %v", message.Data(), message.Subject(), message.Headers())
		}
	}
	info, err := js.Stream(t.Context(), "chime")
	if err != nil || info.CachedInfo().State.Msgs != uint64(n*len(channels)) {
		t.Errorf("the stream has %+v, %v", info.CachedInfo().State, err)
	}
}

func TestWithoutAStreamNothingIsWritten(t *testing.T) {
	s := serve(t, t.TempDir(), -1)
	sink := open(t, s.ClientURL(), loopback)
	if written, err := sink.Write(t.Context(), records(0, 1, "a")); err == nil || len(written) > 0 || !strings.Contains(err.Error(), "chime.>") {
		t.Errorf("%v is written, %v", written, err)
	}
	refused := open(t, s.ClientURL())
	if _, err := refused.Write(t.Context(), records(0, 1, "a")); err == nil || !errors.Is(err, outbound.ErrRefused) && !errors.Is(err, nats.ErrDisconnected) && !errors.Is(err, nats.ErrNoServers) {
		t.Errorf("a private address: %v", err)
	}
}
