package processing

import (
	"cmp"
	"slices"
	"strings"
)

// ways are what may become of a content in the flow of a channel.
type ways struct {
	sent    []string // contents with which it is sent
	partial []string // contents that it has on its way, with those
}

// through goes through the flow: each processor appends its tag, denies, or cannot be invoked.
func (c *Channel) through(content string) (w ways) {
	w.sent = []string{content}
	w.partial = []string{content}
	for _, p := range c.Flow {
		var next []string
		for _, before := range w.sent {
			if !p.Missing && !p.denies(before) {
				next = append(next, before+Tag(p.Name))
			}
			if !p.Abort {
				next = append(next, before)
			}
		}
		w.sent = next
		w.partial = append(w.partial, next...)
	}
	return w
}

func (p *Processor) denies(content string) bool {
	return p.Name == Denier && slices.Contains(strings.Fields(content), WordDeny)
}

// checkShown: what a user was shown of a message, between two times, is what the user may see of it then. What a socket was sent may
// have been on its way for long: began is 0.
func (j *judge) checkShown(how, user string, m Message, began, ended Time) {
	c := j.channels[m.Channel]
	switch {
	case c == nil || !slices.Contains(c.Members, user):
		j.fault("%s shows %s a message of %s, of which it is no member", how, user, m.Channel)
		return
	case user != m.Sender && m.Target != "" && user != m.Target:
		j.fault("%s shows %s message %s, which is for %s", how, user, m.ID, m.Target)
		return
	case user != m.Sender && m.Status != string(sent):
		j.fault("%s shows %s message %s, which is %s", how, user, m.ID, m.Status)
		return
	case m.Content == "" || c.Bot != "" && m.Sender == c.Bot:
		return
	}

	v := j.versions[Marker(m.Content)]
	if v == nil || v.message != m.ID || v.sender != m.Sender {
		j.fault("%s shows %s %q as message %s of %s, who did not write it", how, user, m.Content, m.ID, m.Sender)
		return
	}
	if user == m.Sender {
		if !slices.Contains(c.through(v.content).partial, m.Content) {
			j.fault("%s shows %s its own message %s as %q, which no way through the flow gives", how, user, m.ID, m.Content)
		}
	} else if why := j.cannotBeSent(c, v, m.Content, ended); why != "" {
		j.fault("%s shows %s message %s as %q: %s", how, user, m.ID, m.Content, why)
	}
	if removed, is := j.removed[m.ID]; is && began > removed {
		j.fault("%s shows %s message %s as %q, which was removed before", how, user, m.ID, m.Content)
	}
}

// cannotBeSent is why a version cannot have been sent with a content by a time, empty when it can.
func (j *judge) cannotBeSent(c *Channel, v *version, content string, by Time) string {
	if !slices.Contains(c.through(v.content).sent, content) {
		return "no way through the flow gives it to others"
	}
	marker := Marker(v.content)
	for _, p := range c.Flow {
		if !strings.Contains(content, Tag(p.Name)) {
			if !j.excused(p, marker, v.began, by) {
				return "the processor " + p.Name + " was left out"
			}
			continue
		}
		switch i := slices.IndexFunc(j.verdicts[step{p.Name, marker}], func(v Verdict) bool { return v.Did == Passed }); {
		case i < 0:
			return "the processor " + p.Name + " did not pass it"
		case j.verdicts[step{p.Name, marker}][i].At > by:
			return "the processor " + p.Name + " had not passed it yet"
		}
	}
	return ""
}

func (j *judge) checkSightings() {
	for _, s := range j.Sightings {
		if s.Shown.Status == string(denied) {
			j.fault("%s shows %s message %s, which is DENIED and kept nowhere", s.How, s.User, s.Shown.ID)
		}
		j.checkShown(s.How, s.User, s.Shown, s.Began, s.Ended)
	}
}

// checkLists: at the end each member lists what the log says, and in its order.
func (j *judge) checkLists() {
	byChannel := map[string][]*story{}
	for _, s := range j.stories {
		byChannel[s.channel.ID] = append(byChannel[s.channel.ID], s)
	}
	for _, list := range byChannel {
		slices.SortFunc(list, func(a, b *story) int { return cmp.Compare(a.id, b.id) })

		// Ids are in the order of sending, which is that of first events, but for messages of bots in a flow.
		last := new(story)
		for _, s := range list {
			if s.sender == s.channel.Bot && len(s.channel.Flow) > 0 {
				continue
			}
			if s.began < last.began {
				j.fault("message %s of %s was sent before %s, and its id says otherwise", s.id, s.channel.ID, last.id)
			}
			last = s
		}
	}

	for _, list := range j.Lists {
		var want []Message
		for _, s := range byChannel[list.Channel] {
			if s.isListedFor(list.User) {
				want = append(want, Message{list.Channel, s.id, s.sender, s.target, s.content, string(s.state)})
			}
		}
		for i := range max(len(want), len(list.Messages)) {
			var due, got Message
			if i < len(want) {
				due = want[i]
			}
			if i < len(list.Messages) {
				got = list.Messages[i]
			}
			if due.Status == string(failed) { // no event says with which content
				due.Content = got.Content
			}
			if got != due {
				j.fault("%s lists of %s at place %d %+v, and %+v is there by the events", list.User, list.Channel, i, got, due)
				break
			}
		}
	}
}

func (s *story) isListedFor(user string) bool {
	switch s.state {
	case sent:
		return s.target == "" || user == s.target || user == s.sender
	case failed:
		return user == s.sender
	}
	return false
}

// checkAnswers: a bot answers each message that mentions it, once. A mention that could not be answered has an error reply, which does
// not say to what; there are as many as messages without an answer.
func (j *judge) checkAnswers() {
	answers, errors := map[string]int{}, map[string]int{} // by message, and by channel
	for _, s := range j.stories {
		if s.channel.Bot == "" || s.sender != s.channel.Bot {
			continue
		}
		marker, is := Answered(s.content)
		v := j.versions[marker] // the message may have been edited before the bot was asked
		switch {
		case !is:
			errors[s.channel.ID]++
		case v == nil || j.sends[v.message].Channel != s.channel.ID:
			j.fault("the bot of %s answered what is not there: %s", s.channel.ID, marker)
		default:
			answers[v.message]++
		}
	}

	// A message that is removed may be gone before the bot is asked.
	least, most := map[string]int{}, map[string]int{} // error replies
	for i := range j.Sends {
		m := &j.Sends[i]
		s := j.stories[m.ID]
		if s == nil || !m.Mentions || s.channel.Bot == "" {
			continue
		}
		n := answers[m.ID]
		delete(answers, m.ID)
		if n > 1 || n > 0 && !s.wasSent {
			j.fault("message %s (%q in %s), which was sent: %v, has %d answers of the bot", m.ID, m.Content, m.Channel, s.wasSent, n)
		}
		if n > 0 || !s.wasSent {
			continue
		}
		most[m.Channel]++
		if _, removed := j.removed[m.ID]; !removed {
			least[m.Channel]++
		}
	}

	for id, n := range answers {
		j.fault("the bot of %s answered what does not mention it, %d times: message %s", j.sends[id].Channel, n, id)
	}
	wasAway := slices.ContainsFunc(j.Outages, func(o Outage) bool { return o.Process == BotProcess })
	for id := range j.channels {
		if n := errors[id]; n < least[id] || n > most[id] || n > 0 && !wasAway {
			j.fault("the bot of %s left %d to %d messages without an answer, and %d error replies say so; it was away: %v", id, least[id], most[id], n, wasAway)
		}
	}
}
