package nats

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/ops"
)

// Log takes what other nodes announce of logs. Its methods are safe for concurrent use and must not block
// for long, because the next message waits.
type Log interface {
	// Announced takes events of a log, which follow one another and are committed. It keeps them.
	Announced(app string, events []chime.Event)
	// Behind says that a log may have more than was announced.
	Behind(app string)
}

// Bus is a bus.Bus, and carries announcements of logs.
type Bus struct {
	prefix string
	logger *slog.Logger
	lines  *ops.Sampler // of the logger
	conn   *nats.Conn
	local  *bus.Subscriptions
	out    *outgoing
	in     chan *nats.Msg
	origin uint64
	counts counts

	mu       sync.Mutex
	log      Log             // nil until Attach
	followed map[string]bool // logs that are of interest here

	end     chan struct{} // closed by Close
	sent    chan struct{} // closed when nothing more is sent
	closing sync.Once
	work    sync.WaitGroup
}

var _ bus.Bus = (*Bus)(nil)

// maxIncoming bounds the messages that were received and not handled yet.
const maxIncoming = 1024

// Open begins to connect, which goes on for as long as it takes, also after the connection is lost. It fails
// when the options cannot be used.
func Open(o Options) (*Bus, error) {
	var origin [8]byte
	if _, err := rand.Read(origin[:]); err != nil {
		return nil, err
	}
	b := &Bus{
		prefix: o.Prefix, logger: o.Logger, lines: ops.NewSampler(logInterval, time.Now), out: newOutgoing(), in: make(chan *nats.Msg, maxIncoming),
		origin: binary.BigEndian.Uint64(origin[:]), followed: make(map[string]bool),
		end: make(chan struct{}), sent: make(chan struct{}),
	}
	b.local = bus.NewSubscriptions(func(app string, on bool) { b.out.want(subject(b.prefix, kindLive, app), on) })
	if err := b.connect(o); err != nil {
		return nil, err
	}
	b.work.Go(b.send)
	b.work.Go(b.receive)
	return b, nil
}

// Attach names what takes the announcements of other nodes. It is called once, before Interest.
func (b *Bus) Attach(log Log) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = log
}

// Close sends what waits, for some seconds at most, and ends the connection. Subscriptions of this process go
// on. It may be called again.
func (b *Bus) Close() error {
	b.closing.Do(func() {
		b.out.close()
		<-b.sent
		close(b.end)
		b.conn.Close()
		b.work.Wait()
	})
	return nil
}

// Publish implements bus.Bus.
func (b *Bus) Publish(app string, after uint64, events ...chime.Event) {
	if len(events) == 0 {
		return
	}
	own := bus.Own(events)
	b.local.Deliver(app, bus.Message{After: after, Events: own})
	b.put(parcel{app: app, position: after, live: own})
}

// Subscribe implements bus.Bus. What other nodes publish comes from the moment in which NATS knows of the
// first subscription of the app instance.
func (b *Bus) Subscribe(app string) bus.Subscription { return b.local.Subscribe(app) }

// Announce sends events that were committed to a log, and follow one another, to the other nodes. They must
// not change afterwards.
func (b *Bus) Announce(app string, events []chime.Event) {
	if len(events) > 0 {
		b.put(parcel{app: app, position: events[0].Position, logged: events})
	}
}

func (b *Bus) put(p parcel) {
	if lost := b.out.add(p); lost > 0 {
		b.counts.lost.queue.Add(uint64(lost))
	}
}

// Interest says whether announcements of a log are wanted. When NATS knows of it the log's Behind is called,
// since there may have been some before.
func (b *Bus) Interest(app string, on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if on {
		b.followed[app] = true
	} else {
		delete(b.followed, app)
	}
	b.out.want(subject(b.prefix, kindLog, app), on)
}

// Degraded is why other nodes are not reached at present, nil when they are: what they commit has to be read
// from the log.
func (b *Bus) Degraded() error {
	if b.conn.IsConnected() {
		return nil
	}
	err := b.conn.LastError()
	if err == nil {
		err = nats.ErrDisconnected
	}
	return fmt.Errorf("no connection to NATS: %w", err)
}

// attached is what takes announcements, nil before Attach.
func (b *Bus) attached() Log {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log
}

// behind calls Behind for logs.
func (b *Bus) behind(apps ...string) {
	log := b.attached()
	if log == nil {
		return
	}
	for _, app := range apps {
		log.Behind(app)
	}
}
