package logfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/carillon-chat/carillon/internal/ops/logfile"
)

// tail opens the tail of a log.
func (b *bed) tail(f *logfile.File) *logfile.Tail {
	b.t.Helper()
	tail, err := f.Tail()
	b.must(err)
	return tail
}

// read reads what follows a position, in steps of so many bytes, and returns the lines and where it came to.
func (b *bed) read(tail *logfile.Tail, from logfile.Position, size int) (lines []string, to logfile.Position) {
	b.t.Helper()
	for {
		text, next, err := tail.Read(from, make([]byte, size))
		b.must(err)
		if from = next; len(text) == 0 {
			return lines, from
		}
		lines = append(lines, strings.Fields(string(text))...)
	}
}

func (b *bed) expectLines(got []string, want ...string) {
	b.t.Helper()
	if !slices.Equal(got, want) {
		b.t.Errorf("lines %q, want %q", got, want)
	}
}

// TestATailReadsPartAfterPart: in order, each line once, whatever the size of what it reads into.
func TestATailReadsPartAfterPart(t *testing.T) {
	for _, size := range []int{1, 5, 1 << 10} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, logfile.Options{MaxBytes: 10, Keep: 1, Backlog: 1 << 20})
			f := b.open()
			tail := b.tail(f)
			start, err := tail.Start()
			b.must(err)
			tail.Keep(start)
			b.write(f, "one", "two", "three")
			lines, at := b.read(tail, start, size)
			b.expectLines(lines, "one", "two", "three")
			b.write(f, "four", "five", "six", "seven")
			synctest.Wait()
			lines, end := b.read(tail, at, size)
			b.expectLines(lines, "four", "five", "six", "seven")
			if behind, err := tail.Behind(at); err != nil || behind != 20 {
				t.Errorf("%d bytes are behind, %v", behind, err)
			}
			if behind, err := tail.Behind(end); err != nil || behind != 0 {
				t.Errorf("%d bytes are behind at the end, %v", behind, err)
			}

			// What was read may go: the parts beyond Keep do, and the others are compressed.
			tail.Keep(end)
			b.must(tail.Close())
			b.settled(f)
			b.expect("audit-20261130T235900.002Z.log.gz: four five", "audit.log: six seven")
		})
	}
}

// TestWhatATailHasNotReadStays: also over a restart, uncompressed and beyond Keep, until there is too much of it.
func TestWhatATailHasNotReadStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, logfile.Options{MaxBytes: 1, Keep: 1, Backlog: 12})
		f := b.open()
		b.write(f, "one", "two", "three", "four")
		b.settled(f)
		f = b.open()
		tail := b.tail(f)
		synctest.Wait()
		tail.Keep(logfile.Position{})
		synctest.Wait()
		b.expect("audit-20261130T235900.000Z.log: one", "audit-20261130T235900.001Z.log: two", "audit-20261130T235900.002Z.log: three", "audit.log: four")

		b.write(f, "five", "six")
		synctest.Wait()
		if n := tail.GivenUp(); n != 2 {
			t.Errorf("%d parts are given up", n)
		}
		lines, _ := b.read(tail, logfile.Position{Offset: 4, First: "of one"}, 100)
		b.expectLines(lines, "three", "four", "five", "six")
		b.must(tail.Close())
		b.must(f.Close())
	})
}

// TestATailReadsCompressedParts: those that were finished while there was no tail, from any place.
func TestATailReadsCompressedParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, logfile.Options{Backlog: 1 << 20})
		f := b.open()
		long := strings.Repeat("x", 9000)
		b.write(f, "one", long, "two")
		_, at := b.read(b.tail(f), logfile.Position{}, 4)
		middle := logfile.Position{Offset: 4, First: at.First}
		b.settled(f)

		b.o.Backlog, b.o.MaxBytes = 0, 1
		f = b.open()
		b.write(f, "three", "four")
		b.settled(f)
		b.expect("audit-20261130T235900.000Z.log.gz: one "+long+" two", "audit-20261130T235900.001Z.log.gz: three", "audit.log: four")

		b.o.Backlog = 1 << 20
		f = b.open()
		tail := b.tail(f)
		for _, size := range []int{7, 100_000} {
			lines, _ := b.read(tail, middle, size)
			b.expectLines(lines, long, "two", "three", "four")
		}
		lines, _ := b.read(tail, logfile.Position{}, 100)
		b.expectLines(lines, "one", long, "two", "three", "four")
		b.must(tail.Close())
		b.must(f.Close())
	})
}

// TestAPartThatIsTakenAway is noticed, and what is at its place is read from its beginning.
func TestAPartThatIsTakenAway(t *testing.T) {
	for name, take := range map[string]func(b *bed){
		"renamed": func(b *bed) { b.must(os.Rename(b.path, b.path+".1")) },
		"emptied": func(b *bed) { b.must(os.Truncate(b.path, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, logfile.Options{Backlog: 1 << 20})
			f := b.open()
			defer f.Close()
			tail := b.tail(f)
			b.write(f, "one", "two")
			_, at := b.read(tail, logfile.Position{}, 4)
			take(b)
			b.must(f.Reopen())
			b.write(f, "three", "four", "five")
			_, next, err := tail.Read(at, make([]byte, 100))
			if !errors.Is(err, logfile.ErrGone) {
				t.Fatalf("got %v", err)
			}
			lines, _ := b.read(tail, next, 100)
			b.expectLines(lines, "three", "four", "five")
		})
	}
}

// TestATailAfterACrash: of a line that was cut off nothing is read before it was ended.
func TestATailAfterACrash(t *testing.T) {
	b := newBed(t, logfile.Options{Backlog: 1 << 20})
	b.must(os.MkdirAll(filepath.Dir(b.path), 0o700))
	b.must(os.WriteFile(b.path, []byte("one\ntw"), 0o600))
	f := b.open()
	defer f.Close()
	b.write(f, "three")
	lines, _ := b.read(b.tail(f), logfile.Position{}, 100)
	b.expectLines(lines, "one", "tw", "three")
}

// TestNewPartsFollowThoseThatWereRead: also when those are gone and the clock was set back.
func TestNewPartsFollowThoseThatWereRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, logfile.Options{MaxBytes: 1, Backlog: 1 << 20})
		f := b.open()
		tail := b.tail(f)
		tail.Keep(logfile.Position{After: "20261201T000000.000Z"})
		b.write(f, "one", "two")
		b.settled(f)
		b.expect("audit-20261201T000000.001Z.log: one", "audit.log: two")
	})
}

func TestATailOfADevice(t *testing.T) {
	f, err := logfile.Open(logfile.Options{Path: os.DevNull, Backlog: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Tail(); err == nil || !strings.Contains(err.Error(), os.DevNull) {
		t.Errorf("got %v", err)
	}
}
