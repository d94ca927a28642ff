package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/ops/logfile"
)

// Options of a Log. Site, Out and Random are required.
type Options struct {
	Site chime.Site
	Out  logfile.Writer
	// QueueBytes is how many bytes of lines may wait for the writer; zero means DefaultQueueBytes.
	QueueBytes int
	// Wait is how long a call waits for room in the queue; zero is not at all.
	Wait   time.Duration
	Now    func() time.Time // nil means time.Now
	Random io.Reader        // makes event ids, and is safe for concurrent use
	Log    *slog.Logger     // nil discards
}

// DefaultQueueBytes is room for some ten thousand lines.
const DefaultQueueBytes = 8 << 20

// The writer's times.
const (
	syncInterval  = time.Second // between what was written and its sync
	retryInterval = time.Second // after a failure
	logInterval   = 10 * time.Second
)

// Log is the audit log. It is safe for concurrent use.
type Log struct {
	o      Options
	outage *outage       // of the writer
	ready  chan struct{} // holds one token when there are lines

	mu      sync.Mutex
	queue   []byte
	lines   uint64        // in the queue
	room    chan struct{} // closed when the writer takes the queue
	stalled bool          // a call waited in vain since then
	lost    loss          // since then
	stats   Stats
}

// loss is how many lines had no room, and when the first and last of them came.
type loss struct {
	lines       uint64
	from, until time.Time
}

// Stats are what the log counts.
type Stats struct {
	Written, Lost uint64 // lines
	Waited        uint64 // lines that waited for room
	Failures      uint64 // of the writer
	QueuedBytes   int
}

// New makes a log. Lines wait until it runs.
func New(o Options) *Log {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = DefaultQueueBytes
	}
	const begun = "the audit log cannot be written, will retry; when its queue is full, lines are lost"
	l := &Log{o: o, outage: newOutage(o.Log, o.Now, begun, "the audit log is written again"), ready: make(chan struct{}, 1), room: make(chan struct{})}
	l.put(l.serviceLine("StartLogging", nil)) // while there is room: Run is what makes it
	return l
}

// Stats returns the counts.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.QueuedBytes = len(l.queue)
	s.Failures, _ = l.outage.state()
	return s
}

// Err is why lines cannot be written at the moment, nil when they can.
func (l *Log) Err() error {
	_, err := l.outage.state()
	return err
}

// put puts a line in the queue. It waits for room, no longer than Wait.
func (l *Log) put(line []byte) {
	var late <-chan time.Time
	for {
		l.mu.Lock()
		if len(l.queue)+len(line) <= l.o.QueueBytes {
			l.queue = append(l.queue, line...)
			l.lines++
			if late != nil {
				l.stats.Waited++
			}
			l.mu.Unlock()
			l.wake()
			return
		}
		if l.stalled || l.o.Wait <= 0 {
			l.lose()
			l.mu.Unlock()
			return
		}
		room, wait := l.room, l.o.Wait
		l.mu.Unlock()

		// The wait is one, however often the room is taken by others.
		if late == nil {
			late = time.After(wait)
		}
		select {
		case <-room:
		case <-late:
			l.mu.Lock()
			if room == l.room { // the writer did nothing all that time
				l.stalled = true
			}
			l.lose()
			l.mu.Unlock()
			return
		}
	}
}

// lose counts a line that has no room. The caller holds mu.
func (l *Log) lose() {
	now := l.o.Now()
	if l.lost.lines == 0 {
		l.lost.from = now
	}
	l.lost.lines, l.lost.until = l.lost.lines+1, now
	l.stats.Lost++
}

func (l *Log) wake() {
	select {
	case l.ready <- struct{}{}:
	default:
	}
}

// Run writes lines until ctx ends, and then those that are left. It fails when those cannot be written.
func (l *Log) Run(ctx context.Context) error {
	var batch []byte // that the queue gets when it is taken
	var due <-chan time.Time
	for {
		select {
		case <-l.ready:
			taken, lines := l.take(batch)
			if len(taken) > 0 && !l.write(ctx, taken, lines) {
				return l.finish(taken, lines)
			}
			batch = taken[:0]
			if due == nil {
				due = time.After(syncInterval)
			}
		case <-due:
			due = nil
			l.outage.note(l.o.Out.Sync())
		case <-ctx.Done():
			return l.finish(nil, 0)
		}
	}
}

// take empties the queue, which goes on with the given buffer. A line for those that had no room
// follows the others.
func (l *Log) take(buffer []byte) (taken []byte, lines uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken, lines = l.queue, l.lines
	if l.lost.lines > 0 {
		taken = append(taken, l.lossLine(l.lost)...)
		lines++
	}

	l.queue, l.lines, l.lost, l.stalled = buffer, 0, loss{}, false
	close(l.room)
	l.room = make(chan struct{})
	return taken, lines
}

// write writes a batch, however long it takes, and reports whether it did before ctx ended.
func (l *Log) write(ctx context.Context, batch []byte, lines uint64) bool {
	for {
		_, err := l.o.Out.Write(batch)
		l.outage.note(err)
		if err == nil {
			l.mu.Lock()
			l.stats.Written += lines
			l.mu.Unlock()
			return true
		}
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return false
		}
	}
}

// finish writes what is left, once: the batch under way, the queue, and that logging stops.
func (l *Log) finish(batch []byte, lines uint64) error {
	l.mu.Lock()
	l.o.Wait = 0
	l.mu.Unlock()
	rest, more := l.take(nil)
	batch = append(append(batch, rest...), l.serviceLine("StopLogging", nil)...)
	lines += more

	_, err := l.o.Out.Write(batch)
	if err = errors.Join(err, l.o.Out.Sync()); err == nil {
		l.mu.Lock()
		l.stats.Written += lines + 1
		l.mu.Unlock()
		return nil
	}
	return fmt.Errorf("%d lines of the audit log could not be written: %w", lines, err)
}
