package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/carillon-chat/carillon/internal/store"
)

// An error of the write-ahead log, wherever it happens, is answered as an error by whoever waits
// for it and by all who come later. Nothing hangs, nothing acknowledged is lost.
func TestLogErrors(t *testing.T) {
	for _, test := range []struct {
		name  string
		part  string
		kinds []errorfs.OpKind
	}{
		{"write", ".log", []errorfs.OpKind{errorfs.OpFileWrite}},
		{"sync", ".log", []errorfs.OpKind{errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo}},
		{"create", ".log", []errorfs.OpKind{errorfs.OpCreate, errorfs.OpReuseForWrite}},
		{"folder", "data", []errorfs.OpKind{errorfs.OpFileSync}},
	} {
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
			t.Run(fmt.Sprint(test.name, " ", cause), func(t *testing.T) {
				d := newTestDisk()
				s := d.open(t)
				defer closed(t, s)
				defer d.heal() // only the log is to fail, not the end
				writeMany(t, s, 1, 10)
				before := s.Stats().Commits
				d.fail(cause, test.part, test.kinds...)
				acknowledged, err := writeUntilRefused(t, s, 11)
				if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, cause) {
					t.Fatalf("the Update under way: %v", err)
				}
				if s.Stats().Commits == before {
					t.Fatal("no commit was under way")
				}
				err = write(s, acknowledged+2)
				if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrFull) != (cause == syscall.ENOSPC) {
					t.Errorf("a later Update: %v", err)
				}
				if err := readAll(s, acknowledged); err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("reading: %v", err)
				}
				if cursor, err := s.Follow("", 0); err != nil {
					t.Errorf("following: %v", err)
				} else if events, err := cursor.Next(context.Background()); err != nil || events[0].Position != 1 {
					t.Errorf("the log: %v", err)
				}
				again := d.reopen(t)
				defer closed(t, again)
				if err := readAll(again, acknowledged); err != nil {
					t.Errorf("after opening again: %v", err)
				}
			})
		}
	}
}

// A file of the log that cannot be made for want of descriptors is tried again: meanwhile changes are
// refused and reading goes on, and nothing has to be opened again.
func TestALogWithoutDescriptorsIsTriedAgain(t *testing.T) {
	for _, cause := range []error{syscall.EMFILE, syscall.ENFILE} {
		t.Run(cause.Error(), func(t *testing.T) {
			d := newTestDisk()
			s := d.open(t)
			defer closed(t, s)
			writeMany(t, s, 1, 10)
			d.fail(cause, ".log", errorfs.OpCreate, errorfs.OpReuseForWrite)
			healed, underWay := make(chan struct{}), make(chan uint64)
			go func() {
				n := uint64(10)
				for ; write(s, n+1) == nil; n++ {
					select {
					case <-healed:
						underWay <- n + 1
						return
					default:
					}
				}
				underWay <- n
			}()
			eventually(t, func() error {
				if err := s.Stats().Refusal; !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, cause) {
					return fmt.Errorf("refused with %v", err)
				}
				return nil
			})
			if err := readAll(s, 10); err != nil {
				t.Errorf("reading: %v", err)
			}
			d.heal()
			close(healed)
			acknowledged := <-underWay
			eventually(t, func() error { return write(s, acknowledged+1) })
			if err := readAll(s, acknowledged+1); err != nil {
				t.Error(err)
			}
		})
	}
}

// A read that finds no descriptor is refused for the moment, as changes are.
func TestReadsWithoutDescriptors(t *testing.T) {
	err := damage(fmt.Errorf("open 000007.sst: %w", syscall.EMFILE))
	if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("got %v", err)
	}
}

// Concurrent Updates all come back when the log fails under them.
func TestLogErrorUnderLoad(t *testing.T) {
	d := newTestDisk()
	s := d.open(t)
	defer closed(t, s)
	writeMany(t, s, 1, 5)
	results := make(chan error)
	for worker := range 32 {
		go func() {
			for {
				err := s.Update(context.Background(), "", func(tx store.Tx) error {
					return tx.Put(table+1, store.K("worker").Num(uint64(worker)), []byte("x"))
				})
				if err == nil {
					err = s.View(context.Background(), "", func(store.Reader) error { return nil })
				}
				if err != nil {
					results <- err
					return
				}
			}
		}()
	}
	d.fail(syscall.EIO, ".log", errorfs.OpFileSyncData, errorfs.OpFileSync)
	for range 32 {
		if err := <-results; !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, syscall.EIO) {
			t.Errorf("an Update or View under way: %v", err)
		}
	}
	again := d.reopen(t)
	defer closed(t, again)
	if err := readAll(again, 5); err != nil {
		t.Error(err)
	}
}

// A flush that finds no room refuses changes until there is room, without a restart.
func TestFlushErrors(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for _, kind := range []errorfs.OpKind{errorfs.OpCreate, errorfs.OpFileWrite} {
			t.Run(fmt.Sprint(cause, kind), func(t *testing.T) {
				t.Parallel()
				d := newTestDisk()
				s := d.open(t)
				defer closed(t, s)
				d.fail(cause, ".sst", kind)
				acknowledged, err := writeUntilRefused(t, s, 1)
				if !errors.Is(err, cause) || errors.Is(err, store.ErrFull) != (cause == syscall.ENOSPC) {
					t.Errorf("refused with %v", err)
				}
				if err := readAll(s, acknowledged); err != nil {
					t.Errorf("reading meanwhile: %v", err)
				}
				d.heal()
				eventually(t, func() error { return write(s, acknowledged+1) })
				if err := readAll(s, acknowledged+1); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// An error of the manifest is final, and named as what it is; reading goes on and nothing is lost.
func TestManifestError(t *testing.T) {
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for _, kind := range []errorfs.OpKind{errorfs.OpFileWrite, errorfs.OpFileSync} {
			t.Run(fmt.Sprint(cause, kind), func(t *testing.T) {
				d := newTestDisk()
				s := d.open(t)
				defer closed(t, s)
				refused := func(when string, err error) {
					t.Helper()
					if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, cause) || errors.Is(err, store.ErrFull) != (cause == syscall.ENOSPC) {
						t.Errorf("%s: %v", when, err)
					}
				}
				d.fail(cause, "MANIFEST", kind)
				acknowledged, err := writeUntilRefused(t, s, 1)
				refused("at first", err)
				d.heal()
				refused("later", write(s, acknowledged+1))
				refused("by the statistics", s.Stats().Refusal)
				if err := readAll(s, acknowledged); err != nil {
					t.Errorf("reading: %v", err)
				}
				again := d.reopen(t)
				defer closed(t, again)
				if err := readAll(again, acknowledged); err != nil {
					t.Errorf("after opening again: %v", err)
				}
			})
		}
	}
}

// With less free space than the reserve nothing is written, reads go on, and changes are
// accepted again when there is room.
func TestReserve(t *testing.T) {
	d := newTestDisk()
	room := func(megabytes uint64) {
		d.mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: megabytes << 20, TotalBytes: 1 << 40})
	}
	room(300)
	s := d.open(t)
	defer closed(t, s)
	writeMany(t, s, 1, 10)
	room(200)
	s.disk.measure()
	writes := s.Writes()
	if err := write(s, 11); !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "200 MB left") {
		t.Errorf("with 200 MB left: %v", err)
	}
	if s.Writes() != writes {
		t.Error("something was written")
	}
	if err := readAll(s, 10); err != nil {
		t.Errorf("reading: %v", err)
	}
	room(300)
	s.disk.measure()
	writeMany(t, s, 11, 12)

	room(200) // found out by the room that is used up, not only by the clock
	s.disk.room.Store(100)
	if err := write(s, 13); !errors.Is(err, store.ErrFull) {
		t.Errorf("with the room used up: %v", err)
	}
	again := d.reopen(t) // a full folder can be read
	defer closed(t, again)
	if err := readAll(again, 12); err != nil {
		t.Errorf("after opening again: %v", err)
	}
}

// Nothing tells of a commit before it is on disk: no Update, no View that saw it, no cursor.
func TestNothingBeforeSync(t *testing.T) {
	d := newTestDisk()
	s := d.open(t)
	defer closed(t, s)
	writeMany(t, s, 1, 1)
	cursor, err := s.Follow("", 1)
	if err != nil {
		t.Fatal(err)
	}
	syncing, release := make(chan struct{}), make(chan struct{})
	hold := func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.Contains(op.Path, ".log") {
			syncing <- struct{}{}
			<-release
		}
		return nil
	}
	d.inject.Store(&hold)

	order := make(chan string, 10)
	go func() {
		if err := write(s, 2); err != nil {
			t.Error(err)
		}
		order <- "update"
	}()
	<-syncing
	for led := true; led; { // the sync begins before the commit is visible, which it is when the leader leaves
		runtime.Gosched()
		s.line.mu.Lock()
		led = s.line.led
		s.line.mu.Unlock()
	}
	ctx, cancel := context.WithCancel(context.Background())
	saw := make(chan struct{})
	for name, read := range map[string]func(context.Context, func(store.Reader) error) error{
		"view": func(ctx context.Context, f func(store.Reader) error) error { return s.View(ctx, "", f) },
		"update that writes nothing": func(ctx context.Context, f func(store.Reader) error) error {
			return s.Update(ctx, "", func(tx store.Tx) error { return f(tx) })
		},
		"update that fails": func(ctx context.Context, f func(store.Reader) error) error {
			err := s.Update(ctx, "", func(tx store.Tx) error { return errors.Join(f(tx), io.EOF) })
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		},
	} {
		go func() {
			err := read(context.Background(), func(r store.Reader) error {
				defer func() { saw <- struct{}{} }()
				if p, err := r.Position(); p != 2 || err != nil {
					return fmt.Errorf("position %d, %w", p, err)
				}
				return nil
			})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			order <- name
		}()
	}
	for range 3 {
		<-saw
	}
	go func() { // one that gives up waiting
		err := s.View(ctx, "", func(store.Reader) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a view whose context ended: %v", err)
		}
		order <- "gave up"
	}()
	if first := <-order; first != "gave up" {
		t.Errorf("%s returned before the commit was on disk", first)
	}
	if _, err := cursor.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the cursor had the event before it was on disk: %v", err)
	}
	d.inject.Store(nil)
	close(release)
	for range 4 {
		<-order
	}
	if events, err := cursor.Next(ctx); err != nil || events[0].Position != 2 {
		t.Errorf("afterwards: %v", err)
	}
}

// Reading costs no write.
func TestReadingWritesNothing(t *testing.T) {
	d := newTestDisk()
	s := d.open(t)
	defer closed(t, s)
	writeMany(t, s, 1, 3)
	forbid := func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			t.Errorf("%s was written", op.Path)
		}
		return nil
	}
	d.inject.Store(&forbid)
	before := s.Stats()
	if err := readAll(s, 3); err != nil {
		t.Error(err)
	}
	if err := s.Update(context.Background(), "", func(store.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
	after := s.Stats()
	if before.Commits != after.Commits || before.LogWrites != after.LogWrites || before.LogSyncs != after.LogSyncs {
		t.Errorf("from %+v to %+v", before, after)
	}
	d.heal()
}

// While the engine cannot flush as fast as it is written to, Updates wait: not for ever, and not
// with a lock held.
func TestWaitsForFlushes(t *testing.T) {
	d := newTestDisk()
	s := d.open(t)
	release := make(chan struct{})
	hold := func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.Contains(op.Path, ".sst") {
			<-release
		}
		return nil
	}
	d.inject.Store(&hold)
	var acknowledged uint64
	ctx, cancel := context.WithCancel(context.Background())
	writing := make(chan error)
	go func() {
		for {
			if err := writeIn(ctx, s, acknowledged+1); err != nil {
				writing <- err
				return
			}
			acknowledged++
		}
	}()
	eventually(t, func() error {
		if !s.health.now.Load().stalled {
			return errors.New("nothing waits")
		}
		return nil
	})
	cancel()
	if err := <-writing; !errors.Is(err, context.Canceled) {
		t.Errorf("an Update whose context ended: %v", err)
	}
	if err := readAll(s, acknowledged); err != nil {
		t.Errorf("reading meanwhile: %v", err)
	}
	result := make(chan error)
	go func() { result <- write(s, acknowledged+1) }()
	d.heal()
	close(release)
	if err := <-result; err != nil {
		t.Error(err)
	}
	if err := readAll(s, acknowledged+1); err != nil {
		t.Error(err)
	}
	closed(t, s)
}
