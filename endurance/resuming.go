package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/carillon-chat/carillon/internal/lab"
)

// Sockets that resume get tokens, and positions with the events of the log. One that goes on after
// another has to get exactly what that one did not, by the rules of the time when it happened: the
// place where it begins in what is due is known.

// isLive reports whether an event is of a message that is not persistent, which the log has not.
func isLive(line string) bool { return strings.Contains(line, " NON_PERSISTENT of ") }

// newest is what a client brings back.
func (s *socket) newest() string {
	switch {
	case s == nil:
		return ""
	case s.position == "":
		return s.token
	}
	return s.token + "." + s.position
}

// begin reads the frames before the session goes on live.
func (s *socket) begin(ctx context.Context, from *socket) error {
	first, err := s.conn.Next(ctx)
	if err != nil {
		return ended(err)
	}
	if first.Event() != "SESSION_ESTABLISHED" {
		return fmt.Errorf("%s: the first event is %s", s, first.Event())
	}
	if s.resumes {
		err = s.takeToken(first)
	} else if first.Payload != "" {
		err = fmt.Errorf("%s: SESSION_ESTABLISHED has the payload %s", s, first.Payload)
	}
	if err == nil && from != nil {
		err = s.resume(ctx, from)
	}
	s.since = s.app.begun.Load()
	s.born = s.since
	if s.before != nil {
		s.born = s.before.born
	}
	return err
}

// resume reads what was missed, to the event that says that it was all, or that nothing comes
// because the token is another user's.
func (s *socket) resume(ctx context.Context, from *socket) error {
	s.catchingUp = true
	defer func() { s.catchingUp = false }()

	// Events come as live ones do, until one ends them.
	for missed := 0; ; missed++ {
		f, err := s.conn.Next(ctx)
		if err != nil {
			return ended(err)
		}
		var told struct {
			Events int
			Reason string
		}
		switch f.Event() {
		case "SESSION_RESUMED":
			if err := json.Unmarshal([]byte(f.Payload), &told); err != nil || told.Events != missed || from.user != s.user {
				return fmt.Errorf("%s resumes after %s with %d events: %s", s, from, missed, f.Payload)
			}
			s.before, s.resumed = from, true
			return s.takeToken(f)
		case "SESSION_NOT_RESUMED":
			if err := json.Unmarshal([]byte(f.Payload), &told); err != nil || from.user == s.user || told.Reason != "OTHER_USER" || missed > 0 {
				return fmt.Errorf("%s does not resume after %s, with %d events: %s", s, from, missed, f.Payload)
			}
			return nil
		}

		if err := s.take(f); err != nil {
			return err
		}
	}
}

func (s *socket) takeToken(f lab.Frame) error {
	var told struct{ ResumeToken string }
	if err := json.Unmarshal([]byte(f.Payload), &told); err != nil || told.ResumeToken == "" {
		return fmt.Errorf("%s: %s has the payload %s", s, f.Event(), f.Payload)
	}
	s.token = told.ResumeToken
	return nil
}

// takePosition checks that events of the log have a position, one after the other, and that no
// other socket than one that resumes is shown any.
func (s *socket) takePosition(f lab.Frame, live bool) error {
	text, has := f.Headers["x-carillon-position"]
	if has != (s.resumes && !live) {
		return fmt.Errorf("%s: %s with the headers %v", s, f.Event(), f.Headers)
	}
	if !has {
		return nil
	}
	position, err := strconv.ParseUint(text, 10, 64)
	last, _ := strconv.ParseUint(s.position, 10, 64) // 0 at first
	if err != nil || position <= last {
		return fmt.Errorf("%s: the position %q follows %q", s, text, s.position)
	}
	s.position = text
	return nil
}

// openSome opens a socket of a kind that chance decides: some resume, a few of these with
// the token of another user.
func (w *worker) openSome(ctx context.Context) error {
	var how opening
	who := w.one(w.users)
	switch {
	case len(w.resumable) > 0 && w.chance(2):
		i := w.rnd.IntN(len(w.resumable))
		how.from, how.resumes = w.resumable[i], true
		w.resumable[i] = w.resumable[len(w.resumable)-1]
		w.resumable = w.resumable[:len(w.resumable)-1]
		if !w.chance(8) {
			who = how.from.user
		}
	case w.chance(2):
		how.resumes = true
	}
	if w.gone[who] {
		return nil
	}
	s, err := w.open(ctx, who, how)
	if err != nil {
		return w.fault(err)
	}
	if s.resumed {
		w.resumed++
	}
	return nil
}

// mayResume keeps a socket that has ended, for another to go on after it.
func (a *appInstance) mayResume(s *socket) {
	if s.resumes {
		a.resumable = append(a.resumable, s)
	}
}
