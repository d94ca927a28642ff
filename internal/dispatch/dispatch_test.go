package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/bus/inproc"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type sink chan string

func (s sink) Deliver(events []*chime.Event) {
	for _, e := range events {
		s <- e.Type
	}
}

func appendEvent(t *testing.T, st store.Store, kind string) {
	t.Helper()
	err := st.Update(context.Background(), "A", func(tx store.Tx) error {
		_, err := tx.Append(chime.Event{Type: kind, Topic: chime.Topic{App: "A"}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run runs the dispatcher until stop is called, which returns its error.
func run(d *Dispatcher) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func follow(t *testing.T, d *Dispatcher, app string) (after uint64, stop func()) {
	t.Helper()
	after, stop, err := d.Follow(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	return after, stop
}

func TestHandsOnWhatIsCommittedWhileFollowed(t *testing.T) {
	st := memstore.New()
	defer st.Close()
	appendEvent(t, st, "before")
	got := make(sink, 100)
	d := New(st, inproc.New(), nil, got)
	end := run(d)
	for round := range 3 {
		after, stop := follow(t, d, "A")
		if want := uint64(1 + 21*round); after != want {
			t.Errorf("followed after %d, want %d", after, want)
		}
		for i := range 20 {
			appendEvent(t, st, fmt.Sprint(i))
		}
		for i := range 20 {
			if kind := <-got; kind != fmt.Sprint(i) {
				t.Fatalf("event %d is %s", i, kind)
			}
		}
		stop()
		for d.isFollowed("A") { // it ends in its own time
			runtime.Gosched()
		}
		appendEvent(t, st, "meanwhile")
	}
	if err := end(); err != nil {
		t.Errorf("a stop is an error: %v", err)
	}
	if _, _, err := d.Follow(t.Context(), "A"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("follow after the end: %v", err)
	}
}

func (d *Dispatcher) isFollowed(app string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.logs[app] != nil
}

func TestEndsWithTheStore(t *testing.T) {
	st := memstore.New()
	d := New(st, inproc.New(), nil, make(sink, 1))
	follow(t, d, "A")
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Run(context.Background()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// A log that is followed anew is handed on by one goroutine at a time, and app instances do not wait
// for each other.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		defer st.Close()
		sink := &held{may: make(chan struct{})}
		d := New(st, inproc.New(), nil, sink)
		end := run(d)
		_, stop := follow(t, d, "A")
		appendEvent(t, st, "a")
		synctest.Wait()
		stop()
		again := make(chan struct{})
		go func() {
			follow(t, d, "A")
			close(again)
		}()
		follow(t, d, "B")
		synctest.Wait()
		select {
		case <-again:
			t.Error("followed anew while an event is being handed on")
		default:
		}
		close(sink.may)
		<-again
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

// An ephemeral event comes after what the log had when it was published, and before what came later.
func TestHandsOnWhatIsPublished(t *testing.T) {
	st, b := memstore.New(), inproc.New()
	defer st.Close()
	got := make(sink, 100)
	d := New(st, b, nil, got)
	end := run(d)
	after, _ := follow(t, d, "A")
	var want []string
	for i := range uint64(20) {
		live, logged := fmt.Sprint("live ", i), fmt.Sprint("logged ", i)
		b.Publish("A", after+i, chime.Event{Type: live, Topic: chime.Topic{App: "A"}})
		b.Publish("B", after+i, chime.Event{Type: "of another", Topic: chime.Topic{App: "B"}})
		appendEvent(t, st, logged)
		want = append(want, live, logged)
	}
	for i, kind := range want {
		if handed := <-got; handed != kind {
			t.Fatalf("event %d is %s, want %s", i, handed, kind)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestHandsOnWhatIsStillThere: of events that are handed on after a removal those that it concerns
// have the payload of the present, and the others what they were told with.
func TestHandsOnWhatIsStillThere(t *testing.T) {
	st := memstore.New()
	defer st.Close()
	bodies := func(_ store.Reader, e *chime.Event) ([]byte, error) { return []byte("present " + e.Object), nil }
	got := make(payloads, 10)
	d := New(st, inproc.New(), bodies, got)
	end := run(d)
	follow(t, d, "A")
	err := st.Update(t.Context(), "A", func(tx store.Tx) error {
		for _, e := range []chime.Event{
			{Type: chime.EventCreateMessage, Object: "1", Payload: []byte("1")}, {Type: chime.EventCreateMessage, Object: "2", Payload: []byte("2")},
			{Type: chime.EventRedactMessage, Object: "1", Payload: []byte("redacted")}, {Type: chime.EventCreateChannel},
		} {
			e.App = "A"
			if _, err := tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Settle(t.Context(), "A"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"present 1", "2", "redacted", ""} {
		if payload := <-got; payload != want {
			t.Errorf("got %q, want %q", payload, want)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

type payloads chan string

func (p payloads) Deliver(events []*chime.Event) {
	for _, e := range events {
		p <- string(e.Payload)
	}
}

// held is a sink that takes nothing until it may.
type held struct {
	may   chan struct{}
	taken bool
}

func (h *held) Deliver([]*chime.Event) {
	<-h.may
	h.taken = true
}

func TestSettleWaitsForTheSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		defer st.Close()
		sink := &held{may: make(chan struct{})}
		d := New(st, inproc.New(), nil, sink)
		end := run(d)
		follow(t, d, "A")
		if err := d.Settle(t.Context(), "A"); err != nil { // nothing was committed
			t.Fatal(err)
		}
		appendEvent(t, st, "a")
		settled := make(chan error, 1)
		go func() { settled <- d.Settle(t.Context(), "A") }()
		if err := d.Settle(t.Context(), "B"); err != nil { // is not followed
			t.Error(err)
		}
		synctest.Wait()
		select {
		case err := <-settled:
			t.Fatalf("settled before the sink has the event: %v", err)
		default:
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if err := d.Settle(gone, "A"); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that has gone: %v", err)
		}
		close(sink.may)
		if err := <-settled; err != nil || !sink.taken {
			t.Errorf("settled with %v, taken %v", err, sink.taken)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
		appendEvent(t, st, "b")
		if err := d.Settle(t.Context(), "A"); err != nil { // no event is handed on any more
			t.Error(err)
		}
	})
}
