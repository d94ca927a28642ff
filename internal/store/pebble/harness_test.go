package pebble

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

const table store.TableID = 200

// testDisk is a disk in memory whose operations can be made to fail or wait.
type testDisk struct {
	vfs.FS
	mem    *vfs.MemFS
	inject atomic.Pointer[func(errorfs.Op) error]
}

func newTestDisk() *testDisk {
	d := &testDisk{mem: vfs.NewCrashableMem()}
	d.FS = errorfs.Wrap(d.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if f := d.inject.Load(); f != nil {
			return (*f)(op)
		}
		return nil
	}))
	return d
}

// fail makes operations of the kinds on files with the part in their name fail.
func (d *testDisk) fail(err error, part string, kinds ...errorfs.OpKind) {
	f := func(op errorfs.Op) error {
		for _, kind := range kinds {
			if op.Kind == kind && strings.Contains(op.Path, part) {
				return fmt.Errorf("%s: %w", op.Path, err)
			}
		}
		return nil
	}
	d.inject.Store(&f)
}

func (d *testDisk) heal() { d.inject.Store(nil) }

func (d *testDisk) open(t *testing.T) *Store {
	t.Helper()
	s, err := Open("data", Options{fs: d, memTableSize: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// killed is the disk as it would be found if the process died now.
func (d *testDisk) killed() *vfs.MemFS {
	return d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(0, 0))})
}

// reopen opens the data of a process that died now.
func (d *testDisk) reopen(t *testing.T) *Store {
	t.Helper()
	return (&testDisk{FS: d.killed()}).open(t)
}

// write commits one numbered record with its event; the position is the number.
func write(s *Store, n uint64) error { return writeIn(context.Background(), s, n) }

func writeIn(ctx context.Context, s *Store, n uint64) error {
	return s.Update(ctx, "", func(tx store.Tx) error {
		if _, err := tx.Append(chime.Event{Type: "t", Payload: []byte(fmt.Sprint(n))}); err != nil {
			return err
		}
		return tx.Put(table, store.K("n").Num(n), []byte(strings.Repeat(fmt.Sprint(n), 50)))
	})
}

// writeMany commits records first to last and returns the last that was acknowledged.
func writeMany(t *testing.T, s *Store, first, last uint64) {
	t.Helper()
	for n := first; n <= last; n++ {
		if err := write(s, n); err != nil {
			t.Fatalf("write %d: %v", n, err)
		}
	}
}

// writeUntilRefused commits records until one is not acknowledged.
func writeUntilRefused(t *testing.T, s *Store, first uint64) (acknowledged uint64, err error) {
	t.Helper()
	for n := first; n < first+500_000; n++ { // records are compressed to a few dozen bytes
		if err := write(s, n); err != nil {
			return n - 1, err
		}
	}
	t.Fatal("nothing was refused")
	return 0, nil
}

// readAll reads every record and event, and says what is missing up to the number.
func readAll(s *Store, upTo uint64) error {
	err := s.View(context.Background(), "", func(r store.Reader) error {
		var n uint64
		err := r.Scan(table, store.Prefix(store.K("n")), func(_ store.Key, value []byte) (bool, error) {
			n++
			if string(value) != strings.Repeat(fmt.Sprint(n), 50) {
				return false, fmt.Errorf("record %d is missing or wrong", n)
			}
			return true, nil
		})
		if err == nil && n < upTo {
			err = fmt.Errorf("records end at %d of %d", n, upTo)
		}
		return err
	})
	if err != nil || upTo == 0 {
		return err
	}
	cursor, err := s.Follow("", 0)
	if err != nil {
		return err
	}
	defer cursor.Close()
	for n := uint64(0); n < upTo; {
		events, err := cursor.Next(context.Background())
		if err != nil {
			return err
		}
		for _, e := range events {
			if e.Ephemeral {
				continue
			}
			if n++; e.Position != n || string(e.Payload) != fmt.Sprint(n) {
				return fmt.Errorf("event %d is missing or wrong", n)
			}
		}
	}
	return nil
}

func closed(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error("close:", err)
	}
}

// eventually waits for what the engine does in its own time.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(10 * time.Millisecond)
	}
}
