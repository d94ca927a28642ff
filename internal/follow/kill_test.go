package follow_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// The test's program run with this in its environment is a process to be killed.
const childDir = "CARILLON_TEST_FOLLOW"

func isChild() bool { return os.Getenv(childDir) != "" }

// kills is how often the process is killed, channels how many it writes to.
const kills, channels = 50, 5

// child appends events from one goroutine and handles them by a follower that writes each to a file, with
// a sync for each batch, until it is killed. It prints each position that is written to the file.
func child() {
	dir := os.Getenv(childDir)
	s, err := pebble.Open(filepath.Join(dir, "store"), pebble.Options{})
	check(err)
	check(s.Update(context.Background(), "a", func(tx store.Tx) error {
		return store.AppInstances.Put(tx, store.K("a"), chime.AppInstance{ID: "a"})
	}))
	check(s.Update(context.Background(), "", func(tx store.Tx) error {
		return store.AppInstancesInOrder.Put(tx, store.Key(nil).Num(1), "a")
	}))
	handled, err := os.OpenFile(filepath.Join(dir, "handled"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	check(err)

	runner, err := follow.New(follow.Options{Store: s, Log: slog.New(slog.DiscardHandler), Random: rand.Reader},
		follow.Follower{Name: "f", BatchEvents: 7, Handle: func(_ context.Context, _ string, events []*chime.Event) error {
			for _, e := range events {
				fmt.Fprintln(handled, e.Position, e.Channel)
			}
			err := handled.Sync()
			fmt.Println(events[len(events)-1].Position)
			return err
		}})
	check(err)
	go func() { check(runner.Run(context.Background())) }()
	for n := 0; ; n++ {
		check(s.Update(context.Background(), "a", func(tx store.Tx) error {
			for i := range 1 + n%4 {
				topic := chime.Topic{App: "a", Channel: fmt.Sprint("c", (n+i)%channels)}
				if _, err := tx.Append(chime.Event{Type: chime.EventUpdateChannel, Topic: topic}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// A follower whose process is killed at any moment skips nothing, and handles each channel's events in
// their order.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	for run := range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if strings.Trim(lines.Text(), "0123456789") != "" {
				t.Errorf("run %d: %s", run, lines.Text())
			}
			if n == 3+run%10 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.FailNow()
		}
	}
	expectHandled(t, dir)
}

// expectHandled compares what was handled with the log, up to the follower's position.
func expectHandled(t *testing.T, dir string) {
	t.Helper()
	s, err := pebble.Open(filepath.Join(dir, "store"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var events []*chime.Event
	var record chime.Following
	err = s.View(t.Context(), "a", func(r store.Reader) (err error) {
		if record, _, err = store.Followings.Get(r, store.K("a", "f")); err != nil {
			return err
		}
		events, err = store.ReadEvents(r, "a", 0, int(record.Position))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	// The first time that each event was handled, in order, by channel.
	text, err := os.ReadFile(filepath.Join(dir, "handled"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	handled, seen := map[string][]uint64{}, map[uint64]int{}
	for _, line := range lines {
		var position uint64
		var channel string
		if n, _ := fmt.Sscan(line, &position, &channel); n != 2 {
			continue // the end of a line was lost with the process
		}
		if seen[position]++; seen[position] == 1 {
			handled[channel] = append(handled[channel], position)
		}
	}
	want := map[string][]uint64{}
	for _, e := range events {
		want[e.Channel] = append(want[e.Channel], e.Position)
	}
	if len(want) != channels {
		t.Errorf("events in %d channels", len(want))
	}
	for channel, positions := range want {
		if got := handled[channel]; len(got) < len(positions) || !slices.Equal(got[:len(positions)], positions) {
			t.Errorf("%s: %d of %d events were handled, or not in their order", channel, len(got), len(positions))
		}
	}
	t.Logf("%d events handled %d times over %d kills", record.Position, len(lines), kills)
}
