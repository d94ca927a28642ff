package dispatch

import (
	"context"
	"errors"
	"fmt"
	"testing"

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
	err := st.Update(context.Background(), func(tx store.Tx) error {
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
	d, err := New(context.Background(), st, got)
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
	d, err := New(context.Background(), st, make(sink, 1))
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
