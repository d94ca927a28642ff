package main

import (
	"maps"
	"slices"
)

// channel is the model of a channel: the plain state behind the rules of spec 3 to 6 on the recipients
// of events. It knows nothing of stores, rosters or the server's code. Its methods carry out a call
// that was accepted and answer the events that it is to cause.
type channel struct {
	arn, name          string
	elastic            *shape // nil: a standard channel
	public, open       bool   // PUBLIC, UNRESTRICTED
	admins             map[string]bool
	moderators, banned map[string]bool
	flow               string   // the fallback action of its one processor, empty without a flow
	places             []*place // one, or the sub-channels of an elastic channel, oldest first
	joined             int      // memberships so far
}

// place is a standard channel or a sub-channel.
type place struct {
	sub     string // id of the sub-channel
	members map[string]membership
	notes   []*note // that are stored, oldest first
}

type membership struct {
	kind, by string
	order    int // of joining the channel
}

const hidden = "HIDDEN"

func newPlace(sub string) *place { return &place{sub: sub, members: map[string]membership{}} }

func newChannel(arn, name, creator string, admins map[string]bool) *channel {
	return &channel{arn: arn, name: name, admins: admins, moderators: map[string]bool{creator: true}, banned: map[string]bool{}}
}

func (c *channel) manages(who string) bool { return c.admins[who] || c.moderators[who] }

// all are the members, of any of the sub-channels.
func (c *channel) all() []string {
	all := map[string]bool{}
	for _, p := range c.places {
		for who := range p.members {
			all[who] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// memberIDs are the members of the place, sorted.
func (p *place) memberIDs() []string { return slices.Sorted(maps.Keys(p.members)) }

// among are those of the users that are members of the place, none twice.
func (p *place) among(who ...string) (members []string) {
	for _, one := range who {
		if _, is := p.members[one]; is && !slices.Contains(members, one) {
			members = append(members, one)
		}
	}
	return members
}

// sends reports whether a user may send to the place.
func (p *place) sends(who string) bool {
	m, is := p.members[who]
	return is && m.kind != hidden
}

// recipients are the users that get the events of a membership: all members, of a hidden one itself and the
// members that manage the channel (spec 3.5).
func (c *channel) recipients(p *place, kind string, about ...string) []string {
	if kind != hidden {
		return p.memberIDs()
	}
	var to []string
	for _, who := range p.memberIDs() {
		if c.manages(who) || slices.Contains(about, who) {
			to = append(to, who)
		}
	}
	return to
}

// begin makes the first members of a standard channel; each gets its own event alone.
func (c *channel) begin(by string, members ...string) (t []expected) {
	p := newPlace("")
	c.places = []*place{p}
	for _, who := range append([]string{by}, members...) {
		if _, is := p.members[who]; !is {
			c.join(p, who, "DEFAULT", by)
			t = append(t, expected{[]string{who}, memberLine("CREATE_CHANNEL_MEMBERSHIP", "", "", "DEFAULT", by, who)})
		}
	}
	return t
}

func (c *channel) join(p *place, who, kind, by string) {
	c.joined++
	p.members[who] = membership{kind, by, c.joined}
}

// add makes a member of a standard channel.
func (c *channel) add(by, who, kind string) []expected {
	p := c.places[0]
	c.join(p, who, kind, by)
	return []expected{{c.recipients(p, kind, who), memberLine("CREATE_CHANNEL_MEMBERSHIP", "", p.sub, kind, by, who)}}
}

// batch makes several. A hidden one gets its own event alone, unless it manages the channel.
func (c *channel) batch(by, kind string, who []string) (t []expected) {
	p := c.places[0]
	if len(who) == 0 {
		return nil
	}
	managers := c.recipients(p, hidden)
	for _, one := range who {
		c.join(p, one, kind, by)
		if kind == hidden && !c.manages(one) {
			t = append(t, expected{[]string{one}, memberLine("BATCH_CREATE_CHANNEL_MEMBERSHIP", "", "", kind, by, one)})
		} else if kind == hidden {
			managers = append(managers, one)
		}
	}
	to := p.memberIDs()
	if kind == hidden {
		to = managers
	}
	return append(t, expected{to, memberLine("BATCH_CREATE_CHANNEL_MEMBERSHIP", "", "", kind, by, who...)})
}

// end takes a membership away with an event to the others and the removed one.
func (c *channel) end(p *place, who string) []expected {
	m := p.members[who]
	t := expected{c.recipients(p, m.kind, who), memberLine("DELETE_CHANNEL_MEMBERSHIP", "", p.sub, m.kind, m.by, who)}
	delete(p.members, who)
	return []expected{t}
}

// remove ends the membership of a standard channel. To users that do not manage the channel, a hidden
// member does not exist.
func (c *channel) remove(by, who string) []expected {
	p := c.places[0]
	m, is := p.members[who]
	if !is || m.kind == hidden && by != who && !c.manages(by) {
		return nil
	}
	return c.end(p, who)
}

// forget takes every role away from a user that was deleted. The next user of the id has none of its
// messages.
func (c *channel) forget(who string) (t []expected) {
	for _, p := range c.places {
		for _, n := range p.notes {
			n.senderGone = n.senderGone || n.sender == who
			n.targetGone = n.targetGone || n.target == who
		}
	}
	if c.elastic != nil {
		t = c.endAll(who)
	} else {
		t = c.remove(who, who)
	}
	delete(c.moderators, who)
	delete(c.banned, who)
	return t
}

func (c *channel) ban(who string) []expected {
	c.banned[who] = true
	if c.elastic != nil {
		return c.endAll(who)
	}
	return c.remove(who, who)
}

func (c *channel) rename(name string) []expected {
	c.name = name
	return []expected{{c.all(), channelLine("UPDATE_CHANNEL", name)}}
}

func (c *channel) close() []expected {
	return []expected{{c.all(), channelLine("DELETE_CHANNEL", c.name)}}
}

// audience is the users that a message is for: all, or sender and target, and while a flow has it or has
// failed it the sender alone (spec 4.4).
func (p *place) audience(n *note) []string {
	if n.status == "SENT" && n.target == "" {
		return p.memberIDs()
	}
	var parties []string
	if !n.senderGone {
		parties = append(parties, n.sender)
	}
	if n.status == "SENT" && !n.targetGone {
		parties = append(parties, n.target)
	}
	return p.among(parties...)
}

// about is an event about a message, to its audience.
func (p *place) about(event string, n note) expected {
	return expected{p.audience(&n), n.line(event, p.sub)}
}

// pass takes a new or edited message through the flow of the channel, whose processors cannot be
// reached: the fallback action decides. operation is CREATE or UPDATE.
func (c *channel) pass(p *place, operation string, n *note) (t []expected) {
	event := operation + "_CHANNEL_MESSAGE"
	if n.status = "SENT"; c.flow != "" && n.kind == "STANDARD" {
		n.status = "PENDING"
		t = append(t, p.about("PENDING_"+event, *n))
		if n.status = "SENT"; c.flow == "ABORT" {
			n.status, event = "FAILED", "FAILED_"+event
		}
	}
	return append(t, p.about(event, *n))
}

func (c *channel) send(p *place, n *note) []expected {
	t := c.pass(p, "CREATE", n)
	if n.persistence == "PERSISTENT" {
		p.notes = append(p.notes, n)
	}
	return t
}

// edit changes a message, unless the flow fails the new version.
func (c *channel) edit(p *place, n *note, content string) []expected {
	edited := *n
	edited.content = content
	t := c.pass(p, "UPDATE", &edited)
	if edited.status == "SENT" {
		*n = edited
	}
	return t
}

func (p *place) redact(n *note) []expected {
	if n.redacted {
		return nil
	}
	n.redacted, n.content = true, ""
	return []expected{p.about("REDACT_CHANNEL_MESSAGE", *n)}
}

func (p *place) erase(n *note) []expected {
	i := slices.Index(p.notes, n)
	if i < 0 {
		return nil
	}
	p.notes = slices.Delete(p.notes, i, i+1)
	gone := *n
	gone.content = ""
	return []expected{p.about("DELETE_CHANNEL_MESSAGE", gone)}
}
