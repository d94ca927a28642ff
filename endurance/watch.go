package main

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/lab"
)

// patience is how long a frame or the end of a socket may take to come.
const patience = 20 * time.Second

// socket is an open WebSocket of a user whose frames are compared with what is due to the user.
// It may have begun anywhere in what was due while it was opened; from there on it gets all of it,
// in the order of each channel, and nothing else.
type socket struct {
	app      *appInstance
	user, id string
	conn     *lab.Socket
	since    uint64 // calls that had begun when it was established, and had what it missed
	asked    uint64 // calls that had begun when it was asked for
	born     uint64 // the same of the first socket, when it goes on after others
	resumed  bool
	// catchingUp: what comes is what was missed.
	catchingUp bool
	before     *socket        // after which it goes on, until it was compared itself
	at         map[string]int // channel -> how far the frames were compared with what is due
	done       chan struct{}  // closed when it has ended
	closing    context.CancelFunc
	left       bool // it has ended as it was to: what is missing was on its way

	details         []string // of its channels, when it was opened
	resumes         bool     // it gets tokens
	token, position string   // the newest

	mu     sync.Mutex
	lines  map[string][]string // channel -> what came and was not compared yet
	broken error               // a frame that cannot be read
	end    *endError
	came   chan struct{} // a token when there is something new
}

// endError is how a socket ended; code is -1 without a close frame.
type endError struct {
	code   int
	reason error
}

func (e *endError) Error() string {
	return fmt.Sprintf("the socket ended with %d: %v", e.code, e.reason)
}

// opening is how a socket is opened.
type opening struct {
	session string  // its name; empty: a new one
	resumes bool    // it gets resume tokens
	from    *socket // an ended one, after which it goes on
	details int     // channels of which it is to get CHANNEL_DETAILS
}

// open opens a socket and waits until it is established, and has what it missed.
func (a *appInstance) open(ctx context.Context, user string, how opening) (*socket, error) {
	a.mu.Lock()
	if a.opened++; how.session == "" {
		how.session = fmt.Sprint("s", a.opened)
	}
	a.mu.Unlock()
	dialing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	// What ended before this moment, the socket must not be shown.
	asked := a.begun.Load()
	query := []string{"sessionId", how.session}
	if how.resumes {
		query = append(query, "resume-from", how.from.newest())
	}
	if how.details > 0 {
		query = append(query, "prefetch-on", "connect")
	}
	conn, err := a.Connect(dialing, a.user(user), query...)
	if err != nil {
		return nil, err
	}

	// Reading outlives the call that opened the socket, until the socket is closed.
	reading, closing := context.WithCancel(context.WithoutCancel(ctx))
	s := &socket{
		app: a, user: user, id: how.session, asked: asked, conn: conn, resumes: how.resumes, closing: closing,
		at: map[string]int{}, lines: map[string][]string{}, done: make(chan struct{}), came: make(chan struct{}, 1),
	}
	err = s.begin(dialing, how.from)
	if err == nil {
		err = s.prefetched(dialing, how.details)
	}
	if err != nil {
		closing()
		_ = conn.CloseNow()
		return nil, err
	}

	go s.listen(reading)
	a.mu.Lock()
	a.sockets = append(a.sockets, s)
	a.mu.Unlock()
	return s, nil
}

func ended(err error) *endError { return &endError{int(websocket.CloseStatus(err)), err} }

func (s *socket) listen(ctx context.Context) {
	defer close(s.done)
	for {
		f, err := s.conn.Next(ctx)
		if err != nil {
			s.note(func() { s.end = ended(err) })
			_ = s.conn.CloseNow()
			return
		}
		s.note(func() {
			if err := s.take(f); err != nil && s.broken == nil {
				s.broken = err
			}
		})
	}
}

// take notes what a frame says.
func (s *socket) take(f lab.Frame) error {
	if f.Event() == "RESUME_TOKEN" && s.resumes {
		return s.takeToken(f)
	}
	channel, line, err := readEvent(f)
	if err == nil {
		err = s.takePosition(f, isLive(line))
	}
	if s.catchingUp {
		line = lateMark + line
	}
	s.lines[channel] = append(s.lines[channel], line)
	return err
}

func (s *socket) note(change func()) {
	s.mu.Lock()
	change()
	s.mu.Unlock()
	select {
	case s.came <- struct{}{}:
	default:
	}
}

// close ends the socket from this side and waits.
func (s *socket) close() {
	s.closing()
	<-s.done
	s.left = true
}

// closedWith waits for the end, which is to have the code.
func (s *socket) closedWith(ctx context.Context, code int) error {
	select {
	case <-s.done:
	case <-time.After(patience):
		return fmt.Errorf("%s is open still", s)
	case <-ctx.Done():
		return ctx.Err()
	}
	defer s.closing()
	if s.end.code != code {
		return fmt.Errorf("%s, instead of %d: %w", s, code, s.end)
	}
	s.left = true
	return nil
}

// onlyOwn refuses every frame that was not compared yet but events of a kind about the user
// itself. It takes them away.
func (s *socket) onlyOwn(kind string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for channel, lines := range s.lines {
		for _, line := range lines {
			if line = strings.TrimPrefix(line, lateMark); !strings.HasPrefix(line, kind) || !strings.Contains(line, ": "+s.user+" as ") {
				return fmt.Errorf("%s got of %s after its end: %s", s, lastPart(channel), line)
			}
		}
	}
	s.lines = map[string][]string{}
	return nil
}

func (s *socket) String() string {
	return fmt.Sprintf("socket %s of %s/%s", s.id, s.app.name, s.user)
}

// settle waits until the socket has the last of what is due of the fence, a channel of all users,
// and then the rest, and fails at the first frame that is not due, or out of its order.
func (s *socket) settle(ctx context.Context, fence string) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		missing, err := s.compare(fence)
		if err != nil || len(missing) == 0 {
			return err
		}
		select {
		case <-s.came:
		case <-deadline.C:
			return fmt.Errorf("%s has not got what is due to it:\n  %s", s, strings.Join(missing[:min(5, len(missing))], "\n  "))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// compare matches what came with what is due. missing is what is due and did not come yet.
func (s *socket) compare(fence string) (missing []string, err error) {
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()

	// An end that was not asked for, and a fence that has not come, need no look at the channels.
	due := s.app.due[s.user]
	switch marks, lines := due[fence], s.lines[fence]; {
	case s.broken != nil:
		return nil, fmt.Errorf("%s: %w", s, s.broken)
	case s.left:
	case s.end != nil:
		return nil, fmt.Errorf("%s: %w", s, s.end)
	case len(marks) > 0 && (len(lines) == 0 || !s.says(lines[len(lines)-1], marks[len(marks)-1])):
		return []string{marks[len(marks)-1].line}, nil
	}

	// Nothing may come of a channel of which nothing is due.
	for channel, lines := range s.lines {
		if len(lines) > 0 && len(due[channel]) == 0 {
			return nil, fmt.Errorf("%s got of %s, of which nothing is due to it: %s", s, lastPart(channel), lines[0])
		}
	}

	// What came of each channel has to be a part of what is due, without a gap.
	next := map[string]int{}
	for channel, entries := range due {
		lines := s.lines[channel]
		begin, end := s.find(channel, entries, lines)
		if end < 0 {
			return nil, fmt.Errorf("%s got of %s what is not due to it:\n%s", s, lastPart(channel), s.difference(entries, begin, lines))
		}
		if _, known := s.at[channel]; known || len(lines) > 0 || !s.left {
			next[channel] = end
		}
		for _, e := range entries[end:] {
			if !s.mayMiss(e) {
				missing = append(missing, lastPart(channel)+": "+e.line)
			}
		}
	}

	// The next comparison goes on from here, if this one is complete.
	if len(missing) == 0 || s.left {
		s.at, s.lines = next, map[string][]string{}
	}
	if s.left {
		return nil, nil
	}
	if len(missing) == 0 {
		s.before = nil // it knows its own place in every channel
	}
	return missing, nil
}

// find returns the part of what is due that the frames of a channel are; end is -1 when they are
// not there. A socket that was compared before goes on from there, and one that resumes from where
// the one before it ended. A new one may begin anywhere, but nothing of a call that began after it
// was established may be left out; where that leaves a choice, it is the latest.
func (s *socket) find(channel string, entries []entry, lines []string) (begin, end int) {
	for one := s; one != nil; one = one.before {
		if begin, known := one.at[channel]; known {
			return begin, s.match(entries, begin, lines)
		}
	}
	latest := sort.Search(len(entries), func(i int) bool { return entries[i].call > s.born })
	for begin := latest; begin >= 0; begin-- {
		if end := s.match(entries, begin, lines); end >= 0 {
			return begin, end
		}
	}
	return latest, -1
}

// match goes through what is due along with the frames, and answers where it ends, -1 when a frame
// is not what is due next.
func (s *socket) match(entries []entry, at int, lines []string) int {
	for _, line := range lines {
		for at < len(entries) && !s.says(line, entries[at]) && s.mayMiss(entries[at]) {
			at++
		}
		if at == len(entries) || !s.says(line, entries[at]) {
			return -1
		}
		at++
	}
	return at
}

// mayMiss: messages that are not persistent are gone for a session that was away.
func (s *socket) mayMiss(e entry) bool {
	return s.resumed && e.call <= s.since && isLive(e.line)
}

// difference shows where frames and what is due part.
func (s *socket) difference(entries []entry, at int, lines []string) string {
	var b strings.Builder
	for len(lines) > 0 && at < len(entries) {
		if s.says(lines[0], entries[at]) {
			lines = lines[1:]
		} else if !s.mayMiss(entries[at]) {
			break
		}
		at++
	}
	for _, e := range entries[max(0, at-3):at] {
		fmt.Fprintf(&b, "  both: %s\n", e.line)
	}
	for _, line := range lines[:min(3, len(lines))] {
		fmt.Fprintf(&b, "  got:  %s\n", line)
	}
	for _, e := range entries[at:min(at+3, len(entries))] {
		fmt.Fprintf(&b, "  due:  %s (call %d)\n", e.line, e.call)
	}
	if at == len(entries) {
		b.WriteString("  due:  nothing more\n")
	}
	if len(lines) > 0 {
		b.WriteString(s.app.shownAfter(lines[0], s.asked))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// everySocket is a copy of the list, in the order in which they were opened.
func (a *appInstance) everySocket() []*socket {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.sockets)
}

// settle compares what every socket got with what was due, after a message in the fence, the
// channel of all users, behind which nothing comes that was caused before.
func (a *appInstance) settle(ctx context.Context, fence string) error {
	var open []*socket
	for _, s := range a.everySocket() {
		if err := s.settle(ctx, fence); err != nil {
			return err
		}
		if !s.left {
			open = append(open, s)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sockets = open
	return nil
}
