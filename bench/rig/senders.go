//go:build linux

package rig

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a connection whose requests are answered one after the other.
type Conn interface {
	io.WriteCloser
	Answer() error // waits for the answer to the latest request, and fails unless that was a success
}

// Senders are connections over which requests are sent, one at a time over each.
type Senders struct{ conns []Conn }

// Work is what senders send. Its functions are called from several goroutines.
type Work struct {
	Most    int // requests
	Request func(i int) ([]byte, error)

	// Sent is called before a request is written, and Acked when its answer, a success, is there. due is
	// when the request was to be written. Sent may be nil.
	Sent, Acked func(i int, due time.Time)
}

// DialSenders opens so many keep-alive connections.
func DialSenders(addr string, count int) (*Senders, error) {
	return NewSenders(count, func(int) (Conn, error) { return DialHTTP(addr) })
}

// NewSenders opens so many connections.
func NewSenders(count int, dial func(i int) (Conn, error)) (*Senders, error) {
	s := &Senders{}
	for i := range count {
		c, err := dial(i)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.conns = append(s.conns, c)
	}
	return s, nil
}

// Close ends the connections.
func (s *Senders) Close() {
	for _, c := range s.conns {
		_ = c.Close()
	}
}

// Post sends one request over the first connection and waits for its answer.
func (s *Senders) Post(w Work, i int) error { return post(s.conns[0], w, i) }

// Saturate sends over each connection a request when the one before is answered, until the time is
// over or all work is done.
func (s *Senders) Saturate(duration time.Duration, w Work) error {
	var next atomic.Int64
	start := time.Now()
	return Parallel(len(s.conns), len(s.conns), func(n int) error {
		for time.Since(start) < duration {
			i := int(next.Add(1)) - 1
			if i >= w.Most {
				return nil
			}
			if err := post(s.conns[n], w, i); err != nil {
				return err
			}
		}
		return nil
	})
}

func post(c Conn, w Work, i int) error {
	due := time.Now()
	err := begin(c, w, i, due)
	if err == nil {
		err = c.Answer()
	}
	if err == nil {
		w.Acked(i, due)
	}
	return err
}

func begin(c Conn, w Work, i int, due time.Time) error {
	request, err := w.Request(i)
	if err != nil {
		return err
	}
	if w.Sent != nil {
		w.Sent(i, due)
	}
	_, err = c.Write(request)
	return err
}

// asked is a request that waits for its answer.
type asked struct {
	i   int
	due time.Time
}

// Paced sends so many requests a second, whatever the answers do, until the time is over, ctx ends or
// all work is done.
func (s *Senders) Paced(ctx context.Context, rate float64, duration time.Duration, w Work) error {
	// A connection is idle or waits for one answer, which its channel has.
	idle := make(chan Conn, len(s.conns))
	failed := make(chan error, len(s.conns))
	waiting := map[Conn]chan asked{}
	var answers sync.WaitGroup
	for _, c := range s.conns {
		questions := make(chan asked, 1)
		waiting[c] = questions
		idle <- c
		answers.Go(func() {
			for q := range questions {
				if err := c.Answer(); err != nil {
					failed <- err
					return
				}
				w.Acked(q.i, q.due)
				idle <- c
			}
		})
	}

	// A request takes an idle connection. When none is idle it waits, and the delay counts.
	err := Pace(ctx, rate, duration, w.Most, func(i int, due time.Time) error {
		select {
		case c := <-idle:
			err := begin(c, w, i, due)
			waiting[c] <- asked{i, due}
			return err
		case err := <-failed:
			return err
		}
	})

	// All answers come in before the first failure is reported.
	for _, questions := range waiting {
		close(questions)
	}
	answers.Wait()
	select {
	case unanswered := <-failed:
		return errors.Join(err, unanswered)
	default:
		return err
	}
}
