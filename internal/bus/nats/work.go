package nats

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// confirmTimeout is how long NATS may take to say that it knows what is of interest.
	confirmTimeout = 5 * time.Second
	// farewell is how long Close waits for what is sent.
	farewell = time.Second
)

// send sends what waits, until Close.
func (b *Bus) send() {
	defer close(b.sent)
	subjects := make(map[string]*nats.Subscription)
	encoder := encoder{origin: b.origin}
	for parcels := []parcel(nil); ; {
		<-b.out.wake
		var interest map[string]bool
		var closed bool
		parcels, interest, closed = b.out.take(parcels)

		b.subscribe(subjects, interest)
		for i := range parcels {
			b.transmit(&encoder, &parcels[i])
		}
		if closed {
			if b.conn.IsConnected() {
				_ = b.conn.FlushTimeout(farewell) // what is lost is found in the log
			}
			return
		}
	}
}

// transmit sends a parcel, or loses it.
func (b *Bus) transmit(e *encoder, p *parcel) {
	k := kindLive
	if len(p.logged) > 0 {
		k = kindLog
	}
	to := subject(b.prefix, k, p.app)

	most := maxSize
	if n := b.conn.MaxPayload(); n > 0 {
		most = int(min(n, maxSize))
	}
	lost := e.encode(p, most, func(frame []byte) {
		switch err := b.conn.Publish(to, frame); {
		case err == nil:
			b.counts.sent.of(k).Add(1)
			b.counts.sentBytes.Add(uint64(len(frame)))
		case errors.Is(err, nats.ErrMaxPayload): // of a server that was changed to just now
			b.counts.lost.size.Add(1)
		default:
			b.counts.lost.away.Add(1)
		}
	})
	b.counts.lost.size.Add(uint64(lost))
}

// subscribe makes the subjects those that are of interest.
func (b *Bus) subscribe(subjects map[string]*nats.Subscription, interest map[string]bool) {
	var logs []string // that were added
	for name, on := range interest {
		before := subjects[name]
		switch {
		case on && before == nil:
			sub, err := b.conn.ChanSubscribe(name, b.in)
			if err != nil {
				b.logger.Warn("cannot subscribe at NATS", "subject", name, "error", err)
				continue
			}
			subjects[name] = sub
			if k, app, ok := parseSubject(b.prefix, name); ok && k == kindLog {
				logs = append(logs, app)
			}
		case !on && before != nil:
			_ = before.Unsubscribe() // fails for a closed connection, which has no subscriptions
			delete(subjects, name)
		}
	}
	b.counts.subjects.Store(int64(len(subjects)))

	// Nothing that is committed after the server knows of the interest is missed; before, it may be.
	if len(logs) > 0 && b.conn.IsConnected() {
		b.work.Go(func() {
			if b.conn.FlushTimeout(confirmTimeout) == nil {
				b.behind(logs...)
			}
		})
	}
}

// receive handles what comes, until Close.
func (b *Bus) receive() {
	for {
		select {
		case m := <-b.in:
			b.handle(m)
		case <-b.end:
			return
		}
	}
}

func (b *Bus) handle(m *nats.Msg) {
	k, app, ok := parseSubject(b.prefix, m.Subject)
	if !ok {
		return
	}
	f, err := decode(app, m.Data)
	switch {
	case err != nil:
		b.counts.lost.malformed.Add(1)
		if k == kindLog {
			b.behind(app)
		}
		return
	case f.origin == b.origin: // sent before a reconnect, so that NATS does not know whose it is
		return
	}

	b.counts.received.of(k).Add(1)
	switch {
	case k == kindLive:
		b.local.Deliver(app, f.message())
	case len(f.events) == 0:
		b.behind(app)
	default:
		if log := b.attached(); log != nil {
			log.Announced(app, f.logged())
		}
	}
}
