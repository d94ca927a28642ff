package bus

import (
	"context"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Log hands out the events of an app instance's log in order; store.Cursor is one.
type Log interface {
	// Poll returns the events that are there, or else a channel that is closed when there may be more.
	Poll() (events []*chime.Event, wake <-chan struct{}, err error)
	Close()
}

// Stream hands out the events of a log and ephemeral events in one order: a message comes after the
// events of the log up to its position, and before every event whose transaction began after the
// message was published. It belongs to one goroutine.
type Stream struct {
	log  Log
	live Subscription

	at    uint64    // position of the latest event of the log that was handed out
	held  []Message // whose turn has not come
	since time.Time // when the first of them came
}

const (
	// maxHold is how long a message waits for the events of the log that it follows. A log that is read
	// in this process has them at once, one of another node as soon as it has caught up.
	maxHold = time.Second
	// maxHeld bounds the messages that wait.
	maxHeld = 1024
)

// NewStream joins a log, which is read from the position on, with a subscription that was made before.
func NewStream(log Log, after uint64, live Subscription) *Stream {
	return &Stream{log: log, live: live, at: after}
}

// Close closes the log and the subscription.
func (s *Stream) Close() {
	s.log.Close()
	s.live.Close()
}

// Next waits for the next events and returns at least one, or ctx's error, or that of the log. What is
// there is returned even when ctx has ended. The events of the log are shared and must not be changed.
func (s *Stream) Next(ctx context.Context) ([]*chime.Event, error) {
	for {
		events, more, err := s.log.Poll()
		if err != nil {
			return nil, err
		}

		// The log comes first: what was published before an event of its was appended is here by now.
		var wake <-chan struct{}
		if len(s.held) < maxHeld {
			var came []Message
			came, wake = s.live.Poll()
			s.hold(came)
		}
		if merged := s.merge(events); len(merged) > 0 {
			return merged, nil
		}
		if err := s.wait(ctx, more, wake); err != nil {
			return nil, err
		}
	}
}

func (s *Stream) hold(came []Message) {
	if len(came) == 0 {
		return
	}
	if len(s.held) == 0 {
		s.since = time.Now()
	}
	s.held = append(s.held, came...)
}

// wait waits until there may be something to hand out.
func (s *Stream) wait(ctx context.Context, more, wake <-chan struct{}) error {
	var late <-chan time.Time
	if len(s.held) > 0 {
		timer := time.NewTimer(time.Until(s.since.Add(maxHold)))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-more:
	case <-wake:
	case <-late:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// merge puts the messages whose turn has come between the events of the log.
func (s *Stream) merge(events []*chime.Event) []*chime.Event {
	end := s.at
	if len(events) > 0 {
		end = events[len(events)-1].Position
	}
	ready := s.ready(end)
	if len(ready) == 0 {
		s.at = end
		return events
	}

	merged := make([]*chime.Event, 0, len(events)+len(ready))
	rest := events
	for _, m := range ready {
		for len(rest) > 0 && rest[0].Position <= m.After {
			s.at = rest[0].Position
			merged, rest = append(merged, rest[0]), rest[1:]
		}
		for _, e := range m.Events {
			merged = append(merged, s.place(e, rest))
		}
	}
	s.at = end
	return append(merged, rest...)
}

// ready takes the messages that belong before the end of the log, or that have waited long enough. One
// that waits holds up those that were published after it.
func (s *Stream) ready(end uint64) []Message {
	n := 0
	for n < len(s.held) && s.held[n].After <= end {
		n++
	}
	if n == 0 && len(s.held) > 0 && time.Since(s.since) >= maxHold {
		n = len(s.held)
	}
	ready := s.held[:n:n]
	if s.held = s.held[n:]; n > 0 {
		s.since = time.Now()
	}
	return ready
}

// place gives an ephemeral event the position of the event before it, and takes its content away when an
// event that is about to follow removes it.
func (s *Stream) place(e *chime.Event, rest []*chime.Event) *chime.Event {
	own := *e // others get it too
	own.Position = s.at
	for _, later := range rest {
		if later.Removes() && later.Withdraws(&own) {
			own.Payload = nil
		}
	}
	return &own
}
