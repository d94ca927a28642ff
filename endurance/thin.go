package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/lab"
)

// thin is a session that resumes and does nothing else: it keeps the newest token and the newest
// position, and hands on what comes without looking for doubles. So it shows what the server
// sends, where a client that filters would hide it.
type thin struct {
	*watcher
	api      lab.Peer // where the endpoint is asked for
	sockets  lab.Peer // the transport of sockets
	userARN  string
	liveness time.Duration // a connection without a sign of life is given up
	random   *rand.Rand
	token    string
	position uint64
	attempts int
}

// retryWithin bounds the wait before the next attempt, of which a random part is used.
const retryWithin = 400 * time.Millisecond

// run keeps the session connected until ctx ends.
func (t *thin) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := t.once(ctx)
		if ctx.Err() != nil {
			return
		}
		t.lost(err.Error())
		if status := websocket.CloseStatus(err); status == 4003 || status == 4401 {
			t.stays(err)
			return
		}
		rest(ctx, time.Duration(t.random.Int64N(int64(retryWithin))))
	}
}

// stays notes that the server sent a client with a proper session away.
func (t *thin) stays(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.odd = append(t.odd, "was sent away: "+err.Error())
}

// once is one connection from its endpoint to its end.
func (t *thin) once(ctx context.Context) error {
	conn, err := t.connect(ctx)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer conn.CloseNow()
	var heard atomic.Int64
	heard.Store(time.Now().UnixNano())
	group.Go(func() { t.guard(ctx, conn, &heard) })
	for {
		f, err := conn.Next(ctx)
		if err != nil {
			return err
		}
		heard.Store(time.Now().UnixNano())
		t.handle(f)
	}
}

func (t *thin) connect(ctx context.Context) (*lab.Socket, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*t.liveness)
	defer cancel()
	var answer struct{ Endpoint struct{ Url string } }
	if err := t.api.Call(ctx, "GET", "/endpoints/messaging-session", "", nil, &answer); err != nil {
		return nil, err
	}
	t.attempts++
	from := t.token
	if from != "" && t.position > 0 {
		from += "." + strconv.FormatUint(t.position, 10)
	}
	at := t.sockets
	at.Base = "http://" + answer.Endpoint.Url
	return at.Connect(ctx, t.userARN, "sessionId", t.name, "resume-from", from, "attempt", strconv.Itoa(t.attempts))
}

// guard pings a silent connection and ends a dead one.
func (t *thin) guard(ctx context.Context, conn *lab.Socket, heard *atomic.Int64) {
	var group sync.WaitGroup
	defer group.Wait()
	tick := time.NewTicker(t.liveness / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		silent := time.Since(time.Unix(0, heard.Load()))
		if silent > t.liveness {
			_ = conn.CloseNow()
			return
		}
		group.Go(func() {
			limited, cancel := context.WithTimeout(ctx, t.liveness)
			defer cancel()
			if conn.Ping(limited) == nil {
				heard.Store(time.Now().UnixNano())
			}
		})
	}
}

// handle keeps tokens and positions, and hands on the events of the log.
func (t *thin) handle(f lab.Frame) {
	var about struct {
		ResumeToken, Reason, Message string
		Events                       int
	}
	switch kind := f.Event(); kind {
	case "SESSION_ESTABLISHED", "SESSION_RESUMED", "SESSION_NOT_RESUMED", "RESUME_TOKEN":
		_ = json.Unmarshal([]byte(f.Payload), &about) // without a token nothing is resumed, which is counted
		if about.ResumeToken != "" {
			t.token = about.ResumeToken
		}
		switch kind {
		case "SESSION_ESTABLISHED":
			t.established()
		case "SESSION_RESUMED":
			t.resumed(fmt.Sprint(about.Events, " events"))
		case "SESSION_NOT_RESUMED":
			t.notResumed(about.Reason + " " + about.Message)
		}
	default:
		t.deliver(f.Headers, f.Payload)
		if p, err := strconv.ParseUint(f.Headers["x-carillon-position"], 10, 64); err == nil {
			t.position = p
		}
	}
}

// rest waits for a time or for the end of ctx.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// errTooLong is why something is given up that should have ended by itself.
var errTooLong = errors.New("it takes too long")
