package storetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/carillon-chat/carillon/internal/store"
)

func abortLeavesNothing(t *testing.T, h Harness) {
	s := h.open(t)
	appendEvents(t, s, "first")
	cursor := follow(t, s, 1)
	boom := errors.New("boom")
	err := s.Update(context.Background(), app, func(tx store.Tx) error { return writeAll(tx, boom) })
	if err != boom {
		t.Errorf("the error of f came back as %v", err)
	}
	expectNothingOf(t, s, cursor)
}

func panicLeavesNothing(t *testing.T, h Harness) {
	s := h.open(t)
	appendEvents(t, s, "first")
	cursor := follow(t, s, 1)
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic of f did not come through")
			}
		}()
		_ = s.Update(context.Background(), app, func(tx store.Tx) error {
			_ = writeAll(tx, nil)
			panic("boom")
		})
	}()
	func() {
		defer func() { _ = recover() }()
		_ = s.View(context.Background(), app, func(store.Reader) error { panic("boom") })
	}()
	expectNothingOf(t, s, cursor)
}

func writeAll(tx store.Tx, result error) error {
	_, err := tx.Append(event("aborted"))
	err = errors.Join(err, tx.Put(one, store.K("a"), []byte("a")), tx.TrimEvents(1))
	if err != nil {
		return err
	}
	return result
}

// expectNothingOf shows that the transaction was not and that the store works on.
func expectNothingOf(t *testing.T, s store.Store, cursor store.Cursor) {
	t.Helper()
	if got := get(t, s, one, store.K("a")); got != "none" {
		t.Errorf("an aborted write is there: %q", got)
	}
	same(t, "events", ready(t, cursor), []string(nil))
	appendEvents(t, s, "second")
	same(t, "events", ready(t, cursor), []string{"2:second"})
	same(t, "the log", ready(t, follow(t, s, 0)), []string{"1:first", "2:second"})
}

func endedContext(t *testing.T, h Harness) {
	s := h.open(t)
	if err := s.Update(ended(), app, func(store.Tx) error { t.Error("f ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Update: %v", err)
	}
	if err := s.View(ended(), app, func(store.Reader) error { t.Error("f ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("View: %v", err)
	}
	appendEvents(t, s, "after")
}

// number reads a counter; a missing one is 0.
func number(r store.Reader, key store.Key) (uint64, error) {
	value, err := r.Get(one, key)
	if value == nil || err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(value), nil
}

func setNumber(tx store.Tx, key store.Key, n uint64) error {
	return tx.Put(one, key, binary.BigEndian.AppendUint64(nil, n))
}

// concurrently runs f in n goroutines and fails the test with what they return.
func concurrently(t *testing.T, n int, f func(worker int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for worker := range n {
		wg.Go(func() {
			if err := f(worker); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func countersLoseNothing(t *testing.T, h Harness) {
	s := h.open(t)
	const workers, rounds = 16, 50
	key := store.K("counter")

	// Every transaction reads the count and writes it back with an event.
	concurrently(t, workers, func(int) error {
		for range rounds {
			err := s.Update(context.Background(), app, func(tx store.Tx) error {
				n, err := number(tx, key)
				if err != nil {
					return err
				}
				position, err := tx.Append(event(fmt.Sprint(n + 1)))
				if err == nil && position != n+1 {
					err = fmt.Errorf("the event of count %d got position %d", n+1, position)
				}
				return errors.Join(err, setNumber(tx, key, n+1))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})

	// No increment is lost, and the log has one event for each, in order.
	view(t, s, func(r store.Reader) error {
		n, err := number(r, key)
		if n != workers*rounds {
			t.Errorf("%d increments made %d", workers*rounds, n)
		}
		return err
	})
	for i, e := range ready(t, follow(t, s, 0)) {
		if want := fmt.Sprintf("%d:%d", i+1, i+1); e != want {
			t.Fatalf("event %d is %s, want %s", i, e, want)
		}
	}
}

// noWriteSkew: of two doctors, one must stay on call, and both ask to leave at once.
func noWriteSkew(t *testing.T, h Harness) {
	s := h.open(t)
	for range 50 {
		update(t, s, func(tx store.Tx) error {
			return errors.Join(setNumber(tx, store.K("on call").Num(0), 1), setNumber(tx, store.K("on call").Num(1), 1))
		})
		concurrently(t, 2, func(worker int) error {
			return s.Update(context.Background(), app, func(tx store.Tx) error {
				other, err := number(tx, store.K("on call").Num(uint64(1-worker)))
				if other == 0 || err != nil {
					return err
				}
				return setNumber(tx, store.K("on call").Num(uint64(worker)), 0)
			})
		})
		view(t, s, func(r store.Reader) error {
			a, err := number(r, store.K("on call").Num(0))
			b, err2 := number(r, store.K("on call").Num(1))
			if a+b != 1 {
				t.Fatalf("%d are on call", a+b)
			}
			return errors.Join(err, err2)
		})
	}
}

// viewIsOneMoment moves units between accounts while readers add them up.
func viewIsOneMoment(t *testing.T, h Harness) {
	s := h.open(t)
	const accounts, units = 10, 100
	account := func(i uint64) store.Key { return store.K("account").Num(i) }
	update(t, s, func(tx store.Tx) error { return setNumber(tx, account(0), units) })
	concurrently(t, 4, func(worker int) error {
		for i := range uint64(100) {
			var err error
			if worker < 2 {
				err = s.Update(context.Background(), app, func(tx store.Tx) error {
					return move(tx, account(i%accounts), account((i+1+uint64(worker))%accounts))
				})
			} else {
				err = s.View(context.Background(), app, func(r store.Reader) error { return addUp(r, account, accounts, units) })
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// move takes one unit over and notes the position of its event.
func move(tx store.Tx, from, to store.Key) error {
	a, err := number(tx, from)
	if err != nil || a == 0 {
		return err
	}
	b, err := number(tx, to)
	if err != nil {
		return err
	}
	position, err := tx.Append(event("move"))
	return errors.Join(err, setNumber(tx, from, a-1), setNumber(tx, to, b+1), setNumber(tx, store.K("latest"), position))
}

func addUp(r store.Reader, account func(uint64) store.Key, accounts, units uint64) error {
	var sum uint64
	for i := range accounts {
		n, err := number(r, account(i))
		if err != nil {
			return err
		}
		sum += n
	}
	latest, err := number(r, store.K("latest"))
	if err != nil {
		return err
	}
	if position, err := r.Position(); err != nil || sum != units || position != latest {
		return fmt.Errorf("%d units, position %d while the latest move noted %d (%v)", sum, position, latest, err)
	}
	return nil
}
