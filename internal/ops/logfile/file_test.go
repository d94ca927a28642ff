package logfile_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/ops/logfile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var day = time.Date(2026, 11, 30, 23, 59, 0, 0, time.UTC)

// bed is a folder with a log in it, and a clock.
type bed struct {
	t    *testing.T
	path string
	now  time.Time
	o    logfile.Options
}

func newBed(t *testing.T, o logfile.Options) *bed {
	b := &bed{t: t, path: filepath.Join(t.TempDir(), "logs", "audit.log"), now: day}
	o.Path, o.Now = b.path, func() time.Time { return b.now }
	b.o = o
	return b
}

func (b *bed) open() *logfile.File {
	b.t.Helper()
	f, err := logfile.Open(b.o)
	b.must(err)
	return f
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) write(f *logfile.File, lines ...string) {
	b.t.Helper()
	for _, line := range lines {
		_, err := f.Write([]byte(line + "\n"))
		b.must(err)
	}
}

// files are the names in the folder with their lines, in order.
func (b *bed) files() []string {
	b.t.Helper()
	entries, err := os.ReadDir(filepath.Dir(b.path))
	b.must(err)
	var files []string
	for _, entry := range entries {
		info, err := entry.Info()
		b.must(err)
		if info.Mode() != 0o600 {
			b.t.Errorf("%s has the mode %v", entry.Name(), info.Mode())
		}
		file, err := os.Open(filepath.Join(filepath.Dir(b.path), entry.Name()))
		b.must(err)
		defer file.Close()
		var from io.Reader = file
		if strings.HasSuffix(entry.Name(), ".gz") {
			from, err = gzip.NewReader(file)
			b.must(err)
		}
		text, err := io.ReadAll(from)
		b.must(err)
		files = append(files, entry.Name()+": "+strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", " "))
	}
	return files
}

func (b *bed) expect(want ...string) {
	b.t.Helper()
	if got := b.files(); !slices.Equal(got, want) {
		b.t.Errorf("files %q, want %q", got, want)
	}
}

// settle closes the log and opens it again, which finishes what goes on in the background.
func (b *bed) settled(f *logfile.File) {
	b.t.Helper()
	synctest.Wait()
	b.must(f.Close())
}

func TestPartsEndBySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, logfile.Options{MaxBytes: 10})
		f := b.open()
		b.write(f, "one", "two", "three", "a line longer than a part", "four")
		b.settled(f)
		b.expect(
			"audit-20261130T235900.000Z.log.gz: one two",
			"audit-20261130T235900.001Z.log.gz: three",
			"audit-20261130T235900.002Z.log.gz: a line longer than a part",
			"audit.log: four",
		)
	})
}

func TestPartsEndByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, logfile.Options{MaxAge: 24 * time.Hour})
		f := b.open()
		b.write(f, "monday")
		b.now = b.now.Add(2 * time.Minute)
		b.write(f, "tuesday", "tuesday")
		b.settled(f)
		b.expect("audit-20261201T000100.000Z.log.gz: monday", "audit.log: tuesday tuesday")

		// Over a restart the time of the file says of which day it is.
		b.must(os.Chtimes(b.path, b.now, b.now))
		f = b.open()
		b.write(f, "tuesday")
		b.now = b.now.Add(24 * time.Hour)
		b.write(f, "wednesday")
		b.settled(f)
		b.expect("audit-20261201T000100.000Z.log.gz: monday", "audit-20261202T000100.000Z.log.gz: tuesday tuesday tuesday", "audit.log: wednesday")
	})
}

func TestTheOldestPartsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, logfile.Options{MaxBytes: 1, Keep: 2})
		b.must(os.MkdirAll(filepath.Dir(b.path), 0o700))
		other := filepath.Join(filepath.Dir(b.path), "audit-notes.log")
		b.must(os.WriteFile(other, []byte("of others\n"), 0o600))
		f := b.open()
		b.write(f, "one", "two", "three", "four", "five")
		b.settled(f)
		b.expect("audit-20261130T235900.002Z.log.gz: three", "audit-20261130T235900.003Z.log.gz: four", "audit-notes.log: of others", "audit.log: five")
	})
}

// TestACrash: what a process left half done is finished by the next one.
func TestACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, logfile.Options{})
		b.must(os.MkdirAll(filepath.Dir(b.path), 0o700))
		part := strings.TrimSuffix(b.path, ".log") + "-20261129T000000.000Z.log"
		b.must(os.WriteFile(part, []byte("yesterday\n"), 0o600))
		b.must(os.WriteFile(part+".gz.tmp", []byte("half"), 0o600))
		b.must(os.WriteFile(b.path, []byte("whole\nhal"), 0o644))
		f := b.open()
		b.write(f, "next")
		b.settled(f)
		b.expect("audit-20261129T000000.000Z.log.gz: yesterday", "audit.log: whole hal next")
	})
}

// TestReopen: after another program renamed the file, lines go into a new one.
func TestReopen(t *testing.T) {
	b := newBed(t, logfile.Options{})
	f := b.open()
	b.write(f, "one")
	b.must(os.Rename(b.path, b.path+".1"))
	b.write(f, "two")
	b.must(f.Reopen())
	b.write(f, "three")
	b.must(f.Close())
	b.expect("audit.log: three", "audit.log.1: one two")
	if _, err := f.Write([]byte("late\n")); !errors.Is(err, logfile.ErrClosed) {
		t.Errorf("a write after the close: %v", err)
	}
}

// TestWhatCannotBeOpened: the error names the file, and writing goes on once it can be opened.
func TestWhatCannotBeOpened(t *testing.T) {
	b := newBed(t, logfile.Options{MaxBytes: 1})
	b.must(os.MkdirAll(b.path, 0o700))
	if _, err := logfile.Open(b.o); err == nil || !strings.Contains(err.Error(), "audit.log") {
		t.Errorf("got %v", err)
	}
	b.must(os.Remove(b.path))
	f := b.open()
	defer f.Close()
	b.must(os.RemoveAll(filepath.Dir(b.path)))
	b.write(f, "into the removed file")
	if _, err := f.Write([]byte("x\n")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	b.must(os.MkdirAll(filepath.Dir(b.path), 0o700))
	b.write(f, "again")
	b.expect("audit.log: again")
}

// TestDevices: what is no file has no parts.
func TestDevices(t *testing.T) {
	f, err := logfile.Open(logfile.Options{Path: os.DevNull, MaxBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := fmt.Fprintln(f, i); err != nil {
			t.Error(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
