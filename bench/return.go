//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

// returnJob are sessions that come back after they were cut off, for the role "return".
type returnJob struct {
	Addr    string
	Source  string
	Users   []string
	Details int // CHANNEL_DETAILS that each session gets
}

// returnResult is how they came back. Times are in microseconds since 1970.
type returnResult struct {
	Sessions                     float64
	LastEstablished, LastDetails int64
	InTime                       float64 // within the window, counted from their own end
	Refused                      float64 // attempts answered with 503 or 429
	Failed                       float64 // other attempts
}

func (r *returnResult) add(o returnResult) {
	r.Sessions += o.Sessions
	r.LastEstablished, r.LastDetails = max(r.LastEstablished, o.LastEstablished), max(r.LastDetails, o.LastDetails)
	r.InTime, r.Refused, r.Failed = r.InTime+o.InTime, r.Refused+o.Refused, r.Failed+o.Failed
}

// How AWS's JavaScript SDK comes back: after a random part of a time that doubles, and not after
// the window. These sessions go on, so that the time of the last is known.
const (
	returnWindow = 10 * time.Second
	firstBackoff = time.Second
	mostBackoff  = 5 * time.Second
)

// onlineLine says that all sessions are there and have their details.
const onlineLine = "online\n"

// returners are the sessions of one process.
type returners struct {
	returnJob
	crowd *rig.Crowd

	mu      sync.Mutex
	result  returnResult
	missing int // sessions
	lacking int // CHANNEL_DETAILS
	all     chan struct{}
}

// runReturn is the role "return": it connects all, says so, waits until all have been cut off
// and come back, and writes how that went.
func runReturn(ctx context.Context, job returnJob, in io.Reader, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, stormTimeout)
	defer cancel()
	r := &returners{returnJob: job}
	if r.crowd, err = rig.NewCrowd(r.listen, func(id int, _ error) { go r.back(ctx, id) }, nil); err != nil {
		return err
	}
	defer r.crowd.Close()

	// All are online before the parent kills the node.
	r.expect()
	err = rig.Parallel(rig.SetupCallers, len(job.Users), func(id int) error {
		s, err := r.door().Connect(job.Users[id])
		if err == nil {
			err = r.seat(id, s, time.Now())
		}
		return err
	})
	if err == nil {
		err = r.await(ctx)
	}
	if err != nil {
		return err
	}

	// The line lets the parent kill the node; the second count is that of the return.
	r.expect()
	if _, err := io.WriteString(out, onlineLine); err != nil {
		return err
	}
	if err := r.await(ctx); err != nil {
		return err
	}

	r.mu.Lock()
	err = json.NewEncoder(out).Encode(r.result)
	r.mu.Unlock()
	_, _ = io.Copy(io.Discard, in) // they stay until the parent has looked at the node
	return err
}

func (r *returners) door() rig.Door {
	return rig.Door{Addr: r.Addr, Source: r.Source, Prefetch: true, Endpoint: true}
}

// expect begins to count.
func (r *returners) expect() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result = returnResult{Sessions: float64(len(r.Users))}
	r.missing, r.lacking = len(r.Users), len(r.Users)*r.Details
	r.all = make(chan struct{})
}

// await waits until all sessions are there with all their details.
func (r *returners) await(ctx context.Context) error {
	select {
	case <-r.all:
		return nil
	case <-ctx.Done():
		r.mu.Lock()
		defer r.mu.Unlock()
		return fmt.Errorf("%d sessions of %d and %d CHANNEL_DETAILS are missing after %s: %w",
			r.missing, len(r.Users), r.lacking, stormTimeout, ctx.Err())
	}
}

var detailsEvent = []byte(`"CHANNEL_DETAILS"`)

func (r *returners) listen(_ int, op byte, payload []byte) {
	if op != rig.OpText || !bytes.Contains(payload[:min(len(payload), 200)], detailsEvent) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lacking--
	r.result.LastDetails = time.Now().UnixMicro()
	r.check()
}

func (r *returners) check() {
	if r.missing == 0 && r.lacking == 0 {
		close(r.all)
	}
}

// seat puts an established session into the crowd.
func (r *returners) seat(id int, s *rig.Socket, since time.Time) error {
	now := time.Now()
	if err := r.crowd.Admit(id, s, false); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missing--
	r.result.LastEstablished = max(r.result.LastEstablished, now.UnixMicro())
	if now.Sub(since) <= returnWindow {
		r.result.InTime++
	}
	r.check()
	return nil
}

// back brings a session back that was cut off.
func (r *returners) back(ctx context.Context, id int) {
	cut := time.Now()
	for backoff := firstBackoff; ; backoff = min(2*backoff, mostBackoff) {
		select {
		case <-time.After(time.Duration(rand.Float64() * float64(backoff))):
		case <-ctx.Done():
			return
		}
		s, err := r.door().Connect(r.Users[id])
		if err == nil && r.seat(id, s, cut) == nil {
			return
		}
		r.missed(err)
	}
}

func (r *returners) missed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	status, ok := errors.AsType[*rig.StatusError](err)
	if ok && (status.Status == http.StatusServiceUnavailable || status.Status == http.StatusTooManyRequests) {
		r.result.Refused++
	} else {
		r.result.Failed++
	}
}
