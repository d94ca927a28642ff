package processing

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// place is where a record belongs.
type place struct {
	position uint64
	part     int
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.position, q.position), cmp.Compare(p.part, q.part))
}

// checkSinks: each sink holds every event that streams carry, in the order of each channel and once by its key, and shows of
// messages what all may see.
func (j *judge) checkSinks() {
	want := map[string][]Event{} // by channel
	for _, e := range j.log {
		if isStreamed(e.Kind) && !(e.Kind == deletion && j.hidden[e.Position]) {
			want[e.Channel] = append(want[e.Channel], e)
		}
	}

	// What no session is sent, such as the making of a channel, all sinks have to agree on.
	var other map[place]string
	for i := range j.Sinks {
		s := &j.Sinks[i]
		got := j.firsts(s)
		unseen := map[place]string{}
		for _, channel := range slices.Sorted(maps.Keys(j.channels)) {
			j.compareSink(s, channel, got[channel], want[channel], unseen)
		}
		if other == nil {
			other = unseen
		}
		if !maps.Equal(other, unseen) {
			j.fault("the sinks %s and %s differ in what no session was sent: %v and %v", j.Sinks[0].Name, s.Name, other, unseen)
		}
	}
}

// isStreamed reports whether streams carry events of the kind that sockets carry.
func isStreamed(kind string) bool {
	return kind != "UPDATE_CHANNEL_MEMBERSHIP" && !strings.HasPrefix(kind, "PENDING_") && !strings.HasPrefix(kind, "FAILED_") && !strings.HasPrefix(kind, "DENIED_")
}

// firsts are the records of a sink without those that came before under the same key, by channel. Those of a channel are in
// order, with those of all its sub-channels.
func (j *judge) firsts(s *Sink) map[string][]Record {
	seen, all := map[string]Record{}, map[string][]Record{}
	latest := map[string]place{} // by channel, with its sub-channels
	for _, r := range s.Records {
		if before, again := seen[r.Key]; again {
			if !same(before.Event, r.Event) {
				j.fault("the sink %s has under the key %s %s and %s", s.Name, r.Key, before.Event, r.Event)
			}
			continue
		}
		seen[r.Key] = r
		position, part, ok := ParseKey(r.Key)
		if !ok {
			j.fault("the sink %s has the key %q", s.Name, r.Key)
			continue
		}
		r.Position, r.Part = position, part

		whole, _, _ := strings.Cut(r.Channel, SubChannel)
		at, before := place{position, part}, latest[whole]
		if at.compare(before) <= 0 {
			j.fault("the sink %s has out of order, after %d: %d %s", s.Name, before.position, position, r.Event)
			continue
		}
		latest[whole] = at
		all[r.Channel] = append(all[r.Channel], r)
	}
	return all
}

// ParseKey reads the position of the event from a record's key, and which of its records it is.
func ParseKey(key string) (position uint64, part int, ok bool) {
	fields := strings.Split(key, "/") // app instance, position, follower, part
	if len(fields) != 3 && len(fields) != 4 {
		return 0, 0, false
	}
	position, err := strconv.ParseUint(fields[1], 10, 64)
	if err == nil && len(fields) == 4 {
		part, err = strconv.Atoi(fields[3])
	}
	return position, part, err == nil
}

// compareSink walks through what a sink has of a channel and what sessions were sent of it.
func (j *judge) compareSink(s *Sink, channel string, got []Record, want []Event, unseen map[place]string) {
	reported := 0
	report := func(what string, e Event) {
		if reported++; reported == 1 { // the first is the cause of others
			j.fault("the sink %s %s: %d %s", s.Name, what, e.Position, e)
		}
	}

	next := 0
	for _, r := range got {
		for next < len(want) && want[next].Position < r.Position {
			report("lacks", want[next])
			next++
		}
		if next < len(want) && want[next].Position == r.Position {
			if !agrees(r.Event, want[next]) {
				report("has another event than sessions, who got "+want[next].String(), r.Event)
			}
			if r.Part == 0 {
				j.checkRecord(s, r)
			}
			if !strings.HasPrefix(want[next].Kind, "BATCH_") || r.Part+1 == want[next].Part {
				next++
			}
			continue
		}
		if r.Message != "" {
			report("has what no session was sent", r.Event)
		}
		unseen[place{r.Position, r.Part}] = r.Kind
	}
	for ; next < len(want); next++ {
		report("lacks", want[next])
	}
}

// agrees reports whether a record is of the event that sessions were sent: of a batch it is of one member.
func agrees(record, sent Event) bool {
	return strings.TrimPrefix(sent.Kind, "BATCH_") == record.Kind && record.Message == sent.Message && record.Sender == sent.Sender &&
		record.Target == sent.Target
}

// checkRecord: a record shows what all may see, and shows it unless it was removed.
func (j *judge) checkRecord(s *Sink, r Record) {
	story, c := j.stories[r.Message], j.channels[r.Channel]
	removes := r.Kind == redaction || r.Kind == deletion
	switch {
	case story == nil: // it is not about a message
		return
	case removes && r.Content != "":
		j.fault("the sink %s has the content of a removal: %s", s.Name, r.Event)
		return
	case !removes && r.Content == "" && !story.redacted && story.state != deleted:
		j.fault("the sink %s has without content: %d %s", s.Name, r.Position, r.Event)
		return
	case r.Content == "" || c.Bot != "" && r.Sender == c.Bot:
		return
	}
	v := j.versions[Marker(r.Content)]
	if v == nil || v.message != r.Message || r.Status != string(sent) {
		j.fault("the sink %s has what its sender did not write, or %q: %s", s.Name, r.Status, r.Event)
		return
	}
	if why := j.cannotBeSent(c, v, r.Content, cmp.Or(r.At, forever)); why != "" {
		j.fault("the sink %s has %s: %s", s.Name, r.Event, why)
	}
}

// forever is for records of which no time is known.
const forever = Time(1<<63 - 1)
