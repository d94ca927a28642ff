package main

import (
	"cmp"
	"slices"
)

// shape is the configuration of an elastic channel (spec 6.8).
type shape struct {
	most, target, percent int // sub-channels, members of each, least percentage of the target
}

// least is how many members a sub-channel needs to stay while another has room for them.
func (s *shape) least() int { return (s.target*s.percent + 99) / 100 }

// counted are the members that balancing counts and moves: all but moderators, newest first.
func (c *channel) counted(p *place) (who []string) {
	for one := range p.members {
		if !c.moderators[one] {
			who = append(who, one)
		}
	}
	slices.SortFunc(who, func(a, b string) int { return cmp.Compare(p.members[b].order, p.members[a].order) })
	return who
}

// roomiest is the fullest place that has room for some more; the oldest of equals.
func (c *channel) roomiest(more int, except *place) (best *place) {
	for _, p := range c.places {
		n := len(c.counted(p))
		if p != except && n+more <= c.elastic.target && (best == nil || n > len(c.counted(best))) {
			best = p
		}
	}
	return best
}

// placeOf is the place of a user that is no moderator, nil when it is no member.
func (c *channel) placeOf(who string) *place {
	for _, p := range c.places {
		if _, is := p.members[who]; is {
			return p
		}
	}
	return nil
}

// splits reports whether one more member needs a new sub-channel.
func (c *channel) splits() bool { return c.roomiest(1, nil) == nil }

// enter makes a member of an elastic channel: a moderator where it says, others where there is
// room. When there is none, fresh is the new sub-channel, to which the newest of all others move.
func (c *channel) enter(by, who string, at, fresh *place) (t []expected) {
	if at == nil {
		if fresh != nil {
			full := slices.Clone(c.places)
			c.places = append(c.places, fresh)
			for i, p := range full {
				share := c.elastic.least() / len(full)
				if i < c.elastic.least()%len(full) {
					share++
				}
				newest := c.counted(p)
				for _, one := range newest[:min(share, len(newest))] {
					t = append(t, c.move(one, p, fresh))
				}
			}
		}
		at = c.roomiest(1, nil)
	}
	c.join(at, who, "DEFAULT", by)
	return append(t, expected{at.memberIDs(), memberLine("CREATE_CHANNEL_MEMBERSHIP", "", at.sub, "DEFAULT", by, who)})
}

// move moves a member, which alone gets the event.
func (c *channel) move(who string, from, to *place) expected {
	m := from.members[who]
	delete(from.members, who)
	to.members[who] = m
	return expected{[]string{who}, memberLine("UPDATE_CHANNEL_MEMBERSHIP", "", to.sub, m.kind, m.by, who)}
}

// leave ends one membership of an elastic channel and merges what has become too small.
func (c *channel) leave(p *place, who string) []expected {
	t := c.end(p, who)
	if c.moderators[who] {
		return t
	}
	return append(t, c.shrink()...)
}

// endAll ends all memberships of a user, the oldest first.
func (c *channel) endAll(who string) (t []expected) {
	var in []*place
	for _, p := range c.places {
		if _, is := p.members[who]; is {
			in = append(in, p)
		}
	}
	slices.SortFunc(in, func(a, b *place) int { return cmp.Compare(a.members[who].order, b.members[who].order) })
	for _, p := range in {
		t = append(t, c.leave(p, who)...)
	}
	return t
}

// shrink merges the smallest sub-channel, the youngest of equals, into one that has room for all of
// it, for as long as it is below the minimum. Its messages are gone, and its moderators get the end of
// their memberships.
func (c *channel) shrink() (t []expected) {
	for len(c.places) > 1 {
		small := c.places[0]
		for _, p := range c.places {
			if len(c.counted(p)) <= len(c.counted(small)) {
				small = p
			}
		}
		members := c.counted(small)
		into := c.roomiest(len(members), small)
		if len(members) >= c.elastic.least() || into == nil {
			return t
		}
		for _, who := range members {
			t = append(t, c.move(who, small, into))
		}
		for _, who := range small.memberIDs() {
			m := small.members[who]
			t = append(t, expected{[]string{who}, memberLine("DELETE_CHANNEL_MEMBERSHIP", reasonDeleted, small.sub, m.kind, m.by, who)})
		}
		c.places = slices.DeleteFunc(c.places, func(p *place) bool { return p == small })
	}
	return t
}

// promote makes a moderator, which has no membership of an elastic channel any more; demote does the
// reverse (spec 3.4).
func (c *channel) promote(who string) (t []expected) {
	if c.elastic != nil {
		t = c.endAll(who)
	}
	c.moderators[who] = true
	return t
}

func (c *channel) demote(who string) (t []expected) {
	if !c.moderators[who] {
		return nil
	}
	if c.elastic != nil {
		t = c.endAll(who)
	}
	delete(c.moderators, who)
	return t
}
