package audit_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/audit"
	"github.com/carillon-chat/carillon/internal/ops/logfile"
)

// siem is a sink that can be away. It notes the keys and the lines that it got, those too that came again.
type siem struct {
	mu    sync.Mutex
	away  bool
	keys  []string
	lines []string
	taken func() // is called when a batch is safe, before the shipper knows; nil does nothing
}

func (s *siem) Send(_ context.Context, b audit.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errors.New("no route")
	}
	var got struct {
		Records []struct{ N string }
		Key     string
	}
	if err := json.Unmarshal(b.Data, &got); err != nil || got.Key != b.Key || !strings.HasPrefix(b.Key, b.Log+"/") || strings.Contains(string(b.Data), "\n") {
		return fmt.Errorf("batch %s is %s: %w", b.Key, b.Data, err)
	}
	s.keys = append(s.keys, strings.TrimPrefix(b.Key, b.Log))
	for _, r := range got.Records {
		s.lines = append(s.lines, r.N)
	}
	if s.taken != nil {
		s.taken()
	}
	return nil
}

func (s *siem) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// take returns the keys and lines since the last call.
func (s *siem) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprint(s.keys, " ", s.lines)
	s.keys, s.lines = nil, nil
	return text
}

// yard is an audit file with what sends it.
type yard struct {
	t       *testing.T
	o       logfile.Options
	file    *logfile.File
	sink    *siem
	shipper *audit.Shipper
	cancel  context.CancelFunc
	ended   chan error
}

func newYard(t *testing.T, o logfile.Options) *yard {
	o.Path, o.Backlog = filepath.Join(t.TempDir(), "audit.log"), max(o.Backlog, 1)
	y := &yard{t: t, o: o, sink: new(siem)}
	y.start()
	return y
}

func (y *yard) must(err error) {
	y.t.Helper()
	if err != nil {
		y.t.Fatal(err)
	}
}

func (y *yard) state() string { return y.o.Path + ".sent" }

func (y *yard) start() {
	y.t.Helper()
	var err error
	y.file, err = logfile.Open(y.o)
	y.must(err)
	y.shipper, err = audit.NewShipper(audit.ShipperOptions{File: y.file, State: y.state(), Sink: y.sink, Random: rand.Reader, Now: time.Now})
	y.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	y.cancel, y.ended = cancel, make(chan error, 1)
	go func() { y.ended <- y.shipper.Run(ctx) }()
	synctest.Wait()
}

func (y *yard) stop() {
	y.t.Helper()
	y.cancel()
	y.must(<-y.ended)
	y.must(y.file.Close())
}

// write writes lines that say so.
func (y *yard) write(names ...string) {
	y.t.Helper()
	for _, name := range names {
		_, err := fmt.Fprintf(y.file, "{\"N\":%q}\n", name)
		y.must(err)
	}
}

// pass lets a time pass.
func (y *yard) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (y *yard) expect(want string) {
	y.t.Helper()
	if got := y.sink.take(); got != want {
		y.t.Errorf("the sink got %s, want %s", got, want)
	}
}

// TestLinesAreSent: a second after they were written, also over a restart, and at a stop at once.
func TestLinesAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, logfile.Options{})
		y.write("a", "b")
		y.pass(time.Second)
		y.expect("[/1] [a b]")
		y.write("c")
		y.stop()
		y.expect("[/2] [c]")
		y.start()
		y.pass(time.Minute)
		y.expect("[] []")
		y.write("d")
		y.pass(time.Second)
		y.expect("[/3] [d]")
		y.stop()
		if s := y.shipper.Stats(); s.Sent != 1 || s.Failures != 0 || s.Behind != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestAKillBetweenTheSinkAndTheState: what the sink has is sent again under the same key and with the same lines, although
// more were written since.
func TestAKillBetweenTheSinkAndTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, logfile.Options{})
		y.write("a")
		y.pass(time.Second)
		var killed []byte
		y.sink.taken = func() {
			var err error
			killed, err = os.ReadFile(y.state())
			y.must(err)
		}
		y.write("b", "c")
		y.pass(time.Second)
		y.sink.taken = nil
		y.expect("[/1 /2] [a b c]")
		y.stop()

		y.must(os.WriteFile(y.state(), killed, 0o600))
		file, err := logfile.Open(y.o)
		y.must(err)
		_, err = file.Write([]byte("{\"N\":\"d\"}\n"))
		y.must(err)
		y.must(file.Close())
		y.start()
		y.pass(time.Second)
		y.expect("[/2 /3] [b c d]")
		y.stop()
	})
}

// TestASinkThatIsAway: lines are written meanwhile into part after part, and all arrive in order afterwards.
func TestASinkThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, logfile.Options{MaxBytes: 30, Keep: 1, Backlog: 1 << 20})
		y.sink.set(true)
		var all []string
		for i := range 12 {
			all = append(all, fmt.Sprint(i))
			y.write(all[i])
			y.pass(5 * time.Minute)
		}
		if s := y.shipper.Stats(); s.Behind != int64(10*len(`{"N":"0"}`+"\n")+2*len(`{"N":"10"}`+"\n")) || s.Failures == 0 || s.Sent != 0 || y.shipper.Err() == nil {
			t.Errorf("%+v, %v", s, y.shipper.Err())
		}
		y.stop()
		y.start() // a restart in between
		y.sink.set(false)
		y.pass(time.Minute)
		y.sink.mu.Lock()
		if got := y.sink.lines; !slices.Equal(got, all) {
			t.Errorf("the sink got %s", got)
		}
		y.sink.mu.Unlock()
		if s := y.shipper.Stats(); s.Behind != 0 || s.Sent != 12 || s.GivenUp != 0 || y.shipper.Err() != nil {
			t.Errorf("%+v, %v", s, y.shipper.Err())
		}
		y.stop()
		if parts, _ := filepath.Glob(filepath.Join(filepath.Dir(y.o.Path), "audit-*")); len(parts) != 1 {
			t.Errorf("parts %s", parts)
		}
	})
}

// TestASinkThatIsAwayTooLong: the oldest parts are given up and counted, and the later ones arrive. The key of a batch
// that was tried is not for others.
func TestASinkThatIsAwayTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, logfile.Options{MaxBytes: 10, Keep: 1, Backlog: 20})
		y.sink.set(true)
		for i := range 6 {
			y.write(fmt.Sprint(i))
			y.pass(time.Minute)
		}
		y.sink.set(false)
		y.pass(time.Minute)
		y.expect("[/3 /4 /5 /6] [2 3 4 5]")
		if s := y.shipper.Stats(); s.GivenUp != 2 || s.Behind != 0 {
			t.Errorf("%+v", s)
		}
		y.stop()
	})
}

// TestCutOffLines: what a crash left of a line is not sent, and counted.
func TestCutOffLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, logfile.Options{})
		y.write("a")
		y.stop()
		text, err := os.ReadFile(y.o.Path)
		y.must(err)
		y.must(os.WriteFile(y.o.Path, append(text, `{"N":"b`...), 0o600))
		y.start()
		y.pass(time.Second)
		y.write("c")
		y.pass(time.Second)
		y.expect("[/1 /2] [a c]")
		if s := y.shipper.Stats(); s.Skipped != 1 || s.Behind != 0 {
			t.Errorf("%+v", s)
		}
		y.stop()
	})
}

// TestAFileThatIsRenamed by another program while the sink is away is counted, and the new one is sent.
func TestAFileThatIsRenamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newYard(t, logfile.Options{})
		y.write("a")
		y.pass(time.Second)
		y.sink.set(true)
		y.write("b")
		y.pass(time.Second)
		y.must(os.Rename(y.o.Path, y.o.Path+".1"))
		y.must(y.file.Reopen())
		y.write("c")
		y.sink.set(false)
		y.pass(time.Minute)
		y.expect("[/1 /3] [a c]")
		if s := y.shipper.Stats(); s.GivenUp != 1 {
			t.Errorf("%+v", s)
		}
		y.stop()
	})
}

// TestTheFirstShipper begins with the current part, and one whose state is damaged does not begin.
func TestTheFirstShipper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := logfile.Options{Path: filepath.Join(t.TempDir(), "audit.log"), MaxBytes: 10}
		y := &yard{t: t, o: o, sink: new(siem)}
		var err error
		y.file, err = logfile.Open(o)
		y.must(err)
		y.write("a", "b")
		synctest.Wait()
		y.must(y.file.Close())
		y.o.Backlog = 1
		y.start()
		y.pass(time.Second)
		y.expect("[/1] [b]")
		y.stop()

		y.must(os.WriteFile(y.state(), []byte(`{"Log":`), 0o600))
		y.file, err = logfile.Open(y.o)
		y.must(err)
		defer y.file.Close()
		_, err = audit.NewShipper(audit.ShipperOptions{File: y.file, State: y.state(), Sink: y.sink, Random: rand.Reader, Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), y.state()) {
			t.Errorf("got %v", err)
		}
	})
}
