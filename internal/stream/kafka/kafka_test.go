package kafka_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/stream"
	"github.com/carillon-chat/carillon/internal/stream/kafka"
)

const topic = "chime"

func serve(t *testing.T) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(5, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func open(t *testing.T, broker string) *kafka.Sink {
	t.Helper()
	sink, err := kafka.Open(kafka.Options{Broker: broker, Topic: topic, Client: outbound.New(outbound.Options{Networks: []netip.Prefix{loopback}})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.Close() })
	return sink
}

var loopback = netip.MustParsePrefix("127.0.0.0/8")

func records(n int, channels ...string) (list []stream.Record) {
	for i := range n {
		for _, c := range channels {
			text := fmt.Sprintf("%s:%d", c, i)
			list = append(list, stream.Record{Key: "key-" + text, Channel: c, Data: []byte(text)})
		}
	}
	return list
}

// TestBrokersThatFailLoseNothing has brokers that cut connections, some of them after a batch was written.
func TestBrokersThatFailLoseNothing(t *testing.T) {
	cluster := serve(t)
	var requests atomic.Int32
	cluster.ControlKey(kmsg.Produce.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if requests.Add(1)%3 == 1 {
			return nil, errors.New("the broker is killed"), true
		}
		return nil, nil, false
	})
	sink := open(t, cluster.ListenAddrs()[0])
	channels := []string{"a", "b", "c", "d", "e", "f", "g"}
	for i := range 5 {
		left := slices.DeleteFunc(records(5*(i+1), channels...), func(r stream.Record) bool {
			_, n, _ := strings.Cut(string(r.Data), ":")
			return len(n) == 0 || atoi(n) < 5*i
		})
		for len(left) > 0 && t.Context().Err() == nil {
			written, err := sink.Write(t.Context(), left)
			if (err == nil) != (len(written) == len(left)) {
				t.Fatalf("%d of %d written, %v", len(written), len(left), err)
			}
			left = slices.DeleteFunc(left, func(r stream.Record) bool { return slices.Contains(written, r.Key) })
		}
	}
	if requests.Load() < 3 {
		t.Errorf("only %d requests were made", requests.Load())
	}
	expect(t, cluster, channels, 25)
}

func atoi(text string) (n int) {
	_, _ = fmt.Sscan(text, &n)
	return n
}

// expect reads the topic: each record by its key once and in order.
func expect(t *testing.T, cluster *kfake.Cluster, channels []string, n int, options ...kgo.Opt) {
	t.Helper()
	options = append(options, kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	reader, err := kgo.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	next, seen := map[string]int{}, map[string]bool{}
	for len(seen) < n*len(channels) {
		fetches := reader.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if len(r.Headers) != 1 || r.Headers[0].Key != kafka.HeaderKey {
				t.Errorf("a record has the headers %v", r.Headers)
				return
			}
			key := string(r.Headers[0].Value)
			if seen[key] {
				return
			}
			seen[key] = true
			channel := string(r.Key)
			if want := fmt.Sprintf("%s:%d", channel, next[channel]); string(r.Value) != want {
				t.Errorf("%s comes, want %s", r.Value, want)
			}
			next[channel]++
		})
	}
}

func TestPrivateBrokersAreRefused(t *testing.T) {
	sink, err := kafka.Open(kafka.Options{
		Broker: serve(t).ListenAddrs()[0], Topic: topic, Client: outbound.New(outbound.Options{}), Timeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	if written, err := sink.Write(t.Context(), records(1, "a")); !errors.Is(err, outbound.ErrRefused) || len(written) > 0 {
		t.Errorf("%v is written, %v", written, err)
	}
}

func TestCredentials(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic), kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "ann", "good"), kfake.Superuser("SCRAM-SHA-256", "ann", "good"), kfake.Superuser("SCRAM-SHA-512", "ann", "good"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	for _, test := range []struct {
		mechanism, text string
		opens, writes   bool
		timeout         time.Duration // of one that is refused: it is tried again until then
	}{
		{"", "ann good\n", true, true, 0}, {"plain", "ann\ngood", true, true, 0}, {"scram-sha-256", "ann good", true, true, 0}, {"scram-sha-512", "ann good", true, true, 0},
		{"plain", "ann bad", true, false, time.Second}, {"plain", "ann", false, false, 0}, {"md5", "ann good", false, false, 0},
	} {
		name := filepath.Join(t.TempDir(), "credentials")
		if err := os.WriteFile(name, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		sink, err := kafka.Open(kafka.Options{
			Broker: cluster.ListenAddrs()[0], Topic: topic, Credentials: name, Mechanism: test.mechanism,
			Client: outbound.New(outbound.Options{Networks: []netip.Prefix{loopback}}), Timeout: test.timeout,
		})
		if (err == nil) != test.opens || err != nil && (strings.Contains(err.Error(), "ann") || strings.Contains(err.Error(), "good")) {
			t.Errorf("%s %q: %v", test.mechanism, test.text, err)
		}
		if err != nil {
			continue
		}
		if _, err := sink.Write(t.Context(), records(1, "a")); (err == nil) != test.writes {
			t.Errorf("%s %q writes: %v", test.mechanism, test.text, err)
		}
		_ = sink.Close()
	}
}
