package pebble

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir, os.Getenv(childRun))
	}
	goleak.VerifyTestMain(m)
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		dir := t.TempDir()
		return storetest.Harness{Open: func() (store.Store, error) { return Open(dir, Options{}) }}
	})
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	_, err = Open(dir, Options{})
	if !errors.Is(err, store.ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("in the same process: %v", err)
	}
	out, err := childCommand(dir, 0).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte(store.ErrInUse.Error())) || !bytes.Contains(out, []byte(dir)) {
		t.Errorf("in another process: %v, %s", err, out)
	}
	writeMany(t, s, 1, 10) // the owner is not disturbed
}

func TestUnusableFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, Options{}); err == nil || !strings.Contains(err.Error(), file) || errors.Is(err, store.ErrInUse) {
		t.Errorf("a file for a folder: %v", err)
	}
}

func TestFolderIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// formatZero makes a folder as it was before it noted how far it had come.
func formatZero(t *testing.T, disk vfs.FS, events uint64) {
	t.Helper()
	db, err := crdb.Open("data", &crdb.Options{FS: disk, Logger: logger{newHealth(slog.New(slog.DiscardHandler))}, FormatMajorVersion: crdb.FormatMinSupported})
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(1); n <= events; n++ {
		b := db.NewBatch()
		event, err := store.EncodeRecord(chime.Event{Type: "t", Payload: []byte(fmt.Sprint(n))})
		err = errors.Join(err,
			b.Set(path(store.TableEvents, store.K().Num(n)), event, nil),
			b.Set(path(table, store.K("n").Num(n)), []byte(strings.Repeat(fmt.Sprint(n), 50)), nil),
			b.Commit(crdb.Sync))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMigratesFormatZero(t *testing.T) {
	for _, events := range []uint64{0, 25} {
		d := newTestDisk()
		formatZero(t, d, events)
		for round := range uint64(2) { // the second finds the present format
			s := d.open(t)
			if err := readAll(s, events+round); err != nil {
				t.Error(err)
			}
			format, err := readFormat(s.db)
			if format != uint64(len(migrations)) || err != nil {
				t.Errorf("format %d, %v", format, err)
			}
			writeMany(t, s, events+round+1, events+round+1)
			closed(t, s)
		}
		s := d.reopen(t)
		if err := readAll(s, events+2); err != nil {
			t.Error(err)
		}
		closed(t, s)
	}
}

func TestFailedMigrationChangesNothing(t *testing.T) {
	d := newTestDisk()
	formatZero(t, d, 5)
	boom := errors.New("boom")
	real := migrations
	defer func() { migrations = real }()
	migrations = append(migrations[:1:1], func(_ *crdb.DB, b *crdb.Batch) error {
		return errors.Join(b.Set(path(table, store.K("half")), []byte("done"), nil), boom)
	})
	if _, err := Open("data", Options{fs: d}); !errors.Is(err, boom) || !strings.Contains(err.Error(), "migration to format 2") {
		t.Errorf("open: %v", err)
	}
	migrations = real
	s := d.open(t)
	defer closed(t, s)
	if err := readAll(s, 5); err != nil {
		t.Error(err)
	}
	if v, err := get(s.db, path(table, store.K("half"))); v != nil || err != nil {
		t.Errorf("half a migration is there: %q, %v", v, err)
	}
}

func TestNewerFormat(t *testing.T) {
	d := newTestDisk()
	s := d.open(t)
	value, err := store.EncodeRecord(uint64(len(migrations) + 1))
	if err == nil {
		err = s.db.Set(formatKey, value, crdb.Sync)
	}
	if err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	before := list(t, d)
	if _, err := Open("data", Options{fs: d}); !errors.Is(err, store.ErrNewer) {
		t.Errorf("a folder of a later version: %v", err)
	}
	if after := list(t, d); strings.Join(before, " ") != strings.Join(after, " ") {
		t.Errorf("it was changed: %q to %q", before, after)
	}
}

func TestNewerEngine(t *testing.T) {
	d := newTestDisk()
	closed(t, d.open(t))
	for _, name := range list(t, d) {
		if newer, found := strings.CutPrefix(name, "marker.format-version."); found {
			if err := d.Rename("data/"+name, "data/marker.format-version."+newer[:len(newer)-3]+"999"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := Open("data", Options{fs: d}); !errors.Is(err, store.ErrNewer) {
		t.Errorf("a folder of a later engine: %v", err)
	}
}

// A backup taken while writers run holds what had returned before, and can be opened and
// written to.
func TestBackup(t *testing.T) {
	dir, backup := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	s, err := Open(dir, Options{memTableSize: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	writeMany(t, s, 1, 2000)
	ctx, stop := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	writers.Go(func() {
		for n := uint64(2001); ctx.Err() == nil; n++ {
			if err := write(s, n); err != nil {
				t.Error(err)
			}
		}
	})
	err = s.Backup(backup)
	stop()
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(backup); !errors.Is(err, os.ErrExist) {
		t.Errorf("a backup over another: %v", err)
	}
	b, err := Open(backup, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, b)
	if err := readAll(b, 2000); err != nil {
		t.Error(err)
	}
	appended := false
	err = b.Update(context.Background(), "", func(tx store.Tx) error {
		at, err := tx.Position()
		if err != nil {
			return err
		}
		position, err := tx.Append(chime.Event{Type: "t"})
		appended = position == at+1
		return err
	})
	if err != nil || !appended {
		t.Errorf("writing to the backup: %t, %v", appended, err)
	}
}

// A loss of power at any moment, with any part of what was not synced on disk or not: the folder
// opens and holds everything acknowledged.
func TestPowerLoss(t *testing.T) {
	d := newTestDisk()
	s := d.open(t)
	defer closed(t, s)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var acknowledged uint64
	var mu sync.Mutex
	var writer sync.WaitGroup
	defer writer.Wait()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	writer.Go(func() {
		for n := uint64(1); n <= 8000 && ctx.Err() == nil; n++ {
			if err := write(s, n); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			acknowledged = n
			mu.Unlock()
		}
	})
	for range 15 {
		mu.Lock()
		upTo := acknowledged
		mu.Unlock()
		disk := d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
		after := (&testDisk{FS: disk}).open(t)
		if err := readAll(after, upTo); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		closed(t, after)
	}
}

func TestRangesLargeAndSmall(t *testing.T) {
	d := newTestDisk()
	s := d.open(t)
	defer closed(t, s)
	for i, n := range []uint64{smallRange - 1, smallRange, smallRange + 1, 5 * smallRange} {
		writeMany(t, s, uint64(i+1), uint64(i+1))
		err := s.Update(context.Background(), "", func(tx store.Tx) error {
			for i := range n {
				if err := tx.Put(table+1, store.K("r").Num(i), []byte("x")); err != nil {
					return err
				}
			}
			return tx.DeleteRange(table+1, store.Prefix(store.K("r")))
		})
		if err != nil {
			t.Fatal(err)
		}
		err = s.View(context.Background(), "", func(r store.Reader) error {
			return r.Scan(table+1, store.Range{}, func(key store.Key, _ []byte) (bool, error) {
				t.Errorf("of %d entries %q is left", n, key)
				return false, nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestStats(t *testing.T) {
	d := newTestDisk()
	s := d.open(t)
	writeMany(t, s, 1, 10)
	st := s.Stats()
	if st.Commits != 10 || st.Events != 10 || st.BatchBytes == 0 || st.LogWrites < 10 || st.LogSyncs < 10 || st.DiskBytes == 0 || st.Refusal != nil {
		t.Errorf("%+v", st)
	}
	closed(t, s)
	if st := s.Stats(); st.Commits != 10 || !errors.Is(st.Refusal, store.ErrUnavailable) {
		t.Errorf("after Close: %+v", st)
	}
	if err := s.Backup("elsewhere"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("backup after Close: %v", err)
	}
}
