package processing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// mostFaults bounds the report of a run that went wrong.
const mostFaults = 25

// judge compares the parts of a History.
type judge struct {
	*History
	channels map[string]*Channel
	sends    map[string]*Send    // by message
	versions map[string]*version // by marker
	verdicts map[step][]Verdict  // in the order in which they were noted
	log      []Event             // what all sessions were given of the log, in its order
	stories  map[string]*story   // by message
	removed  map[string]Time     // when it was answered that a message is
	hidden   map[uint64]bool     // positions of events that the sender alone may know of

	faults []string
	more   int
}

// version is a content that a user gave a message.
type version struct {
	message, sender, content string
	began                    Time
}

// step is a version at a processor.
type step struct{ processor, marker string }

// Judge returns what is wrong, nothing when all holds.
func Judge(h *History) []string {
	j := &judge{
		History: h, channels: map[string]*Channel{}, sends: map[string]*Send{}, versions: map[string]*version{},
		verdicts: map[step][]Verdict{}, stories: map[string]*story{}, removed: map[string]Time{}, hidden: map[uint64]bool{},
	}
	j.index()
	j.merge()
	for _, e := range j.log {
		j.follow(e)
	}

	// Each part by itself knows what the stories of the messages say.
	j.checkOutcomes()
	j.checkChanges()
	j.checkSessions()
	j.checkSightings()
	j.checkLists()
	j.checkSinks()
	j.checkAnswers()
	if j.more > 0 {
		j.faults = append(j.faults, fmt.Sprintf("and %d more", j.more))
	}
	return j.faults
}

func (j *judge) fault(format string, args ...any) {
	if len(j.faults) == mostFaults {
		j.more++
		return
	}
	j.faults = append(j.faults, fmt.Sprintf(format, args...))
}

// Marker is the first word of a content.
func Marker(content string) string {
	marker, _, _ := strings.Cut(content, " ")
	return marker
}

func (j *judge) index() {
	for i := range j.Channels {
		j.channels[j.Channels[i].ID] = &j.Channels[i]
	}
	for i := range j.Sends {
		s := &j.Sends[i]
		j.sends[s.ID] = s
		j.versions[Marker(s.Content)] = &version{s.ID, s.Sender, s.Content, s.Began}
	}
	for _, e := range j.Edits {
		if s := j.sends[e.Message]; s != nil {
			j.versions[Marker(e.Content)] = &version{s.ID, s.Sender, e.Content, e.Began}
		}
	}
	for _, r := range j.Removals {
		if first, again := j.removed[r.Message]; !again || r.Ended < first {
			j.removed[r.Message] = r.Ended
		}
	}
	for _, v := range j.Verdicts {
		at := step{v.Processor, v.Marker}
		j.verdicts[at] = append(j.verdicts[at], v)
	}
}

// merge makes one log of what all sessions were given.
func (j *judge) merge() {
	at, first := map[uint64]Event{}, map[uint64]string{}
	for i := range j.Sessions {
		s := &j.Sessions[i]
		for _, odd := range s.Odd {
			j.fault("%s %s", s.Name, odd)
		}
		for _, e := range s.Events {
			if e.Position == 0 {
				continue
			}
			known, found := at[e.Position]
			if found && !same(known, e) {
				j.fault("position %d is %s for %s and %s for %s", e.Position, known, first[e.Position], e, s.Name)
			}
			if !found {
				first[e.Position] = s.Name
			}
			if !found || e.At < known.At { // the first look at it
				at[e.Position] = e
			}
		}
	}
	for _, position := range slices.Sorted(maps.Keys(at)) {
		j.log = append(j.log, at[position])
	}
}

// same reports whether two looks are at one event. What a message says is that of the moment of the look.
func same(a, b Event) bool {
	return a.Kind == b.Kind && a.Channel == b.Channel && a.Message == b.Message && a.Sender == b.Sender && a.Target == b.Target
}

func (e Event) String() string {
	text := e.Kind + " " + e.Channel
	if e.Message != "" {
		text += " " + e.Message
	}
	if e.Content != "" {
		text += fmt.Sprintf(" %q", e.Content)
	}
	return text
}

// checkSessions: each session was given what is for its user, all of it, once and in order.
func (j *judge) checkSessions() {
	due := map[string][]uint64{} // by user
	for _, e := range j.log {
		if c := j.channels[e.Channel]; c != nil && isDue(e.Kind) {
			for _, user := range c.Members {
				if j.mayKnow(user, e) {
					due[user] = append(due[user], e.Position)
				}
			}
		}
	}
	for i := range j.Sessions {
		s := &j.Sessions[i]
		j.compare(s, due[s.User])
		j.checkLive(s)
		for _, e := range s.Events {
			if e.Message != "" && e.Content != "" {
				j.checkShown(s.Name, s.User, e.message(), 0, e.At)
			}
		}
	}
}

func (e Event) message() Message {
	return Message{e.Channel, e.Message, e.Sender, e.Target, e.Content, e.Status}
}

// isDue reports whether every member is sent events of the kind. Of memberships are left out those before one's own.
func isDue(kind string) bool { return !strings.HasSuffix(kind, "_MEMBERSHIP") }

// mayKnow reports whether a member may be sent the event.
func (j *judge) mayKnow(user string, e Event) bool {
	switch {
	case e.Message == "":
		return true
	case j.hidden[e.Position]:
		return user == e.Sender
	}
	return e.Target == "" || user == e.Target || user == e.Sender
}

// compare walks through what a session was given and what is due to it. Both are in the order of positions.
func (j *judge) compare(s *Session, due []uint64) {
	next, reported := 0, 0
	report := func(what string, position uint64) {
		if reported++; reported == 1 { // the first is the cause of others
			j.fault("%s of %s %s: %d %s", s.Name, s.User, what, position, j.at(position))
		}
	}

	var last uint64
	for _, e := range s.Events {
		if e.Position == 0 || !isDue(e.Kind) {
			continue
		}
		if e.Position <= last {
			report(fmt.Sprintf("got twice or out of order, after %d", last), e.Position)
			continue
		}
		last = e.Position
		for next < len(due) && due[next] < e.Position {
			report("did not get", due[next])
			next++
		}
		if next < len(due) && due[next] == e.Position {
			next++
			continue
		}
		report("got what is not for it", e.Position)
	}
	for ; next < len(due); next++ {
		report("did not get", due[next])
	}
}

// at is the event of the log at a position.
func (j *judge) at(position uint64) Event {
	i, _ := slices.BinarySearchFunc(j.log, position, func(e Event, p uint64) int { return int(int64(e.Position) - int64(p)) })
	return j.log[i]
}

// checkLive: a message that is not persistent has one outcome at most, and others are sent it when it was sent.
func (j *judge) checkLive(s *Session) {
	outcomes := map[string]string{}
	for _, e := range s.Events {
		if e.Position > 0 {
			continue
		}
		outcome, told := strings.CutSuffix(e.Kind, "CREATE_CHANNEL_MESSAGE")
		if !told || outcome != "" && e.Sender != s.User || e.Target != "" && e.Target != s.User && e.Sender != s.User {
			j.fault("%s of %s got what is not for it, of a message that is not persistent: %s", s.Name, s.User, e)
		}
		if outcome == "PENDING_" {
			continue
		}
		if before, twice := outcomes[e.Message]; twice {
			j.fault("%s of %s got two outcomes of a message that is not persistent: %s and %s", s.Name, s.User, before, e)
		}
		outcomes[e.Message] = e.Kind
	}
}
