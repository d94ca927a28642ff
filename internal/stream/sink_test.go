package stream_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/stream"
)

// sink keeps what it is given, as "name Content", and fails as it is asked to.
type sink struct {
	mu      sync.Mutex
	records []stream.Record
	fail    func(records []stream.Record) (taken int, err error)
}

func (s *sink) Write(_ context.Context, records []stream.Record) (written []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := len(records)
	if s.fail != nil {
		taken, err = s.fail(records)
	}
	for _, r := range records[:taken] {
		s.records = append(s.records, r)
		written = append(written, r.Key)
	}
	return written, err
}

func (s *sink) Close() error { return nil }

type line struct {
	EventType, Key string
	Payload        struct {
		ChannelArn, Content string
		Member              struct{ Arn, Name string }
		CreatedTimestamp    string
	}
}

// lines are the records as a reader of the stream sees them.
func (s *sink) lines(t *testing.T) (lines []line) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records {
		var l line
		decoder := json.NewDecoder(bytes.NewReader(r.Data))
		if err := decoder.Decode(&l); err != nil || bytes.ContainsAny(r.Data, "\r\n") {
			t.Fatalf("a record is %q: %v", r.Data, err)
		}
		if l.Key != r.Key || l.Payload.ChannelArn != r.Channel || !strings.HasPrefix(r.Stream, "arn:aws:kinesis:") {
			t.Errorf("a record for %s of %s with the key %s is %s", r.Stream, r.Channel, r.Key, r.Data)
		}
		lines = append(lines, l)
	}
	return lines
}

func (s *sink) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	var got []string
	for _, l := range s.lines(t) {
		what := l.EventType
		if detail := l.Payload.Content + l.Payload.Member.Name; detail != "" {
			what += " " + detail
		}
		got = append(got, what)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// run feeds the sinks of a service until the test, or the call of stop, ends it.
func run(t *testing.T, w *servicetest.World, s *stream.Service) (stop func()) {
	t.Helper()
	r, err := follow.New(follow.Options{
		Store: w.Store, Log: slog.New(slog.DiscardHandler), Random: rand.Reader, Body: w.Messages.Body,
	}, s.Followers()...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func service(w *servicetest.World, routes ...stream.Route) *stream.Service {
	return stream.New(stream.Options{Store: w.Store, Site: w.Site, Now: w.Clock, Log: slog.New(slog.DiscardHandler), Routes: routes})
}

var both = []messaging.StreamingConfiguration{{DataType: "ChannelMessage", ResourceARN: stream1}, {DataType: "Channel", ResourceARN: stream1}}

// TestSinksGetWhatStreamsCarry has a stream of messages, one of channels, and sinks for both, one and none.
func TestSinksGetWhatStreamsCarry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := servicetest.New(t, "ann", "bob", "cy", "dee")
		w.AddChannel("ann", "c")
		w.Send(w.Text("ann", "c", "before"))
		const channels = "arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-channels"
		if got := put(w, w.App, both[0], messaging.StreamingConfiguration{DataType: "Channel", ResourceARN: channels}); got != "ok" {
			t.Fatal(got)
		}
		w.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
		if _, err := w.API.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
			ChannelARN: w.Channel("c"), MemberARNs: w.Users("cy", "dee"), ChimeBearer: w.User("ann"),
		}); err != nil {
			t.Fatal(err)
		}
		w.Send(w.Text("bob", "c", `"hello" <b>`+"\n"))
		removed := w.Send(w.Text("bob", "c", "removed"))
		if _, err := w.API.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: removed, ChimeBearer: w.User("bob")}); err != nil {
			t.Fatal(err)
		}

		var all, some, none sink
		stop := run(t, w, service(w,
			stream.Route{Name: "all", Pattern: "*", Sink: &all},
			stream.Route{Name: "some", Pattern: "*/chime-messaging-ch*", Sink: &some},
			stream.Route{Name: "none", Pattern: "*/chime-messaging-none", Sink: &none}))
		defer stop()
		memberships := []string{"CREATE_CHANNEL_MEMBERSHIP BOB", "CREATE_CHANNEL_MEMBERSHIP CY", "CREATE_CHANNEL_MEMBERSHIP DEE"}
		some.expect(t, memberships...)
		all.expect(t, append(memberships, "CREATE_CHANNEL_MESSAGE "+`"hello" <b>`+"\n", "CREATE_CHANNEL_MESSAGE", "REDACT_CHANNEL_MESSAGE")...)
		none.expect(t)

		// Each record has a key of its own, and members of a batch are shown as others are.
		keys := map[string]bool{}
		for _, l := range all.lines(t) {
			keys[l.Key] = true
			if l.Payload.CreatedTimestamp == "" {
				t.Errorf("%s has no time", l.EventType)
			}
		}
		if len(keys) != 6 {
			t.Errorf("%d keys: %v", len(keys), keys)
		}

		// What comes later comes at once.
		w.Send(w.Text("bob", "c", "later"))
		synctest.Wait()
		if lines := all.lines(t); lines[len(lines)-1].Payload.Content != "later" {
			t.Errorf("the latest is %+v", lines[len(lines)-1])
		}
	})
}

// TestASinkThatFailsGetsEverythingOnce has a sink that takes parts of what it is given for hours, over
// restarts of the node.
func TestASinkThatFailsGetsEverythingOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := servicetest.New(t, "ann")
		w.AddChannel("ann", "c")
		w.AddChannel("ann", "d")
		if got := put(w, w.App, both[0]); got != "ok" {
			t.Fatal(got)
		}
		var want []string
		for i := range 250 {
			text := fmt.Sprint(i)
			w.Send(w.Text("ann", []string{"c", "d"}[i%2], text))
			want = append(want, "CREATE_CHANNEL_MESSAGE "+text)
		}

		var flaky sink
		calls := 0
		flaky.fail = func(records []stream.Record) (int, error) {
			if calls++; calls%3 != 0 {
				return len(records) / 3, errors.New("the sink is away")
			}
			return len(records), nil
		}
		s := service(w, stream.Route{Name: "flaky", Pattern: "*", Sink: &flaky})
		stop := run(t, w, s)
		time.Sleep(time.Hour)
		stop()
		flaky.expect(t, want...)

		w.Send(w.Text("ann", "c", "after"))
		stop = run(t, w, s)
		defer stop()
		time.Sleep(time.Hour)
		flaky.expect(t, append(want, "CREATE_CHANNEL_MESSAGE after")...)
	})
}

// TestSettingsHoldForTheirTime changes the streams while the sink is behind.
func TestSettingsHoldForTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := servicetest.New(t, "ann")
		w.AddChannel("ann", "c")
		say := func(text string) { w.Send(w.Text("ann", "c", text)) }
		say("none yet")
		if got := put(w, w.App, both[0]); got != "ok" {
			t.Fatal(got)
		}
		say("one")
		put(w, w.App, both...) // goes on
		say("two")
		remove(w, w.App)
		say("none")
		put(w, w.App, both[1])
		say("none of channels")
		put(w, w.App, both[0])
		say("three")

		var late sink
		stop := run(t, w, service(w, stream.Route{Name: "late", Pattern: "*", Sink: &late}))
		defer stop()
		late.expect(t, "CREATE_CHANNEL_MESSAGE one", "CREATE_CHANNEL_MESSAGE two", "CREATE_CHANNEL_MESSAGE three")
		if got := get(w, w.App); got != "ChannelMessage chime-messaging-all" {
			t.Errorf("the app instance has %s", got)
		}
	})
}

func TestStreamsWithoutASinkAreReported(t *testing.T) {
	w := servicetest.New(t)
	var log bytes.Buffer
	s := stream.New(stream.Options{
		Store: w.Store, Site: w.Site, Now: w.Clock, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Routes: []stream.Route{{Name: "a", Pattern: "*-audit", Sink: &sink{}}},
	})
	w.Exports = s
	for name, want := range map[string]int{"audit": 0, "all": 1} {
		log.Reset()
		if got := put(w, w.App, messaging.StreamingConfiguration{DataType: "Channel", ResourceARN: strings.TrimSuffix(stream1, "all") + name}); got != "ok" {
			t.Fatal(got)
		}
		if n, err := s.Unrouted(ctx); n != want || err != nil {
			t.Errorf("%s: %d streams have no sink, %v", name, n, err)
		}
		if err := s.WarnUnrouted(ctx); err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "chime-messaging-"+name); n != 2*want {
			t.Errorf("%s is logged %d times: %s", name, n, log.String())
		}
	}
}

// TestStreamsBeginWithWhatIsSent deletes a message that its flow failed: its sender alone knew of it.
func TestStreamsBeginWithWhatIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := servicetest.New(t, "ann", "bob")
		w.MakeAdmin("bob")
		w.AddChannel("ann", "c")
		if got := put(w, w.App, both[0]); got != "ok" {
			t.Fatal(got)
		}
		w.Delete("bob", "c", w.Send(w.Text("ann", "c", "sent")))
		w.FailMessages("ann", "c")
		w.Delete("bob", "c", w.Send(w.Text("ann", "c", "failed")))

		var all sink
		defer run(t, w, service(w, stream.Route{Name: "all", Pattern: "*", Sink: &all}))()
		all.expect(t, "CREATE_CHANNEL_MESSAGE", "DELETE_CHANNEL_MESSAGE")
	})
}
