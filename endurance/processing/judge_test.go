package processing

import (
	"slices"
	"strings"
	"testing"
)

// aRun is a small run in which all is well: ann and bob in a channel whose flow passes through the processors deny and sync, with a
// bot; bob has two sessions, and there are two sinks.
func aRun() *History {
	c := Channel{ID: "c", Members: []string{"ann", "bob", "bot"}, Bot: "bot", Flow: []Processor{
		{Name: "deny", Abort: true, Process: "filters"}, {Name: "sync", Process: "filters"},
	}}
	h := &History{Channels: []Channel{c}}

	// Three messages of ann: one is sent and edited, one denied, and one sent and redacted. Bob's fails.
	h.Sends = []Send{
		{Channel: "c", ID: "m1", Sender: "ann", Content: "a.1 hello", Mentions: true, Began: 10, Ended: 11},
		{Channel: "c", ID: "m2", Sender: "ann", Content: "a.2 deny", Began: 20, Ended: 21},
		{Channel: "c", ID: "m3", Sender: "ann", Content: "a.3 hello", Began: 30, Ended: 31},
		{Channel: "c", ID: "m4", Sender: "bob", Content: "b.1 hello", Began: 40, Ended: 41},
		{Channel: "c", ID: "m5", Sender: "ann", Target: "bob", Content: "a.4 for bob", Began: 60, Ended: 61},
		{Channel: "c", ID: "n1", Sender: "ann", Content: "a.5 live", Live: true, Began: 70, Ended: 71},
	}
	h.Edits = []Edit{{Message: "m1", Content: "a.1.e hello again", Accepted: true, Began: 50, Ended: 51}}
	h.Removals = []Removal{{Message: "m3", Began: 80, Ended: 81}}
	judged := func(at Time, processor, message, marker, did string) {
		h.Verdicts = append(h.Verdicts, Verdict{at, processor, message, marker, did})
	}
	for i, one := range []struct{ message, marker string }{{"m1", "a.1"}, {"m3", "a.3"}, {"m1", "a.1.e"}, {"m5", "a.4"}, {"n1", "a.5"}} {
		at := Time([]int{11, 31, 51, 61, 71}[i])
		judged(at, "deny", one.message, one.marker, Passed)
		judged(at+1, "sync", one.message, one.marker, Passed)
	}
	judged(21, "deny", "m2", "a.2", Denied)
	for range attempts {
		judged(41, "deny", "m4", "b.1", Failed)
	}

	// The events, with the users that get them; a position is a tenth of its time.
	at := func(position uint64, kind, message, sender, target, content, status string) Event {
		return Event{Time(position) * 10, position, 0, kind, "c", message, sender, target, content, status}
	}
	const tags = " +deny +sync"
	all := []Event{
		{At: 5, Position: 1, Part: 2, Kind: "BATCH_CREATE_CHANNEL_MEMBERSHIP", Channel: "c"},
		at(2, "PENDING_CREATE_CHANNEL_MESSAGE", "m1", "ann", "", "a.1 hello", "PENDING"),
		at(3, "CREATE_CHANNEL_MESSAGE", "m1", "ann", "", "a.1 hello"+tags, "SENT"),
		at(4, "PENDING_CREATE_CHANNEL_MESSAGE", "m2", "ann", "", "a.2 deny", "PENDING"),
		at(5, "DENIED_CREATE_CHANNEL_MESSAGE", "m2", "ann", "", "a.2 deny", "DENIED"),
		at(6, "PENDING_CREATE_CHANNEL_MESSAGE", "m3", "ann", "", "a.3 hello", "PENDING"),
		at(7, "CREATE_CHANNEL_MESSAGE", "m3", "ann", "", "a.3 hello"+tags, "SENT"),
		at(8, "PENDING_CREATE_CHANNEL_MESSAGE", "m4", "bob", "", "b.1 hello", "PENDING"),
		at(9, "FAILED_CREATE_CHANNEL_MESSAGE", "m4", "bob", "", "b.1 hello", "FAILED"),
		at(10, "PENDING_UPDATE_CHANNEL_MESSAGE", "m1", "ann", "", "a.1.e hello again", "PENDING"),
		at(11, "UPDATE_CHANNEL_MESSAGE", "m1", "ann", "", "a.1.e hello again"+tags, "SENT"),
		at(12, "PENDING_CREATE_CHANNEL_MESSAGE", "m5", "ann", "bob", "a.4 for bob", "PENDING"),
		at(13, "CREATE_CHANNEL_MESSAGE", "m5", "ann", "bob", "a.4 for bob"+tags, "SENT"),
		at(14, "PENDING_CREATE_CHANNEL_MESSAGE", "w1", "bot", "", `{"Messages":[{"Content":"answer-to-a.1"}]}`, "PENDING"),
		at(15, "CREATE_CHANNEL_MESSAGE", "w1", "bot", "", `{"Messages":[{"Content":"answer-to-a.1"}]}`, "SENT"),
		at(16, "REDACT_CHANNEL_MESSAGE", "m3", "ann", "", "", "SENT"),
	}
	live := Event{90, 0, 0, "CREATE_CHANNEL_MESSAGE", "c", "n1", "ann", "", "a.5 live" + tags, "SENT"}
	for i, user := range []string{"ann", "bob", "bob", "bot"} {
		s := Session{Name: "session-" + string(rune('0'+i)), User: user}
		for _, e := range all {
			private := strings.Contains(e.Kind, "ING_") || strings.Contains(e.Kind, "ED_")
			if !private && (e.Target == "" || user == "ann" || user == "bob") || private && user == e.Sender {
				s.Events = append(s.Events, e)
			}
		}
		if user != "bot" {
			s.Events = append(s.Events, live)
		}
		h.Sessions = append(h.Sessions, s)
	}

	// The sinks. A second try wrote a record again.
	for _, name := range []string{"file", "queue"} {
		k := Sink{Name: name}
		write := func(key, kind string, e Event) {
			e.Position, e.Part, e.Kind, e.At = 0, 0, kind, 0
			k.Records = append(k.Records, Record{"app/" + key + "/" + name, e})
		}
		write("0", "CREATE_CHANNEL", Event{Channel: "c"})
		k.Records[0].Key = "app/0/" + name + "/1"
		for i, e := range all {
			switch {
			case i == 0:
				for part := range 2 {
					write("1", "CREATE_CHANNEL_MEMBERSHIP", e)
					k.Records[len(k.Records)-1].Key += "/" + string(rune('0'+part))
				}
			case !strings.Contains(e.Kind, "ING_") && !strings.Contains(e.Kind, "ED_"):
				write(digits(e.Position), e.Kind, e)
			}
		}
		k.Records = slices.Insert(k.Records, 5, k.Records[3])
		h.Sinks = append(h.Sinks, k)
	}

	// What is listed at the end, and before.
	m1 := Message{"c", "m1", "ann", "", "a.1.e hello again" + tags, "SENT"}
	m3 := Message{"c", "m3", "ann", "", "", "SENT"}
	m4 := Message{"c", "m4", "bob", "", "b.1 hello", "FAILED"}
	m5 := Message{"c", "m5", "ann", "bob", "a.4 for bob" + tags, "SENT"}
	w1 := Message{"c", "w1", "bot", "", `{"Messages":[{"Content":"answer-to-a.1"}]}`, "SENT"}
	h.Lists = []List{{"c", "ann", []Message{m1, m3, m5, w1}}, {"c", "bob", []Message{m1, m3, m4, m5, w1}}, {"c", "bot", []Message{m1, m3, w1}}}
	h.Statuses = []Status{{"m1", "SENT"}, {"m2", ""}, {"m3", "SENT"}, {"m4", "FAILED"}, {"m5", "SENT"}}
	h.Sightings = []Sighting{
		{"a list", "bob", Message{"c", "m1", "ann", "", "a.1 hello" + tags, "SENT"}, 30, 31},
		{"a list", "ann", Message{"c", "m1", "ann", "", "a.1 hello +deny", "PENDING"}, 11, 12},
		{"a list", "bob", Message{"c", "m3", "ann", "", "a.3 hello" + tags, "SENT"}, 79, 85},
		{"a list", "bob", m3, 82, 85},
	}
	return h
}

func digits(n uint64) string {
	return strings.TrimLeft(string([]byte{'0' + byte(n/10), '0' + byte(n%10)}), "0")
}

// find is where a session has the event at a position.
func (s *Session) find(position uint64) int {
	return slices.IndexFunc(s.Events, func(e Event) bool { return e.Position == position })
}

func (s *Session) lose(position uint64) {
	i := s.find(position)
	s.Events = slices.Delete(s.Events, i, i+1)
}

// find is where a sink has the first record of a position.
func (s *Sink) find(position string) int {
	return slices.IndexFunc(s.Records, func(r Record) bool { return strings.HasPrefix(r.Key, "app/"+position+"/") })
}

// everywhere changes the event at a position for all sessions.
func (h *History) everywhere(position uint64, change func(*Event)) {
	for i := range h.Sessions {
		if at := h.Sessions[i].find(position); at >= 0 {
			change(&h.Sessions[i].Events[at])
		}
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name, want string
		spoil      func(h *History)
	}{
		{"all is well", "", func(*History) {}},

		// Sessions.
		{"lost for one session", "session-1 of bob did not get: 3 ", func(h *History) { h.Sessions[1].lose(3) }},
		{"lost at the end", "session-2 of bob did not get: 16 ", func(h *History) { h.Sessions[2].lose(16) }},
		{"doubled", "session-0 of ann got twice or out of order, after 7: 7 ", func(h *History) {
			s := &h.Sessions[0]
			s.Events = slices.Insert(s.Events, s.find(7), s.Events[s.find(7)])
		}},
		{"out of order", "session-0 of ann did not get: 2 ", func(h *History) {
			e := h.Sessions[0].Events
			e[1], e[2] = e[2], e[1]
		}},
		{"another's message that waits", "session-1 of bob got what is not for it: 2 ", func(h *History) {
			s := &h.Sessions[1]
			s.Events = slices.Insert(s.Events, s.find(3), h.Sessions[0].Events[1])
		}},
		{"another's denial", "session-1 of bob got what is not for it: 5 ", func(h *History) {
			s := &h.Sessions[1]
			s.Events = slices.Insert(s.Events, s.find(7), h.Sessions[0].Events[h.Sessions[0].find(5)])
		}},
		{"a message for another", "session-3 of bot got what is not for it: 13 ", func(h *History) {
			s := &h.Sessions[3]
			s.Events = slices.Insert(s.Events, s.find(14), h.Sessions[0].Events[h.Sessions[0].find(13)])
		}},
		{"not resumed", "session-1 was not resumed", func(h *History) { h.Sessions[1].Odd = []string{"was not resumed"} }},
		{"two events at a position", "position 3 is UPDATE_CHANNEL_MESSAGE", func(h *History) {
			h.Sessions[0].Events[2].Kind, h.Sessions[0].Events[2].At = "UPDATE_CHANNEL_MESSAGE", 1
		}},
		{"two outcomes of a message that is not persistent", "session-1 of bob got two outcomes", func(h *History) {
			s := &h.Sessions[1]
			s.Events = append(s.Events, s.Events[len(s.Events)-1])
		}},
		{"another's message that is not persistent and waits", "session-1 of bob got what is not for it, of a message", func(h *History) {
			s := &h.Sessions[1]
			s.Events[len(s.Events)-1].Kind = "PENDING_CREATE_CHANNEL_MESSAGE"
		}},

		// Outcomes.
		{"acknowledged and lost", `message m9 ("a.9 x" in c) was acknowledged and no session got it`, func(h *History) {
			h.Sends = append(h.Sends, Send{Channel: "c", ID: "m9", Sender: "ann", Content: "a.9 x"})
		}},
		{"no outcome", "message m3 of c, or an edit of it, has no outcome", func(h *History) {
			for i := range h.Sessions {
				for _, p := range []uint64{7, 16} {
					h.Sessions[i].lose(p)
				}
			}
		}},
		{"an edit without an outcome", "message m1 of c, or an edit of it, has no outcome", func(h *History) {
			for i := range h.Sessions {
				h.Sessions[i].lose(11)
			}
		}},
		{"two outcomes", `message m1 is "SENT" when this comes: 5 `, func(h *History) {
			h.everywhere(5, func(e *Event) { e.Message, e.Content = "m1", "" })
		}},
		{"sent without waiting", `message m3 is "" when this comes: 7 `, func(h *History) { h.Sessions[0].lose(6) }},
		{"denied by nothing", `message m2 ("a.2 deny") is denied and no processor denied it`, func(h *History) {
			h.Verdicts = slices.DeleteFunc(h.Verdicts, func(v Verdict) bool { return v.Did == Denied })
		}},
		{"failed for nothing", `message m4 ("b.1 hello" in c) failed and its processors did not`, func(h *History) {
			h.Verdicts = h.Verdicts[:len(h.Verdicts)-1]
		}},
		{"an edit that is lost", "message m1 has 1 edits that were acknowledged, and not as many events", func(h *History) {
			for i := range h.Sessions {
				for _, p := range []uint64{10, 11} {
					if h.Sessions[i].find(p) >= 0 {
						h.Sessions[i].lose(p)
					}
				}
			}
		}},
		{"a removal that is lost", "the removal of message m3 was acknowledged, and no session got it", func(h *History) {
			for i := range h.Sessions {
				h.Sessions[i].lose(16)
			}
		}},
		{"another status at the end", `message m1 has the status "PENDING", and "SENT" by its events`, func(h *History) { h.Statuses[0].Value = "PENDING" }},
		{"sent in another order", "message m2 of c stands before m3", func(h *History) { h.Sends[1], h.Sends[2] = h.Sends[2], h.Sends[1] }},
		{"not persistent and in the log", "message m5 is not persistent and in the log", func(h *History) { h.Sends[4].Live = true }},

		// What is shown.
		{"denied and sent", "session-1 shows bob message m2 as", func(h *History) {
			h.Sessions[1].Events[2].Message, h.Sessions[1].Events[2].Content = "m2", "a.2 deny +sync"
		}},
		{"sent before it passed all", `session-1 shows bob message m1 as "a.1 hello +deny": the processor sync was left out`, func(h *History) {
			h.Sessions[1].Events[1].Content = "a.1 hello +deny"
		}},
		{"passed in another order", "session-1 shows bob message m1 as", func(h *History) {
			h.Sessions[1].Events[1].Content = "a.1 hello +sync +deny"
		}},
		{"passed by no processor", `session-1 shows bob message m1 as "a.1 hello +deny +sync": the processor sync did not pass it`, func(h *History) {
			h.Verdicts = slices.Delete(h.Verdicts, 1, 2)
		}},
		{"listed before it was passed", `a list shows bob message m1 as "a.1 hello +deny +sync": the processor sync had not passed it yet`, func(h *History) {
			h.Sightings[0].Began, h.Sightings[0].Ended = 10, 11
		}},
		{"listed while it waits", "a list shows bob message m1, which is PENDING", func(h *History) { h.Sightings[0].Shown.Status = "PENDING" }},
		{"listed though it is denied", "a list shows ann message m1, which is DENIED and kept nowhere", func(h *History) { h.Sightings[1].Shown.Status = "DENIED" }},
		{"listed for another", "a list shows bot message m5, which is for bob", func(h *History) {
			h.Sightings = append(h.Sightings, Sighting{"a list", "bot", h.Lists[0].Messages[2], 90, 91})
		}},
		{"shown to no member", "a list shows eve a message of c, of which it is no member", func(h *History) { h.Sightings[0].User = "eve" }},
		{"shown after its removal", "a list shows bob message m3 as", func(h *History) { h.Sightings[2].Began = 82 }},
		{"written by another", "a list shows bob ", func(h *History) { h.Sightings[0].Shown.Content = "b.1 hello" + " +deny +sync" }},

		// Lists.
		{"an id that is not in order", "message m1 of c was sent before l2, and its id says otherwise", func(h *History) {
			for _, p := range []uint64{4, 5} {
				h.everywhere(p, func(e *Event) { e.Message = "l2" })
			}
		}},
		{"missing in a list", "bob lists of c at place 0 {Channel:c ID:m3", func(h *History) { h.Lists[1].Messages = h.Lists[1].Messages[1:] }},
		{"listed in another order", "ann lists of c at place 0 ", func(h *History) { slices.Reverse(h.Lists[0].Messages) }},
		{"listed with a former content", "ann lists of c at place 0 ", func(h *History) { h.Lists[0].Messages[0].Content = "a.1 hello +deny +sync" }},
		{"a failed message of another", "ann lists of c at place 2 ", func(h *History) {
			h.Lists[0].Messages = slices.Insert(h.Lists[0].Messages, 2, h.Lists[1].Messages[2])
		}},

		// Sinks.
		{"missing in a sink", "the sink queue lacks: 7 ", func(h *History) {
			k := &h.Sinks[1]
			k.Records = slices.Delete(k.Records, k.find("7"), k.find("7")+1)
		}},
		{"missing at the end of a sink", "the sink file lacks: 16 ", func(h *History) {
			h.Sinks[0].Records = h.Sinks[0].Records[:len(h.Sinks[0].Records)-1]
		}},
		{"a member of a batch is missing", "the sink file lacks: 1 BATCH_CREATE_CHANNEL_MEMBERSHIP c", func(h *History) {
			k := &h.Sinks[0]
			k.Records = slices.Delete(k.Records, k.find("1")+1, k.find("1")+2)
		}},
		{"out of order in a sink", "the sink file ", func(h *History) {
			k := &h.Sinks[0]
			i, m := k.find("7"), k.find("11")
			k.Records[i], k.Records[m] = k.Records[m], k.Records[i]
		}},
		{"out of order in the sub-channels of a channel", "the sink file has out of order, after 21: 20 ", func(h *History) {
			for _, sub := range []string{"1", "2"} {
				h.Channels = append(h.Channels, Channel{ID: "c" + SubChannel + sub})
			}
			for i := range h.Sinks {
				k := &h.Sinks[i]
				k.Records = append(k.Records, Record{"app/20/s", Event{Kind: "CREATE_SUB_CHANNEL", Channel: "c/1"}}, Record{"app/21/s", Event{Kind: "CREATE_SUB_CHANNEL", Channel: "c/2"}})
			}
			k := h.Sinks[0].Records
			last := len(k) - 1
			k[last-1], k[last] = k[last], k[last-1]
		}},
		{"doubled under another key", "the sink file has out of order, after 7: 7 ", func(h *History) {
			k := &h.Sinks[0]
			r := k.Records[k.find("7")]
			r.Key = "app/7/other"
			k.Records = slices.Insert(k.Records, k.find("11"), r)
		}},
		{"one key of two events", "the sink file has under the key app/7/file", func(h *History) {
			k := &h.Sinks[0]
			k.Records[k.find("11")].Key = "app/7/file"
		}},
		{"a denied message in a sink", "the sink file has what no session was sent: 5 ", func(h *History) {
			k := &h.Sinks[0]
			r := Record{"app/5/file", Event{Kind: "CREATE_CHANNEL_MESSAGE", Channel: "c", Message: "m2", Sender: "ann", Content: "a.2 deny", Status: "SENT"}}
			k.Records = slices.Insert(k.Records, k.find("7"), r)
			h.Sessions[0].lose(5)
		}},
		{"a message that waits in a sink", "the sink file has what its sender did not write, or \"PENDING\"", func(h *History) {
			k := &h.Sinks[0]
			k.Records[k.find("3")].Status = "PENDING"
		}},
		{"without content in a sink", "the sink file has without content: 3 ", func(h *History) {
			k := &h.Sinks[0]
			k.Records[k.find("3")].Content = ""
		}},
		{"content of a removal in a sink", "the sink file has the content of a removal", func(h *History) {
			k := &h.Sinks[0]
			k.Records[k.find("16")].Content = "a.3 hello +deny +sync"
		}},
		{"the making of a channel in one sink alone", "the sinks file and queue differ", func(h *History) {
			h.Sinks[1].Records = h.Sinks[1].Records[1:]
		}},
		{"a key of nothing", `the sink file has the key "what"`, func(h *History) { h.Sinks[0].Records[0].Key = "what" }},

		// Bots.
		{"not answered", "the bot of c left 1 to 1 messages without an answer, and 0 error replies say so", func(h *History) {
			h.everywhere(15, func(e *Event) { e.Content = "answer-to-nothing" })
		}},
		{"answered as it was edited", "", func(h *History) {
			h.everywhere(15, func(e *Event) { e.Content = "answer-to-a.1.e" })
			for i := range h.Lists {
				h.Lists[i].Messages[len(h.Lists[i].Messages)-1].Content = "answer-to-a.1.e"
			}
		}},
		{"answered what is not there", "the bot of c answered what is not there: nothing", func(h *History) {
			h.everywhere(15, func(e *Event) { e.Content = "answer-to-nothing" })
		}},
		{"answered twice", `message m1 ("a.1 hello" in c), which was sent: true, has 2 answers`, func(h *History) {
			for i := range h.Sessions {
				again := Event{At: 170, Position: 18, Kind: "CREATE_CHANNEL_MESSAGE", Channel: "c", Message: "w2", Sender: "bot", Content: "answer-to-a.1", Status: "SENT"}
				h.Sessions[i].Events = append(h.Sessions[i].Events, again)
			}
		}},
		{"an error reply for no reason", "the bot of c left 1 to 1 messages without an answer, and 1 error replies say so; it was away: false", func(h *History) {
			h.everywhere(15, func(e *Event) { e.Content = `{"Code":"502"}` })
		}},
		{"answered, and an error reply", "the bot of c left 0 to 0 messages without an answer, and 1 error replies", func(h *History) {
			for i := range h.Sessions {
				again := Event{At: 170, Position: 18, Kind: "CREATE_CHANNEL_MESSAGE", Channel: "c", Message: "w2", Sender: "bot", Content: `{"Code":"502"}`, Status: "SENT"}
				h.Sessions[i].Events = append(h.Sessions[i].Events, again)
			}
			h.Outages = []Outage{{BotProcess, 1, 2}}
		}},
		{"answered though it was not mentioned", "the bot of c answered what does not mention it, 1 times", func(h *History) { h.Sends[0].Mentions = false }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := aRun()
			c.spoil(h)
			faults := Judge(h)
			if c.want == "" && len(faults) > 0 || !slices.ContainsFunc(append(faults, ""), func(f string) bool { return strings.HasPrefix(f, c.want) }) {
				t.Errorf("found %q\nwant %q", faults, c.want)
			}
		})
	}
}

// TestGivingUp: as many attempts have to have failed, or to lie in a time when the process was away.
func TestGivingUp(t *testing.T) {
	const second = Time(1e9)
	p := Processor{Name: "sync", Process: "filters"}
	for _, c := range []struct {
		name    string
		failed  int
		outages []Outage
		want    bool
	}{
		{"nothing failed", 0, nil, false},
		{"two attempts failed", 2, nil, false},
		{"three attempts failed", 3, nil, true},
		{"away for long", 0, []Outage{{"filters", 1 * second, 22 * second}}, true},
		{"away for a moment", 0, []Outage{{"filters", 1 * second, 2 * second}}, false},
		{"another process was away", 0, []Outage{{"mortal", 1 * second, 22 * second}}, false},
		{"away at other times", 0, []Outage{{"filters", 100 * second, 122 * second}}, false},
		{"killed and failed", 2, []Outage{{"filters", 1 * second, 2 * second}}, true},
	} {
		h := &History{Outages: c.outages}
		for range c.failed {
			h.Verdicts = append(h.Verdicts, Verdict{At: 2 * second, Processor: "sync", Marker: "m", Did: Failed})
		}
		j := &judge{History: h, verdicts: map[step][]Verdict{{"sync", "m"}: h.Verdicts}}
		if got := j.excused(p, "m", 0, 30*second); got != c.want {
			t.Errorf("%s: excused %v", c.name, got)
		}
	}
}
