package nats

import "sync/atomic"

// counts are what Stats reports.
type counts struct {
	disconnects, sentBytes atomic.Uint64
	sent, received         byKind
	lost                   losses
	subjects               atomic.Int64
}

// byKind counts messages.
type byKind struct{ live, log atomic.Uint64 }

func (c *byKind) of(k kind) *atomic.Uint64 {
	if k == kindLog {
		return &c.log
	}
	return &c.live
}

func (c *byKind) load() map[string]uint64 {
	return map[string]uint64{string(kindLive): c.live.Load(), string(kindLog): c.log.Load()}
}

// losses counts messages that are lost, by the reason.
type losses struct {
	queue     atomic.Uint64 // the queue before the connection was full
	away      atomic.Uint64 // there was no connection
	size      atomic.Uint64 // it was larger than NATS takes
	slow      atomic.Uint64 // this node did not handle them fast enough: how many times, each of several
	malformed atomic.Uint64 // it could not be read
}

// Stats are figures of a Bus since it was opened.
type Stats struct {
	Connected   bool
	Disconnects uint64
	// Sent and Received are messages by what they carry: live or log.
	Sent, Received map[string]uint64
	SentBytes      uint64
	// Lost are messages by the reason: queue, away, size, slow or malformed.
	Lost map[string]uint64
	// Waiting is what waits for the connection, in calls and bytes.
	Waiting, WaitingBytes int
	// Subjects are those that the node receives.
	Subjects int
}

// Stats reads the figures.
func (b *Bus) Stats() Stats {
	c := &b.counts
	s := Stats{
		Connected: b.conn.IsConnected(), Disconnects: c.disconnects.Load(), SentBytes: c.sentBytes.Load(), Subjects: int(c.subjects.Load()),
		Sent: c.sent.load(), Received: c.received.load(),
		Lost: map[string]uint64{
			"queue": c.lost.queue.Load(), "away": c.lost.away.Load(), "size": c.lost.size.Load(), "slow": c.lost.slow.Load(),
			"malformed": c.lost.malformed.Load(),
		},
	}
	s.Waiting, s.WaitingBytes = b.out.depth()
	return s
}
