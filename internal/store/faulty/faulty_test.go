package faulty_test

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Without a fault the wrapped store keeps the contract; so does one that reruns.
func TestContract(t *testing.T) {
	const forgets = "memory is gone when the store is closed"
	excused := map[string]string{"Reopen": forgets, "ReopenTrimmed": forgets}
	storetest.Run(t, func(*testing.T) storetest.Harness {
		return storetest.Harness{Excused: excused, Open: func() (store.Store, error) {
			return faulty.New(memstore.New(), func(faulty.Call) error { return nil }), nil
		}}
	})
	t.Run("rerun", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) storetest.Harness {
			excused := map[string]string{
				"Reopen": forgets, "ReopenTrimmed": forgets,
				"BehavesAsModel": "the model is changed by the function, which runs twice",
			}
			return storetest.Harness{Excused: excused, Open: func() (store.Store, error) { return faulty.Rerun(memstore.New()), nil }}
		})
	})
}

func TestFaults(t *testing.T) {
	const table store.TableID = 200
	boom := errors.New("boom")
	ctx := context.Background()
	write := func(s store.Store) error {
		return s.Update(ctx, "", func(tx store.Tx) error {
			_, err := tx.Append(chime.Event{Type: "t"})
			if err == nil {
				_, err = tx.Position()
			}
			if err == nil {
				err = tx.Put(table, store.K("a"), []byte("a"))
			}
			if err == nil {
				err = tx.Delete(table, store.K("b"))
			}
			if err == nil {
				err = tx.DeleteRange(table, store.Prefix(store.K("c")))
			}
			if err == nil {
				err = tx.TrimEvents(0)
			}
			return err
		})
	}
	read := func(s store.Store) error {
		return s.View(ctx, "", func(r store.Reader) error {
			_, err := r.Get(table, store.K("a"))
			if err == nil {
				err = r.GetMany([]store.Lookup{{Table: table, Key: store.K("a")}})
			}
			if err == nil {
				err = r.Scan(table, store.Range{}, func(store.Key, []byte) (bool, error) { return true, nil })
			}
			return err
		})
	}
	follow := func(s store.Store) error {
		c, err := s.Follow("", 0)
		if err == nil {
			_, err = c.Next(ctx)
		}
		return err
	}
	for _, test := range []struct {
		call  faulty.Call
		use   func(store.Store) error
		after uint64 // position
	}{
		{faulty.Call{Op: faulty.View}, read, 1},
		{faulty.Call{Op: faulty.Get, Table: table}, read, 1},
		{faulty.Call{Op: faulty.GetMany}, read, 1},
		{faulty.Call{Op: faulty.Scan, Table: table}, read, 1},
		{faulty.Call{Op: faulty.Update}, write, 1},
		{faulty.Call{Op: faulty.Append}, write, 1},
		{faulty.Call{Op: faulty.Position}, write, 1},
		{faulty.Call{Op: faulty.Put, Table: table}, write, 1},
		{faulty.Call{Op: faulty.Delete, Table: table}, write, 1},
		{faulty.Call{Op: faulty.DeleteRange, Table: table}, write, 1},
		{faulty.Call{Op: faulty.TrimEvents}, write, 1},
		{faulty.Call{Op: faulty.Commit}, write, 1},
		{faulty.Call{Op: faulty.Committed}, write, 2},
		{faulty.Call{Op: faulty.Follow}, follow, 1},
		{faulty.Call{Op: faulty.Next}, follow, 1},
	} {
		inner := memstore.New()
		on := false
		s := faulty.New(inner, func(c faulty.Call) error {
			if on && c == test.call {
				return boom
			}
			return nil
		})
		for _, use := range []func(store.Store) error{write, read, follow} {
			if err := use(s); err != nil {
				t.Fatalf("without a fault: %v", err)
			}
		}
		on = true
		if err := test.use(s); err != boom {
			t.Errorf("%+v: %v", test.call, err)
		}
		err := inner.View(ctx, "", func(r store.Reader) error {
			if p, err := r.Position(); p != test.after || err != nil {
				t.Errorf("%+v: position %d afterwards, %v", test.call, p, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestRerun(t *testing.T) {
	s := faulty.Rerun(memstore.New())
	defer s.Close()
	runs := 0
	err := s.Update(context.Background(), "", func(tx store.Tx) error {
		runs++
		position, err := tx.Append(chime.Event{Type: "t"})
		if position != 1 {
			t.Errorf("run %d appends at %d", runs, position)
		}
		return err
	})
	if runs != 2 || err != nil {
		t.Errorf("%d runs, %v", runs, err)
	}
	boom := errors.New("boom")
	if err := s.Update(context.Background(), "", func(store.Tx) error { runs++; return boom }); err != boom || runs != 3 {
		t.Errorf("a function that fails: %d runs, %v", runs, err)
	}
}
