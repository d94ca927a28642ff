package client

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// resumePoint is how far a session has come in the server's log.
//
// The newest token is not always the right one: the token of a SESSION_ESTABLISHED stands for a
// time after what is still to be replayed. It counts only when the replay is complete, so that a
// socket that breaks before resumes from the older token.
type resumePoint struct {
	token    string
	position uint64 // of the last event taken; zero when none has one

	established bool   // there was a socket before
	replaying   bool   // the server has yet to say how it resumes
	pending     string // the token that counts when it has said so
}

// set takes a former Event.ResumeFrom.
func (p *resumePoint) set(text string) error {
	if text == "" {
		return nil
	}

	token, position, has := strings.Cut(text, ".")
	if token == "" || strings.ContainsFunc(token, notToken) {
		return fmt.Errorf("client: ResumeFrom %q is no resume token", text)
	}

	p.token = token
	if !has {
		return nil
	}
	var err error
	if p.position, err = strconv.ParseUint(position, 10, 64); err != nil {
		return fmt.Errorf("client: ResumeFrom %q has no position after the dot", text)
	}
	return nil
}

func notToken(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// String is the value of resume-from.
func (p *resumePoint) String() string {
	if p.token == "" || p.position == 0 {
		return p.token
	}
	return p.token + "." + strconv.FormatUint(p.position, 10)
}

// connecting is called before each connect.
func (p *resumePoint) connecting() {
	p.replaying, p.pending = p.token != "" || p.established, ""
}

// take follows the events of a socket, reports whether the event is new, and notes in it where to
// go on after it. When a session cannot be resumed, and the server does not say so, notice is an
// event that says it.
func (p *resumePoint) take(e *Event) (isNew bool, notice *Event) {
	if e.Position != 0 {
		if e.Position <= p.position {
			return false, nil
		}
		p.position = e.Position
	}

	switch e.Type {
	case EventSessionEstablished:
		notice = p.establish(e.tokenOf())
	case EventSessionResumed:
		p.resumeWith(e.tokenOf())
	case EventSessionNotResumed:
		p.position = 0
		p.resumeWith(cmp.Or(e.tokenOf(), p.pending))
	case EventResumeToken:
		if !p.replaying {
			p.resumeWith(e.tokenOf())
		}
	}

	e.ResumeFrom = p.String()
	return true, notice
}

func (p *resumePoint) establish(token string) (notice *Event) {
	p.established = true
	switch {
	case !p.replaying:
		p.resumeWith(token)
	case p.token != "" && token != "":
		p.pending = token
	default: // the server has no tokens, or had none before
		p.token, p.position = "", 0
		p.resumeWith(token)
		notice = &Event{
			Type: EventSessionNotResumed, MessageType: "SYSTEM", ResumeFrom: p.String(),
			Data: &NotResumed{Reason: NotResumedUnsupported, Message: "the server gives no resume tokens"},
		}
	}
	return notice
}

func (p *resumePoint) resumeWith(token string) {
	p.replaying, p.pending = false, ""
	if token != "" {
		p.token = token
	}
}
