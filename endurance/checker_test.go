package main

import (
	"slices"
	"strings"
	"testing"
)

// aRun is a small run in which all is well: three users in a channel that the third leaves and
// comes back to, and one user with two sessions.
func aRun() ([]*watcher, *traffic, *truth) {
	h := &workloadChannel{arn: "x/c1", stay: []int{0, 1}, move: []int{2}, owner: "x/ann"}
	t := &traffic{workload: &workload{users: []string{"x/ann", "x/bob", "x/cy"}, channels: []*workloadChannel{h}}}
	event := func(position uint64, kind, id string) delivery {
		return delivery{position, happening{kind: kind, channel: "c1", id: id, sum: sum(id)}}
	}
	message := func(position uint64, id string) delivery { return event(position, "CREATE_CHANNEL_MESSAGE", id) }
	all := []delivery{
		event(3, "CREATE_CHANNEL_MEMBERSHIP", "ann"),
		event(4, "BATCH_CREATE_CHANNEL_MEMBERSHIP", "bob cy"),
		message(5, "m1"),
		message(7, "m2"),
		event(8, "DELETE_CHANNEL_MEMBERSHIP", "cy"),
		message(9, "m3"),
		event(11, "CREATE_CHANNEL_MEMBERSHIP", "cy"),
		message(12, "m4"),
	}
	var watchers []*watcher
	for i, user := range []string{"ann", "bob", "cy", "bob"} {
		w := newWatcher("session-"+string(rune('0'+i)), user)
		for _, d := range all {
			if user != "ann" && d.position == 3 || user == "cy" && d.position == 9 {
				continue
			}
			w.got = append(w.got, d)
		}
		watchers = append(watchers, w)
	}
	says := &truth{history: map[room][]stored{}, members: map[room][]string{{"c1", ""}: {"bob", "ann", "cy"}}}
	for i, id := range []string{"m1", "m2", "m3", "m4"} {
		says.history[room{"c1", ""}] = append(says.history[room{"c1", ""}], stored{id, sum(id)})
		began := int64(10 * (i + 1))
		t.sent = append(t.sent, sent{id: id, channel: "c1", sum: sum(id), n: i, began: began, ended: began + 1})
	}
	t.moved = []moved{{"c1", 2, false, 25, 26}, {"c1", 2, true, 35, 36}}
	return watchers, t, says
}

// remove takes the event at a position from a session.
func remove(w *watcher, position uint64) {
	w.got = slices.DeleteFunc(w.got, func(d delivery) bool { return d.position == position })
}

func find(w *watcher, position uint64) int {
	return slices.IndexFunc(w.got, func(d delivery) bool { return d.position == position })
}

func TestVerdict(t *testing.T) {
	c1 := room{"c1", ""}
	for _, c := range []struct {
		name, want string
		spoil      func(w []*watcher, t *traffic, says *truth)
	}{
		{"all is well", "", func([]*watcher, *traffic, *truth) {}},
		{"lost for one session", "session-1 (bob) did not get: 7",
			func(w []*watcher, _ *traffic, _ *truth) { remove(w[1], 7) }},
		{"lost at the end", "session-3 (bob) did not get: 12",
			func(w []*watcher, _ *traffic, _ *truth) { remove(w[3], 12) }},
		{"doubled", "session-1 (bob) got twice, after 7: 7", func(w []*watcher, _ *traffic, _ *truth) {
			i := find(w[1], 7)
			w[1].got = slices.Insert(w[1].got, i, w[1].got[i])
		}},
		{"doubled later", "session-1 (bob) got twice, after 12: 5", func(w []*watcher, _ *traffic, _ *truth) {
			w[1].got = append(w[1].got, w[1].got[find(w[1], 5)])
		}},
		{"out of order", "session-0 (ann) did not get: 5", func(w []*watcher, _ *traffic, _ *truth) {
			i, j := find(w[0], 5), find(w[0], 7)
			w[0].got[i], w[0].got[j] = w[0].got[j], w[0].got[i]
		}},
		{"after its removal", "session-2 (cy) got what is not for it: 9", func(w []*watcher, _ *traffic, _ *truth) {
			w[2].got = slices.Insert(w[2].got, find(w[2], 11), w[0].got[find(w[0], 9)])
		}},
		{"another content", `position 5 is "CREATE_CHANNEL_MESSAGE c1 m1"`, func(w []*watcher, _ *traffic, _ *truth) {
			w[3].got[find(w[3], 5)].sum++
		}},
		{"lost for all and in history", "history of {c1 } has m2 at place 1, where sessions got m3",
			func(w []*watcher, _ *traffic, _ *truth) {
				for _, one := range w {
					remove(one, 7)
				}
			}},
		{"lost for all, history too", "message m2 (0.1 in c1) was acknowledged and nobody got it",
			func(w []*watcher, _ *traffic, says *truth) {
				for _, one := range w {
					remove(one, 7)
				}
				says.history[c1] = slices.Delete(says.history[c1], 1, 2)
			}},
		{"missing in history", "sessions got 4 messages in {c1 }, history has 3",
			func(_ []*watcher, _ *traffic, says *truth) { says.history[c1] = says.history[c1][:3] }},
		{"history in another order", "history of {c1 } has m3 at place 1, where sessions got m2",
			func(_ []*watcher, _ *traffic, says *truth) { slices.Reverse(says.history[c1][1:3]) }},
		{"sent in another order", "message m2 (0.1 in c1) stands before one that its sender sent earlier",
			func(_ []*watcher, t *traffic, _ *truth) { slices.Reverse(t.sent[1:3]) }},
		{"not a member at the end", "members of {c1 } are [ann bob cy] by the events and [ann bob] by the API",
			func(_ []*watcher, _ *traffic, says *truth) { says.members[c1] = []string{"ann", "bob"} }},
		{"joined too late", "session-2 was a member of c1 all the time that m4 was sent and did not get it",
			func(w []*watcher, t *traffic, says *truth) {
				for _, one := range w { // as if m4 had come before the joining
					i, j := find(one, 11), find(one, 12)
					one.got[i].happening, one.got[j].happening = one.got[j].happening, one.got[i].happening
				}
				remove(w[2], 11)
				t.moved = append(t.moved, moved{"c1", 2, false, 50, 51}, moved{"c1", 2, true, 52, 53})
			}},
		{"a change that nobody was told of", "DELETE_CHANNEL_MEMBERSHIP of cy in c1 happened 2 times and was told 1 times",
			func(_ []*watcher, t *traffic, _ *truth) { t.moved = append(t.moved, moved{"c1", 2, false, 60, 61}) }},
		{"not resumed", "session-1 was not resumed: EXPIRED",
			func(w []*watcher, _ *traffic, _ *truth) { w[1].notResumed("EXPIRED") }},
		{"an event without a position", "session-1 got CREATE_CHANNEL_MESSAGE without a position",
			func(w []*watcher, _ *traffic, _ *truth) {
				w[1].deliver(map[string]string{"x-amz-chime-event-type": "CREATE_CHANNEL_MESSAGE"}, "{}")
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			watchers, traffic, says := aRun()
			c.spoil(watchers, traffic, says)
			faults := judge(watchers, traffic, says)
			if c.want == "" && len(faults) > 0 || !slices.ContainsFunc(append(faults, ""), func(f string) bool { return strings.HasPrefix(f, c.want) }) {
				t.Errorf("found %q\nwant %q", faults, c.want)
			}
		})
	}
}

// TestVerdictOnSubChannels follows a member that balancing moves.
func TestVerdictOnSubChannels(t *testing.T) {
	event := func(position uint64, kind, sub, id string) delivery {
		return delivery{position, happening{kind: kind, channel: "c1", sub: sub, id: id}}
	}
	log := []delivery{
		event(1, "CREATE_CHANNEL_MEMBERSHIP", "s1", "ann"),
		event(2, "CREATE_CHANNEL_MEMBERSHIP", "s2", "bob"),
		event(3, "CREATE_CHANNEL_MESSAGE", "s1", "m1"),
		event(4, "UPDATE_CHANNEL_MEMBERSHIP", "s2", "ann"),
		event(5, "CREATE_CHANNEL_MESSAGE", "s2", "m2"),
	}
	ann, bob := newWatcher("a", "ann"), newWatcher("b", "bob")
	ann.got = []delivery{log[0], log[2], log[3], log[4]}
	bob.got = []delivery{log[1], log[4]}
	said := &truth{history: map[room][]stored{{"c1", "s2"}: {{id: "m2"}}}, members: map[room][]string{{"c1", "s2"}: {"ann", "bob"}}}
	if faults := judge([]*watcher{ann, bob}, &traffic{}, said); len(faults) > 0 {
		t.Error(faults)
	}
	bob.got = []delivery{log[1], log[3], log[4]}
	if faults := judge([]*watcher{ann, bob}, &traffic{}, said); len(faults) != 1 || !strings.HasPrefix(faults[0], "b (bob) got what is not for it: 4") {
		t.Error(faults)
	}
}
