package processing

import (
	"slices"
	"strings"
)

// state is how far a message is.
type state string

const (
	unborn  state = ""
	pending state = "PENDING"
	sent    state = "SENT"
	failed  state = "FAILED"
	denied  state = "DENIED"
	deleted state = "deleted"
)

// story is what the log says of one message.
type story struct {
	id       string
	channel  *Channel
	sender   string
	target   string
	began    uint64 // position of its first event
	state    state
	outcome  state // of its sending
	decided  Time  // when a session was sent that
	editing  bool  // an edit passes the flow
	redacted bool
	wasSent  bool
	edits    int    // that were begun
	content  string // of the latest version that was sent
}

// Kinds of events about messages, behind what they are of.
const (
	creation  = "CREATE_CHANNEL_MESSAGE"
	revision  = "UPDATE_CHANNEL_MESSAGE"
	redaction = "REDACT_CHANNEL_MESSAGE"
	deletion  = "DELETE_CHANNEL_MESSAGE"
)

// follow takes the next event of the log into the story of its message, and notes which are for the sender alone.
func (j *judge) follow(e Event) {
	if e.Message == "" {
		return
	}
	s := j.stories[e.Message]
	if s == nil {
		s = &story{id: e.Message, channel: j.channels[e.Channel], sender: e.Sender, target: e.Target, began: e.Position}
		j.stories[e.Message] = s
	}
	if s.channel == nil || s.channel.ID != e.Channel || s.sender != e.Sender || s.target != e.Target {
		j.fault("an event says of a message what no other does: %d %s", e.Position, e)
		return
	}

	prefix, is := strings.CutSuffix(e.Kind, creation)
	if is {
		j.followCreation(s, prefix, e)
		return
	}
	if prefix, is = strings.CutSuffix(e.Kind, revision); is {
		j.followRevision(s, prefix, e)
		return
	}
	j.followRemoval(s, e)
}

func (j *judge) followCreation(s *story, prefix string, e Event) {
	from, to := pending, state(strings.TrimSuffix(prefix, "_"))
	switch {
	case prefix == "PENDING_":
		from = unborn
	case prefix == "" && (len(s.channel.Flow) == 0 || s.sender == s.channel.Bot && s.state == unborn): // a bot may have no session
		from, to = unborn, sent
	case prefix == "":
		to = sent
	}
	if s.state != from {
		j.fault("message %s is %q when this comes: %d %s", s.id, s.state, e.Position, e)
	}
	j.hidden[e.Position] = to != sent
	if s.state = to; to == pending {
		return
	}
	s.outcome, s.decided = to, e.At
	if to == sent {
		s.wasSent, s.content = true, e.Content
	}
}

func (j *judge) followRevision(s *story, prefix string, e Event) {
	begins, throughFlow := prefix == "PENDING_", len(s.channel.Flow) > 0
	if s.state != sent || s.redacted || throughFlow && s.editing == begins || !throughFlow && prefix != "" {
		j.fault("message %s is %q, redacted %v, with an edit on its way %v, when this comes: %d %s", s.id, s.state, s.redacted, s.editing, e.Position, e)
	}
	j.hidden[e.Position] = prefix != ""
	if begins || !throughFlow {
		s.edits++
	}
	if s.editing = begins; prefix == "" {
		s.content = e.Content
	}
}

func (j *judge) followRemoval(s *story, e Event) {
	switch {
	case e.Kind == redaction && s.state == sent && !s.redacted:
		s.redacted = true
	case e.Kind == deletion && (s.state == pending || s.state == sent || s.state == failed):
		j.hidden[e.Position] = !s.wasSent
		s.state = deleted
	default:
		j.fault("message %s is %q when this comes: %d %s", s.id, s.state, e.Position, e)
	}
	s.editing, s.content = false, ""
	if e.Content != "" {
		j.fault("a removal shows what was removed: %d %s", e.Position, e)
	}
}

// checkOutcomes: each acknowledged message is in the log in its sender's order, and came to one outcome that its flow can give it.
func (j *judge) checkOutcomes() {
	type line struct{ sender, channel string }
	last := map[line]*story{}
	for i := range j.Sends {
		m := &j.Sends[i]
		if m.Live {
			if s := j.stories[m.ID]; s != nil {
				j.fault("message %s is not persistent and in the log", m.ID)
			}
			continue
		}
		s := j.stories[m.ID]
		if s == nil {
			j.fault("message %s (%q in %s) was acknowledged and no session got it", m.ID, m.Content, m.Channel)
			continue
		}
		by := line{m.Sender, m.Channel}
		if before := last[by]; before != nil && before.began > s.began {
			j.fault("message %s of %s stands before %s, which its sender sent earlier", m.ID, m.Channel, before.id)
		}
		last[by] = s
		j.checkOutcome(m, s)
	}

	for _, s := range j.stories {
		if s.state == pending || s.editing {
			j.fault("message %s of %s, or an edit of it, has no outcome", s.id, s.channel.ID)
		}
		if j.sends[s.id] == nil && s.sender != s.channel.Bot {
			j.fault("message %s of %s was sent without a call", s.id, s.channel.ID)
		}
	}
}

// checkChanges: each acknowledged edit and removal is in the log.
func (j *judge) checkChanges() {
	accepted := map[string]int{}
	for _, e := range j.Edits {
		if e.Accepted {
			accepted[e.Message]++
		}
	}
	for id, n := range accepted {
		if s := j.stories[id]; s == nil || s.edits < n {
			j.fault("message %s has %d edits that were acknowledged, and not as many events", id, n)
		}
	}
	for _, r := range j.Removals {
		if s := j.stories[r.Message]; s != nil && !s.redacted && s.state != deleted && s.state != denied {
			j.fault("the removal of message %s was acknowledged, and no session got it", r.Message)
		}
	}
}

// checkOutcome compares the outcome of a message with what its processors did.
func (j *judge) checkOutcome(m *Send, s *story) {
	marker := Marker(m.Content)
	switch s.outcome {
	case sent:
		// Which content it has been sent with is checked where it is shown.
	case denied:
		if !j.did(s.channel, marker, Denied) {
			j.fault("message %s (%q) is denied and no processor denied it", m.ID, m.Content)
		}
	case failed:
		gaveUp := func(p Processor) bool { return p.Abort && j.excused(p, marker, m.Began, s.decided) }
		if !slices.ContainsFunc(s.channel.Flow, gaveUp) {
			j.fault("message %s (%q in %s) failed and its processors did not", m.ID, m.Content, m.Channel)
		}
	}

	// What the sender is answered at the end.
	for _, status := range j.Statuses {
		want := string(s.state)
		if s.state == denied || s.state == deleted {
			want = ""
		}
		if status.Message == m.ID && status.Value != want {
			j.fault("message %s has the status %q, and %q by its events", m.ID, status.Value, want)
		}
	}
}

// did reports whether a processor of the channel did so with a version.
func (j *judge) did(c *Channel, marker, what string) bool {
	return slices.ContainsFunc(c.Flow, func(p Processor) bool {
		return slices.ContainsFunc(j.verdicts[step{p.Name, marker}], func(v Verdict) bool { return v.Did == what })
	})
}

const (
	attempts     = 3           // at a processor, before its fallback action is taken
	betweenTries = Time(7e9)   // two of them at least
	grace        = Time(500e6) // between the end of a process and the note of it
)

// excused reports whether a processor may have been given up for a version between two times: it has no endpoint, or as many
// attempts as are made may have failed, because it said so, because it decided too late, or because its process was away.
func (j *judge) excused(p Processor, marker string, from, to Time) bool {
	if p.Missing {
		return true
	}
	failures := 0
	for _, v := range j.verdicts[step{p.Name, marker}] {
		if v.Did != Took && v.At >= from && v.At <= to {
			failures++
		}
	}
	for _, o := range j.Outages {
		begin, end := max(o.From-grace, from), min(o.To+grace, to)
		if o.Process == p.Process && begin < end {
			failures += 1 + int((end-begin)/betweenTries)
		}
	}
	return failures >= attempts
}
