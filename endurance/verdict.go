package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// mostFaults bounds what is told of a run that went wrong.
const mostFaults = 25

// verdict compares what sessions got with what they should have got. It knows the rules of
// spec 4.4 for the events of a run, and nothing of the server: it puts the events of all
// sessions into the order of their positions, follows the memberships in it, and says for each
// event who gets it. That this is all there was, and in this order, the API's history and
// lists have to say as well.
type verdict struct {
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
	v := &verdict{watchers: watchers, traffic: t, truth: says, roster: map[room]map[string]bool{}, due: map[string][]uint64{}}
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

func (v *verdict) fault(format string, args ...any) {
	if len(v.faults) == mostFaults {
		v.more++
		return
	}
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}

// merge makes one log of what all sessions got.
func (v *verdict) merge() {
	at := map[uint64]happening{}
	first := map[uint64]string{}
	for _, w := range v.watchers {
		for _, odd := range w.odd {
			v.fault("%s %s", w.name, odd)
		}
		for _, d := range w.got {
			known, found := at[d.position]
			switch {
			case !found || v.isBare(known) && known.sameBut(d.happening):
				at[d.position], first[d.position] = d.happening, w.name
			case known != d.happening && !(v.isBare(d.happening) && known.sameBut(d.happening)):
				v.fault("position %d is %q for %s and %q for %s", d.position, known, first[d.position], d.happening, w.name)
			}
		}
	}
	for _, position := range slices.Sorted(maps.Keys(at)) {
		v.log = append(v.log, delivery{position, at[position]})
	}
}

// isBare: a message of a sub-channel that is gone by now is told without its content to a session that
// was away.
func (v *verdict) isBare(h happening) bool {
	_, there := v.truth.history[room{h.channel, h.sub}]
	return h.kind == "CREATE_CHANNEL_MESSAGE" && h.sub != "" && !there && h.sum == sum("")
}

// sameBut: the same but for the content.
func (h happening) sameBut(other happening) bool {
	h.sum, other.sum = 0, 0
	return h == other
}

// follow says who gets the event and what it does to the memberships.
func (v *verdict) follow(d delivery) {
	at := room{d.channel, d.sub}
	switch d.kind {
	case "CREATE_CHANNEL_MESSAGE":
		v.owe(d, v.roster[at])
	case "CREATE_CHANNEL_MEMBERSHIP", "BATCH_CREATE_CHANNEL_MEMBERSHIP":
		for user := range strings.FieldsSeq(d.id) {
			if v.roster[at][user] {
				v.fault("%s is made a member twice: %d %s", user, d.position, d.happening)
			}
			v.enter(at, user)
		}
		v.owe(d, v.roster[at])
	case "DELETE_CHANNEL_MEMBERSHIP":
		if !v.roster[at][d.id] {
			v.fault("%s is removed and was no member: %d %s", d.id, d.position, d.happening)
		}
		v.owe(d, v.roster[at])
		delete(v.roster[at], d.id)
	case "UPDATE_CHANNEL_MEMBERSHIP":
		for other, members := range v.roster {
			if other.channel == d.channel {
				delete(members, d.id)
			}
		}
		v.enter(at, d.id)
		v.owe(d, map[string]bool{d.id: true})
	default:
		v.fault("an event that nothing in the run causes: %d %s", d.position, d.happening)
	}
}

func (v *verdict) enter(at room, user string) {
	if v.roster[at] == nil {
		v.roster[at] = map[string]bool{}
	}
	v.roster[at][user] = true
}

func (v *verdict) owe(d delivery, users map[string]bool) {
	for user := range users {
		v.due[user] = append(v.due[user], d.position)
	}
}

// at finds an event of the log.
func (v *verdict) at(position uint64) happening {
	i, _ := slices.BinarySearchFunc(v.log, position, func(d delivery, p uint64) int { return int(int64(d.position) - int64(p)) })
	return v.log[i].happening
}

// compare walks through what a session got and what it should have got.
func (v *verdict) compare(w *watcher) {
	due := v.due[w.user]
	next, told := 0, 0
	tell := func(what string, position uint64) {
		if told++; told == 1 { // the first is the cause of others
			v.fault("%s (%s) %s: %d %s%s", w.name, w.user, what, position, v.at(position), w.around(position))
		}
	}
	defer func() {
		if told > 1 {
			v.fault("%s: the same or worse with %d more events", w.name, told-1)
		}
	}()
	var last uint64
	for _, d := range w.got {
		if d.position <= last {
			what := "got twice"
			if i, seen := slices.BinarySearch(due[:next], d.position); !seen || due[i] != d.position {
				what = "got out of order"
			}
			tell(fmt.Sprintf("%s, after %d", what, last), d.position)
			continue
		}
		last = d.position
		for next < len(due) && due[next] < d.position {
			tell("did not get", due[next])
			next++
		}
		if next < len(due) && due[next] == d.position {
			next++
			continue
		}
		tell("got what is not for it", d.position)
	}
	for ; next < len(due); next++ {
		tell("did not get", due[next])
	}
}

// checkHistory: the messages that sessions saw are those of history, in its order.
func (v *verdict) checkHistory() {
	seen := map[room][]delivery{}
	for _, d := range v.log {
		if d.kind == "CREATE_CHANNEL_MESSAGE" {
			at := room{d.channel, d.sub}
			seen[at] = append(seen[at], d)
		}
	}
	for at, history := range v.truth.history {
		live := seen[at]
		for i, m := range history {
			if i >= len(live) || live[i].id != m.id {
				got := "nothing"
				if i < len(live) {
					got = live[i].id
				}
				v.fault("history of %v has %s at place %d, where sessions got %s", at, m.id, i, got)
				break
			}
			if live[i].sum != m.sum {
				v.fault("message %s of %v has another content in history than live", m.id, at)
			}
		}
		if len(live) > len(history) {
			v.fault("sessions got %d messages in %v, history has %d; the first: %s", len(live), at, len(history), live[len(history)].id)
		}
	}
}

// checkSent: each acknowledged message is in the log, once, with its content, those of a sender
// in its order. History is that part of the log, as checkHistory shows, but for sub-channels
// that were deleted.
func (v *verdict) checkSent() {
	place := map[string]int{}
	for i, d := range v.log {
		if d.kind != "CREATE_CHANNEL_MESSAGE" {
			continue
		}
		if _, twice := place[d.id]; twice {
			v.fault("message %s of %s is in the log twice", d.id, d.channel)
		}
		place[d.id] = i
	}
	type line struct {
		author  int
		channel string
	}
	last := map[line]int{}
	for _, m := range v.traffic.sent {
		i, found := place[m.id]
		if !found {
			v.fault("message %s (%d.%d in %s) was acknowledged and nobody got it", m.id, m.author, m.n, m.channel)
			continue
		}
		if v.log[i].sum != m.sum && !v.isBare(v.log[i].happening) || v.log[i].channel != m.channel {
			v.fault("message %s (%d.%d) was sent to %s with another content than %s", m.id, m.author, m.n, m.channel, v.log[i].happening)
		}
		by := line{m.author, m.channel}
		if before, some := last[by]; some && before > i {
			v.fault("message %s (%d.%d in %s) stands before one that its sender sent earlier", m.id, m.author, m.n, m.channel)
		}
		last[by] = i
	}
}

// checkMembers: who is a member at the end by the events is one by the API.
func (v *verdict) checkMembers() {
	for at, members := range v.truth.members {
		var live []string
		for user := range v.roster[at] {
			live = append(live, user)
		}
		slices.Sort(live)
		slices.Sort(members)
		if !slices.Equal(live, members) {
			v.fault("members of %v are %v by the events and %v by the API", at, live, members)
		}
	}
}

// checkMoves: each change of a membership is told once, and a member gets what was sent between
// the answer to its joining and the call that removes it.
func (v *verdict) checkMoves() {
	type change struct{ kind, channel, user string }
	told, asked := map[change]int{}, map[change]int{}
	for _, d := range v.log {
		told[change{d.kind, d.channel, d.id}]++
	}
	since := map[room]int64{} // of a user in a channel
	for _, m := range v.traffic.moved {
		user, h := suffix(v.traffic.users[m.user]), v.traffic.hallOf(m.channel)
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
			v.checkStay(m, user, from)
		}
	}
	for what, n := range asked {
		if told[what] != n {
			v.fault("%s of %s in %s happened %d times and was told %d times", what.kind, what.user, what.channel, n, told[what])
		}
	}
}

// checkStay looks for the messages of one stay of a member in a standard channel.
func (v *verdict) checkStay(m moved, user string, from int64) {
	for _, w := range v.watchers {
		if w.user != user {
			continue
		}
		got := map[string]bool{}
		for _, d := range w.got {
			if d.channel == m.channel {
				got[d.id] = true
			}
		}
		for _, s := range v.traffic.sent {
			if s.channel == m.channel && s.began > from && s.ended < m.began && !got[s.id] {
				v.fault("%s was a member of %s all the time that %s was sent and did not get it", w.name, m.channel, s.id)
			}
		}
	}
}
