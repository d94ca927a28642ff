package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// mostFaults bounds the report of a run that went wrong.
const mostFaults = 25

// checker compares what sessions got with what they should have got. It knows the rules of
// spec 4.4 for the events of a run, and nothing of the server: it puts the events of all
// sessions into the order of their positions, follows the memberships in it, and says for each
// event which users get it. That this is all there was, and in this order, the API's history and
// lists have to say as well.
type checker struct {
	watchers []*watcher
	traffic  *traffic
	truth    *truth

	log    []delivery
	roster map[room]map[string]bool
	due    map[string][]uint64 // positions, by user
	faults []string
	more   int
}

// judge returns what is wrong, nothing when all holds.
func judge(watchers []*watcher, t *traffic, says *truth) []string {
	v := &checker{watchers: watchers, traffic: t, truth: says, roster: map[room]map[string]bool{}, due: map[string][]uint64{}}
	v.merge()
	for _, d := range v.log {
		v.follow(d)
	}
	for _, w := range v.watchers {
		v.compare(w)
	}
	v.checkHistory()
	v.checkSent()
	v.checkMembers()
	v.checkMoves()
	if v.more > 0 {
		v.faults = append(v.faults, fmt.Sprintf("and %d more", v.more))
	}
	return v.faults
}

func (c *checker) fault(format string, args ...any) {
	if len(c.faults) == mostFaults {
		c.more++
		return
	}
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// merge makes one log of what all sessions got.
func (c *checker) merge() {
	at := map[uint64]happening{}
	first := map[uint64]string{}
	for _, w := range c.watchers {
		for _, odd := range w.odd {
			c.fault("%s %s", w.name, odd)
		}
		for _, d := range w.got {
			known, found := at[d.position]
			switch {
			case !found || c.isBare(known) && known.sameBut(d.happening):
				at[d.position], first[d.position] = d.happening, w.name
			case known != d.happening && !(c.isBare(d.happening) && known.sameBut(d.happening)):
				c.fault("position %d is %q for %s and %q for %s", d.position, known, first[d.position], d.happening, w.name)
			}
		}
	}
	for _, position := range slices.Sorted(maps.Keys(at)) {
		c.log = append(c.log, delivery{position, at[position]})
	}
}

// isBare: a message of a sub-channel that is gone by now comes without its content to a session that
// was away.
func (c *checker) isBare(h happening) bool {
	_, there := c.truth.history[room{h.channel, h.sub}]
	return h.kind == "CREATE_CHANNEL_MESSAGE" && h.sub != "" && !there && h.sum == sum("")
}

// sameBut: the same but for the content.
func (h happening) sameBut(other happening) bool {
	h.sum, other.sum = 0, 0
	return h == other
}

// follow says which users get the event and what it does to the memberships.
func (c *checker) follow(d delivery) {
	at := room{d.channel, d.sub}
	switch d.kind {
	case "CREATE_CHANNEL_MESSAGE":
		c.owe(d, c.roster[at])
	case "CREATE_CHANNEL_MEMBERSHIP", "BATCH_CREATE_CHANNEL_MEMBERSHIP":
		for user := range strings.FieldsSeq(d.id) {
			if c.roster[at][user] {
				c.fault("%s is made a member twice: %d %s", user, d.position, d.happening)
			}
			c.enter(at, user)
		}
		c.owe(d, c.roster[at])
	case "DELETE_CHANNEL_MEMBERSHIP":
		if !c.roster[at][d.id] {
			c.fault("%s is removed and was no member: %d %s", d.id, d.position, d.happening)
		}
		c.owe(d, c.roster[at])
		delete(c.roster[at], d.id)
	case "UPDATE_CHANNEL_MEMBERSHIP":
		for other, members := range c.roster {
			if other.channel == d.channel {
				delete(members, d.id)
			}
		}
		c.enter(at, d.id)
		c.owe(d, map[string]bool{d.id: true})
	default:
		c.fault("an event that nothing in the run causes: %d %s", d.position, d.happening)
	}
}

func (c *checker) enter(at room, user string) {
	if c.roster[at] == nil {
		c.roster[at] = map[string]bool{}
	}
	c.roster[at][user] = true
}

func (c *checker) owe(d delivery, users map[string]bool) {
	for user := range users {
		c.due[user] = append(c.due[user], d.position)
	}
}

// at finds an event of the log.
func (c *checker) at(position uint64) happening {
	i, _ := slices.BinarySearchFunc(c.log, position, func(d delivery, p uint64) int { return int(int64(d.position) - int64(p)) })
	return c.log[i].happening
}

// compare walks through what a session got and what it should have got.
func (c *checker) compare(w *watcher) {
	due := c.due[w.user]

	// One fault for a session: what follows the first is mostly its consequence.
	next, reported := 0, 0
	report := func(what string, position uint64) {
		if reported++; reported == 1 { // the first is the cause of others
			c.fault("%s (%s) %s: %d %s%s", w.name, w.user, what, position, c.at(position), w.around(position))
		}
	}
	defer func() {
		if reported > 1 {
			c.fault("%s: the same or worse with %d more events", w.name, reported-1)
		}
	}()

	// Both lists are in the order of positions, so one walk finds what is missing, doubled or not due.
	var last uint64
	for _, d := range w.got {
		if d.position <= last {
			what := "got twice"
			if i, seen := slices.BinarySearch(due[:next], d.position); !seen || due[i] != d.position {
				what = "got out of order"
			}
			report(fmt.Sprintf("%s, after %d", what, last), d.position)
			continue
		}
		last = d.position
		for next < len(due) && due[next] < d.position {
			report("did not get", due[next])
			next++
		}
		if next < len(due) && due[next] == d.position {
			next++
			continue
		}
		report("got what is not for it", d.position)
	}
	for ; next < len(due); next++ {
		report("did not get", due[next])
	}
}

// checkHistory: the messages that sessions saw are those of history, in its order.
func (c *checker) checkHistory() {
	seen := map[room][]delivery{}
	for _, d := range c.log {
		if d.kind == "CREATE_CHANNEL_MESSAGE" {
			at := room{d.channel, d.sub}
			seen[at] = append(seen[at], d)
		}
	}

	// History is compared message by message, up to the first difference.
	for at, history := range c.truth.history {
		live := seen[at]
		for i, m := range history {
			if i >= len(live) || live[i].id != m.id {
				got := "nothing"
				if i < len(live) {
					got = live[i].id
				}
				c.fault("history of %v has %s at place %d, where sessions got %s", at, m.id, i, got)
				break
			}
			if live[i].sum != m.sum {
				c.fault("message %s of %v has another content in history than live", m.id, at)
			}
		}

		if len(live) > len(history) {
			c.fault("sessions got %d messages in %v, history has %d; the first: %s", len(live), at, len(history), live[len(history)].id)
		}
	}
}

// checkSent: each acknowledged message is in the log, once, with its content, those of a sender
// in its order. History is that part of the log, as checkHistory shows, but for sub-channels
// that were deleted.

func (c *checker) checkSent() {
	place := map[string]int{}
	for i, d := range c.log {
		if d.kind != "CREATE_CHANNEL_MESSAGE" {
			continue
		}
		if _, twice := place[d.id]; twice {
			c.fault("message %s of %s is in the log twice", d.id, d.channel)
		}
		place[d.id] = i
	}

	// The acknowledged messages, in the order in which they were sent.
	type line struct {
		author  int
		channel string
	}

	last := map[line]int{}
	for _, m := range c.traffic.sent {
		i, found := place[m.id]
		if !found {
			c.fault("message %s (%d.%d in %s) was acknowledged and nobody got it", m.id, m.author, m.n, m.channel)
			continue
		}
		if c.log[i].sum != m.sum && !c.isBare(c.log[i].happening) || c.log[i].channel != m.channel {
			c.fault("message %s (%d.%d) was sent to %s with another content than %s", m.id, m.author, m.n, m.channel, c.log[i].happening)
		}
		by := line{m.author, m.channel}
		if before, some := last[by]; some && before > i {
			c.fault("message %s (%d.%d in %s) stands before one that its sender sent earlier", m.id, m.author, m.n, m.channel)
		}
		last[by] = i
	}
}

// checkMembers: the members at the end are the same by the events and by the API.
func (c *checker) checkMembers() {
	for at, members := range c.truth.members {
		var live []string
		for user := range c.roster[at] {
			live = append(live, user)
		}
		slices.Sort(live)
		slices.Sort(members)
		if !slices.Equal(live, members) {
			c.fault("members of %v are %v by the events and %v by the API", at, live, members)
		}
	}
}

// checkMoves: each change of a membership comes once, and a member gets what was sent between
// the answer to its joining and the call that removes it.
func (c *checker) checkMoves() {

	type change struct{ kind, channel, user string }
	seen, asked := map[change]int{}, map[change]int{}
	for _, d := range c.log {
		seen[change{d.kind, d.channel, d.id}]++
	}

	// What the traffic asked for, and the stays of each member between its moves.
	since := map[room]int64{} // of a user in a channel
	for _, m := range c.traffic.moved {
		user, h := suffix(c.traffic.users[m.user]), c.traffic.channelOf(m.channel)
		joined := change{"CREATE_CHANNEL_MEMBERSHIP", m.channel, user}
		if _, known := asked[joined]; !known && h.elastic {
			asked[joined] = 1 // there, members are added one by one at the start too
		}
		at := room{m.channel, user}
		if m.in {
			asked[joined]++
			since[at] = m.ended
			continue
		}
		asked[change{"DELETE_CHANNEL_MEMBERSHIP", m.channel, user}]++
		if from, known := since[at]; known && !h.elastic { // there, not all messages are for all
			c.checkStay(m, user, from)
		}
	}

	// Asked for and seen, as often.
	for what, n := range asked {
		if seen[what] != n {
			c.fault("%s of %s in %s happened %d times and was told %d times", what.kind, what.user, what.channel, n, seen[what])
		}
	}
}

// checkStay looks for the messages of one stay of a member in a standard channel.
func (c *checker) checkStay(m moved, user string, from int64) {
	for _, w := range c.watchers {
		if w.user != user {
			continue
		}
		got := map[string]bool{}
		for _, d := range w.got {
			if d.channel == m.channel {
				got[d.id] = true
			}
		}
		for _, s := range c.traffic.sent {
			if s.channel == m.channel && s.began > from && s.ended < m.began && !got[s.id] {
				c.fault("%s was a member of %s all the time that %s was sent and did not get it", w.name, m.channel, s.id)
			}
		}
	}
}
