package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/ops/logfile"
)

// Batch is lines of an audit log that are sent at once.
type Batch struct {
	// Log names the log: the batches of one are in order.
	Log string
	// Key is the same each time the batch is sent: Log, a slash and its number in the log, from 1.
	Key string
	// Data is a JSON object without line breaks: Records, which are the lines as in a log file of CloudTrail, and Key.
	Data []byte
}

// Sink is where batches go.
type Sink interface {
	// Send returns when the batch is safe at the other end.
	Send(ctx context.Context, b Batch) error
}

// Bounds of a Shipper.
const (
	maxBatch     = 256 << 10   // bytes of lines, unless one has more: sinks take a MiB or less
	shipInterval = time.Second // between two looks for lines
	lastPass     = 3 * time.Second
)

// ShipperOptions are those of a Shipper. All but Log are required.
type ShipperOptions struct {
	File *logfile.File // the audit log, opened with a Backlog; it stays open until Run has returned
	// State is the path of the file in which the shipper keeps what it has sent.
	State  string
	Sink   Sink
	Random io.Reader    // safe for concurrent use
	Log    *slog.Logger // nil discards
	Now    func() time.Time
}

// Shipper sends the lines of the file to a sink, a second after they were written: each at least once, in their
// order. It makes no call wait. Its methods are safe for concurrent use.
type Shipper struct {
	o       ShipperOptions
	tail    *logfile.Tail
	outage  *outage
	backoff follow.Backoff
	state   state // of Run alone
	buffer  []byte

	mu    sync.Mutex
	at    logfile.Position // of state
	stats ShipStats
}

// ShipStats are what a Shipper counts.
type ShipStats struct {
	Behind   int64  // bytes that were not sent yet
	Sent     uint64 // lines
	Failures uint64 // attempts
	Skipped  uint64 // lines that are not whole
	GivenUp  uint64 // parts that were removed or taken away before they were sent
}

// NewShipper makes a Shipper, which goes on where the one before it was. The first one begins with the current
// part of the file.
func NewShipper(o ShipperOptions) (*Shipper, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	tail, err := o.File.Tail()
	if err != nil {
		return nil, err
	}
	s := &Shipper{
		o: o, tail: tail, buffer: make([]byte, maxBatch),
		outage:  newOutage(o.Log, o.Now, "the audit log cannot be sent to its sink, will retry", "the audit log is sent to its sink again"),
		backoff: follow.Backoff{First: time.Second, Most: 30 * time.Second, Random: o.Random},
	}
	if s.state, err = readState(o.State, o.Random, tail); err != nil {
		return nil, err
	}
	if err := s.keep(); err != nil {
		return nil, err
	}
	return s, nil
}

// Stats returns the counts.
func (s *Shipper) Stats() ShipStats {
	s.mu.Lock()
	stats, at := s.stats, s.at
	s.mu.Unlock()
	stats.Failures, _ = s.outage.state()
	stats.GivenUp += s.tail.GivenUp()
	if behind, err := s.tail.Behind(at); err == nil {
		stats.Behind = behind
	}
	return stats
}

// Err is why lines cannot be sent at the moment, nil when they can.
func (s *Shipper) Err() error {
	_, err := s.outage.state()
	return err
}

// Run sends lines until ctx ends, and then what is left, as far as the sink takes it at once. It returns nil.
func (s *Shipper) Run(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		sent, err := s.ship(ctx)
		switch {
		case ctx.Err() != nil: // the last pass sends it again
		case err != nil:
			failures++
			s.outage.note(err)
			follow.Sleep(ctx, s.backoff.Wait(failures))
		default:
			failures = 0
			s.outage.note(nil)
			if !sent {
				follow.Sleep(ctx, shipInterval)
			}
		}
	}

	// What is not sent now is sent after the next start.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastPass)
	defer cancel()
	for last.Err() == nil {
		if sent, err := s.ship(last); err != nil || !sent {
			break
		}
	}
	return s.tail.Close()
}

// ship sends one batch, and reports whether there was one.
func (s *Shipper) ship(ctx context.Context) (sent bool, err error) {
	lines, next, err := s.next()
	if err != nil || len(lines) == 0 {
		return false, err
	}

	// The batch is fixed before it is sent: after a crash the same is sent under the same key. Its lines are on the
	// disk by then, so that no loss of power takes what was sent from the file.
	batch, records := s.batch(lines)
	if records > 0 {
		if err := s.o.File.Sync(); err != nil {
			return false, err
		}
		if s.state.Sending == 0 {
			s.state.Sending = len(lines)
			if err := s.keep(); err != nil {
				s.state.Sending = 0
				return false, err
			}
		}
		if err := s.o.Sink.Send(ctx, batch); err != nil {
			return false, err
		}
		s.state.Number++
	}

	// From here on it is not sent again.
	s.state.Position, s.state.Sending = next, 0
	s.mu.Lock()
	s.stats.Sent += uint64(records)
	s.mu.Unlock()
	return true, s.keep()
}

// next reads the lines of the batch under way, or else of a new one, which begins at the state's position.
func (s *Shipper) next() (lines []byte, next logfile.Position, err error) {
	from, buffer := s.state.Position, s.buffer
	if n := s.state.Sending; n > len(buffer) {
		buffer = make([]byte, n)
	} else if n > 0 {
		buffer = buffer[:n]
	}
	lines, next, err = s.tail.Read(from, buffer)
	gone := errors.Is(err, logfile.ErrGone)
	if err != nil && !gone {
		return nil, next, err
	}
	if gone {
		s.mu.Lock()
		s.stats.GivenUp++
		s.mu.Unlock()
		s.o.Log.Error("lines of the audit log were not sent, because another program renamed, emptied or removed a part of it")
	}

	// Its lines are gone when they are not where they were. Its key is not for others.
	if n := s.state.Sending; n > 0 && (gone || next.After != from.After || next.Offset != from.Offset+int64(n)) {
		s.state.Number, s.state.Sending = s.state.Number+1, 0
		if !gone {
			return s.next()
		}
	}
	begin := next
	if begin.Offset -= int64(len(lines)); begin.Offset == 0 {
		begin.First = ""
	}
	if begin == from {
		return lines, next, nil
	}
	s.state.Position = begin
	return lines, next, s.keep()
}

// keep writes the state, and then lets go of what it does not need.
func (s *Shipper) keep() error {
	if err := s.state.write(s.o.State); err != nil {
		return err
	}
	s.mu.Lock()
	s.at = s.state.Position
	s.mu.Unlock()
	s.tail.Keep(s.at)
	return nil
}

// batch makes the batch of lines, and says how many they are. It leaves out what is no whole line.
func (s *Shipper) batch(lines []byte) (b Batch, records int) {
	b = Batch{Log: s.state.Log, Key: fmt.Sprintf("%s/%d", s.state.Log, s.state.Number)}
	b.Data = append(make([]byte, 0, len(lines)+128), `{"Records":[`...)
	skipped := uint64(0)
	for line := range bytes.Lines(lines) {
		line = bytes.TrimSpace(line)
		if !json.Valid(line) {
			skipped++
			continue
		}
		if records++; records > 1 {
			b.Data = append(b.Data, ',')
		}
		b.Data = append(b.Data, line...)
	}
	b.Data = append(append(append(b.Data, `],"Key":"`...), b.Key...), `"}`...)

	// They are counted once, when the batch is made and not when it is tried again.
	if skipped > 0 && s.state.Sending == 0 {
		s.mu.Lock()
		s.stats.Skipped += skipped
		s.mu.Unlock()
		s.o.Log.Warn("lines of the audit log that are cut off are not sent", "lines", skipped)
	}
	return b, records
}
