package file_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/carillon-chat/carillon/internal/stream"
	"github.com/carillon-chat/carillon/internal/stream/file"
)

func open(t *testing.T, folder string, size int64) *file.Sink {
	t.Helper()
	s, err := file.Open(file.Options{Folder: folder, Size: size})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func write(t *testing.T, s *file.Sink, lines ...string) {
	t.Helper()
	var records []stream.Record
	for _, l := range lines {
		records = append(records, stream.Record{Data: []byte(l)})
	}
	if _, err := s.Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

// read returns the names of the files of a folder in order, and the lines in them.
func read(t *testing.T, folder string) (names, lines []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	slices.SortFunc(names, func(a, b string) int { // the current one is the last
		return strings.Compare(strings.Replace(a, "events.jsonl", "z", 1), strings.Replace(b, "events.jsonl", "z", 1))
	})
	for _, name := range names {
		lines = append(lines, linesOf(t, filepath.Join(folder, name))...)
	}
	return names, lines
}

func linesOf(t *testing.T, name string) (lines []string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var reader io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if reader, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	scanner := bufio.NewScanner(reader)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	if err := scanner.Err(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return lines
}

func expect(t *testing.T, folder, wantNames, wantLines string) {
	t.Helper()
	names, lines := read(t, folder)
	if strings.Join(names, " ") != wantNames || strings.Join(lines, " ") != wantLines {
		t.Errorf("the files %v have %v, want %s with %s", names, lines, wantNames, wantLines)
	}
}

func TestFilesAreRotatedAndPacked(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "streams")
	s := open(t, folder, 8)
	write(t, s, "aaa", "bbb")
	expect(t, folder, "events.jsonl", "aaa bbb")
	write(t, s, "ccc")
	expect(t, folder, "events-000001.jsonl.gz events.jsonl", "aaa bbb ccc")
	write(t, s, "longer than a file")
	write(t, s, "ddd")
	expect(t, folder, "events-000001.jsonl.gz events-000002.jsonl.gz events-000003.jsonl.gz events.jsonl", "aaa bbb ccc longer than a file ddd")

	// The operator took files away; numbers go on to rise.
	for _, n := range []int{1, 3} {
		if err := os.Remove(filepath.Join(folder, fmt.Sprintf("events-%06d.jsonl.gz", n))); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s, "eee", "fff")
	expect(t, folder, "events-000002.jsonl.gz events-000004.jsonl.gz events.jsonl", "ccc ddd eee fff")
}

// TestCrashesLoseNothing leaves what a crash leaves at each step.
func TestCrashesLoseNothing(t *testing.T) {
	for name, test := range map[string]struct {
		left              map[string]string
		wantNames, wanted string
	}{
		"nothing":            {nil, "events.jsonl", "new"},
		"whole lines":        {map[string]string{"events.jsonl": "a\nb\n"}, "events.jsonl", "a b new"},
		"half a line":        {map[string]string{"events.jsonl": "a\nb\nha"}, "events.jsonl", "a b new"},
		"half a first line":  {map[string]string{"events.jsonl": strings.Repeat("x", 1<<17)}, "events.jsonl", "new"},
		"a long half line":   {map[string]string{"events.jsonl": "a\n" + strings.Repeat("x", 1<<17)}, "events.jsonl", "a new"},
		"renamed":            {map[string]string{"events-000007.jsonl": "a\n"}, "events-000007.jsonl.gz events.jsonl", "a new"},
		"half packed":        {map[string]string{"events-000007.jsonl": "a\n", "events-000007.jsonl.gz.tmp": "?"}, "events-000007.jsonl.gz events.jsonl", "a new"},
		"packed, not erased": {map[string]string{"events-000007.jsonl": "a\n", "events-000007.jsonl.gz": "?"}, "events-000007.jsonl.gz events.jsonl", "a new"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			for name, text := range test.left {
				if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(t, open(t, folder, 0), "new")
			expect(t, folder, test.wantNames, test.wanted)
		})
	}
}

func TestManyWriteAtOnce(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, 100)
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			for j := range 10 {
				write(t, s, fmt.Sprintf("%d-%d", i, j))
			}
		})
	}
	writers.Wait()
	_, lines := read(t, folder)
	next := map[string]int{}
	for _, l := range lines {
		writer, n, _ := strings.Cut(l, "-")
		if n != fmt.Sprint(next[writer]) {
			t.Fatalf("%s comes after %d lines of its writer", l, next[writer])
		}
		next[writer]++
	}
	if len(lines) != 80 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestNoFolder(t *testing.T) {
	name := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Open(file.Options{Folder: name}); err == nil {
		t.Error("a file is a folder")
	}
}

// TestFilesAreRewritten: lines change and go in every file, packed ones and the current one included, and a file
// in which nothing changes is left alone. What a crash left of an earlier attempt goes.
func TestFilesAreRewritten(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, 8)
	for _, line := range []string{"one", "keep me", "two", "three"} {
		write(t, s, line)
	}
	left := filepath.Join(folder, "events-000001.jsonl.gz.tmp")
	if err := os.WriteFile(left, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(folder, "events-000002.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := s.Rewrite(t.Context(), func(line []byte) []byte {
			switch string(line) {
			case "one":
				return []byte("longer than one")
			case "three":
				return nil
			}
			return line
		})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, folder, "events-000001.jsonl.gz events-000002.jsonl.gz events-000003.jsonl.gz events-000004.jsonl.gz events.jsonl", "longer than one keep me two")
	}
	after, err := os.Stat(filepath.Join(folder, "events-000002.jsonl.gz"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("a file without a change was replaced: %v", err)
	}
	write(t, s, "four")
	expect(t, folder, "events-000001.jsonl.gz events-000002.jsonl.gz events-000003.jsonl.gz events-000004.jsonl.gz events.jsonl", "longer than one keep me two four")
}
