//go:build linux

package rig

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Senders are keep-alive connections over which requests are sent, one at a time over each.
type Senders struct{ conns []*HTTPConn }

// Work is what senders send. Its functions are called from several goroutines.
type Work struct {
	Most    int // requests
	Request func(i int) ([]byte, error)

	// Sent is called before a request is written, and Acked when its answer, a success, is there. due is
	// when the request was to be written. Sent may be nil.
	Sent, Acked func(i int, due time.Time)
}

// DialSenders opens so many connections.
func DialSenders(addr string, count int) (*Senders, error) {
	s := &Senders{}
	for range count {
		c, err := DialHTTP(addr)
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
func (s *Senders) Post(w Work, i int) error { return s.conns[0].post(w, i) }

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
			if err := s.conns[n].post(w, i); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *HTTPConn) post(w Work, i int) error {
	due := time.Now()
	err := c.begin(w, i, due)
	if err == nil {
		err = c.Answer()
	}
	if err == nil {
		w.Acked(i, due)
	}
	return err
}

func (c *HTTPConn) begin(w Work, i int, due time.Time) error {
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
	idle := make(chan *HTTPConn, len(s.conns))
	failed := make(chan error, len(s.conns))
	waiting := map[*HTTPConn]chan asked{}
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
			err := c.begin(w, i, due)
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
