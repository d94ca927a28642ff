package dispatch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

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
	err := st.Update(context.Background(), "", func(tx store.Tx) error {
		_, err := tx.Append(chime.Event{Type: kind})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestHandsOnWhatIsCommittedAfterNew(t *testing.T) {
	st := memstore.New()
	defer st.Close()
	appendEvent(t, st, "before")
	got := make(sink, 100)
	d, err := New(context.Background(), st, nil, got)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		appendEvent(t, st, fmt.Sprint(i))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	for i := range 20 {
		if kind := <-got; kind != fmt.Sprint(i) {
			t.Fatalf("event %d is %s", i, kind)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("a stop is an error: %v", err)
	}
}

func TestEndsWithTheStore(t *testing.T) {
	st := memstore.New()
	d, err := New(context.Background(), st, nil, make(sink, 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Run(context.Background()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// TestHandsOnWhatIsStillThere: of events that are handed on after a removal those that it concerns
// have the payload of the present, and the others what they were told with.
func TestHandsOnWhatIsStillThere(t *testing.T) {
	st := memstore.New()
	defer st.Close()
	bodies := func(_ store.Reader, e *chime.Event) ([]byte, error) { return []byte("present " + e.Object), nil }
	got := make(payloads, 10)
	d, err := New(t.Context(), st, bodies, got)
	if err != nil {
		t.Fatal(err)
	}
	err = st.Update(t.Context(), "", func(tx store.Tx) error {
		for _, e := range []chime.Event{
			{Type: chime.EventCreateMessage, Object: "1", Payload: []byte("1")}, {Type: chime.EventCreateMessage, Object: "2", Payload: []byte("2")},
			{Type: chime.EventRedactMessage, Object: "1", Payload: []byte("redacted")}, {Type: chime.EventCreateChannel},
		} {
			if _, err := tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	if err := d.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"present 1", "2", "redacted", ""} {
		if payload := <-got; payload != want {
			t.Errorf("got %q, want %q", payload, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
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
		d, err := New(t.Context(), st, nil, sink)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Settle(t.Context()); err != nil { // nothing was committed
			t.Fatal(err)
		}
		appendEvent(t, st, "a")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		settled := make(chan error, 1)
		go func() { settled <- d.Settle(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-settled:
			t.Fatalf("settled before the sink has the event: %v", err)
		default:
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if err := d.Settle(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that has gone: %v", err)
		}
		close(sink.may)
		if err := <-settled; err != nil || !sink.taken {
			t.Errorf("settled with %v, taken %v", err, sink.taken)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		appendEvent(t, st, "b")
		if err := d.Settle(t.Context()); err != nil { // no event is handed on any more
			t.Error(err)
		}
	})
}
