package realtime

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"strconv"
	"strings"
	"sync"

	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/chime"
)

type signer string

func (s signer) MAC(use string, data []byte) [32]byte {
	mac := hmac.New(sha256.New, []byte(s))
	mac.Write([]byte(use))
	mac.Write(data)
	return [32]byte(mac.Sum(nil))
}

func signed(o *Options) { o.Signer = signer("secret") }

// resumer is a client that keeps the newest token and position, and comes back with them.
type resumer struct {
	t        rapid.TB
	user, id string
	mu       sync.Mutex
	woken    *sync.Cond
	session  *Session
	ready    bool
	events   []string // of the log, each with its payload
	notes    []string // of resuming
	token    string
	position uint64
	closed   *CloseError
}

func newResumer(t rapid.TB, user string) *resumer {
	r := &resumer{t: t, user: user}
	r.woken = sync.NewCond(&r.mu)
	return r
}

func (r *resumer) Probe() {}

func (r *resumer) Ready() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = true
	r.woken.Broadcast()
}

func (r *resumer) Write() { r.Ready() }

func (r *resumer) Close(code int, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = &CloseError{code, reason}
	r.woken.Broadcast()
}

// attach connects, with the token and position at hand.
func (r *resumer) attach(h *Hub) {
	from := r.token
	if from != "" && r.position > 0 {
		from += "." + strconv.FormatUint(r.position, 10)
	}
	r.attachFrom(h, from)
}

func (r *resumer) attachFrom(h *Hub, from string) {
	s, err := h.Attach(context.Background(), Grant{App: "A", User: chime.UserRef(r.user), SessionID: r.id, Resume: true, ResumeFrom: from}, r)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.session = s
}

// leave disconnects: what was not taken is lost.
func (r *resumer) leave() {
	r.session.Detach()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.session, r.ready, r.closed = nil, false, nil
}

// take reads at most so many frames, as they are there.
func (r *resumer) take(most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range most {
		if !r.takeOne() {
			return
		}
	}
}

func (r *resumer) takeOne() bool {
	if !r.ready {
		return false
	}
	frames := r.session.Take(nil, 1)
	r.ready = len(frames) > 0
	for _, f := range frames {
		r.handle(f)
	}
	return r.ready
}

func (r *resumer) handle(f []byte) {
	var frame struct {
		Headers map[string]string
		Payload string
	}
	if err := json.Unmarshal(f, &frame); err != nil {
		r.t.Fatalf("a frame is not JSON: %s", f)
	}
	kind := frame.Headers["x-amz-chime-event-type"]
	switch kind {
	case chime.EventSessionEstablished, chime.EventResumeToken, chime.EventSessionResumed, chime.EventSessionNotResumed:
		var note struct{ ResumeToken, Reason string }
		if frame.Payload == "" {
			frame.Payload = "null"
		}
		if err := json.Unmarshal([]byte(frame.Payload), &note); err != nil {
			r.t.Fatalf("the payload of %s: %v", kind, err)
		}
		if note.ResumeToken != "" {
			r.token = note.ResumeToken
		}
		if kind == chime.EventSessionNotResumed {
			r.position = 0
		}
		r.notes = append(r.notes, strings.TrimSpace(kind+" "+note.Reason))
		return
	}
	r.events = append(r.events, kind+" "+frame.Payload)
	if at := frame.Headers["x-carillon-position"]; at != "" {
		position, err := strconv.ParseUint(at, 10, 64)
		if err != nil || position <= r.position {
			r.t.Fatalf("position %q after %d", at, r.position)
		}
		r.position = position
	}
}

// settle reads until the session has said how resuming went, and what follows.
func (r *resumer) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.closed == nil && !r.answered() {
		if !r.takeOne() {
			if r.closed == nil && !r.answered() && !r.ready {
				r.woken.Wait()
			}
		}
	}
	for r.takeOne() {
	}
}

func (r *resumer) answered() bool {
	last := ""
	if len(r.notes) > 0 {
		last = r.notes[len(r.notes)-1]
	}
	return strings.HasPrefix(last, "SESSION_RESUMED") || strings.HasPrefix(last, "SESSION_NOT_RESUMED")
}

// away is a client that was connected, with the token that it got.
func (w *world) away(user string) *resumer {
	r := newResumer(w.t, user)
	r.id = user + "'s socket"
	r.attach(w.hub)
	r.take(10)
	r.leave()
	return r
}
