package pebble

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// The test's program run with these in its environment is a process to be killed.
const (
	childDir = "CARILLON_TEST_STORE"
	childRun = "CARILLON_TEST_RUN"
)

func childCommand(dir string, run int) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childRun+"="+fmt.Sprint(run))
	return cmd
}

// child appends from 16 goroutines until it is killed, and prints what was acknowledged.
func child(dir, run string) {
	s, err := Open(dir, Options{memTableSize: 256 << 10})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	done := make(chan error)
	for worker := range 16 {
		go func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("%s/%d/%d", run, worker, n)
				position, err := appendNamed(s, name)
				if err != nil {
					done <- err
					return
				}
				if _, err := fmt.Println(position, name); err != nil { // one write of one line
					done <- err
					return
				}
			}
		}()
	}
	fmt.Println(<-done)
	os.Exit(1)
}

func appendNamed(s *Store, name string) (position uint64, err error) {
	err = s.Update(context.Background(), "", func(tx store.Tx) error {
		if position, err = tx.Append(chime.Event{Type: "t", Payload: []byte(name)}); err != nil {
			return err
		}
		return tx.Put(table, store.K(name), fmt.Append(nil, position))
	})
	return position, err
}

// A process killed at any moment loses nothing that it acknowledged.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]string{} // name to position
	for run := range 10 {
		cmd := childCommand(dir, run)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, limit := bufio.NewScanner(out), 100+rand.IntN(700)
		for n := 0; lines.Scan(); n++ {
			position, name, ok := strings.Cut(lines.Text(), " ")
			if !ok || strings.Count(name, "/") != 2 {
				t.Errorf("run %d: %s", run, lines.Text())
			}
			acknowledged[name] = position
			if n == limit {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		expectAcknowledged(t, dir, acknowledged)
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d acknowledged in 10 runs", len(acknowledged))
}

func expectAcknowledged(t *testing.T, dir string, acknowledged map[string]string) {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	names := map[string]string{} // position to name, of the log
	var last uint64
	err = s.View(context.Background(), "", func(r store.Reader) (err error) {
		for name, position := range acknowledged {
			if value, err := r.Get(table, store.K(name)); string(value) != position || err != nil {
				t.Errorf("%s was acknowledged at %s, found %q, %v", name, position, value, err)
			}
		}
		last, err = r.Position()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := s.Follow("", 0)
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(0); n < last; {
		events, err := cursor.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if n++; e.Position != n {
				t.Fatalf("event %d came after %d", e.Position, n-1)
			}
			names[fmt.Sprint(n)] = string(e.Payload)
		}
	}
	for name, position := range acknowledged {
		if names[position] != name {
			t.Errorf("the log has %q at %s, acknowledged was %s", names[position], position, name)
		}
	}
}
