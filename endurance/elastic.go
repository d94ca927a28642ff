package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/carillon-chat/carillon/internal/lab"
)

// createElastic makes an elastic channel of small sub-channels.
func (w *worker) createElastic(ctx context.Context, id string, c *channel, r request) error {
	c.elastic = &shape{most: 4, target: 3, percent: 40}
	r.in["ElasticChannelConfiguration"] = object{
		"MaximumSubChannels": c.elastic.most, "TargetMembershipsPerSubChannel": c.elastic.target, "MinimumMembershipPercentage": c.elastic.percent,
	}
	r.done = func() []expected { w.channels[id] = c; return nil }
	if err := w.make(ctx, r); err != nil || w.channels[id] == nil {
		return err
	}
	subs, err := w.subChannels(ctx, c)
	if err == nil && len(subs) != 1 {
		err = w.fault(fmt.Errorf("a new channel has the sub-channels %v", subs))
	}
	if err == nil {
		c.places = []*place{newPlace(subs[0].SubChannelId)}
	}
	return err
}

type subChannel struct {
	SubChannelId    string
	MembershipCount int
}

// subChannels lists the sub-channels, the oldest first.
func (w *worker) subChannels(ctx context.Context, c *channel) ([]subChannel, error) {
	var out struct{ SubChannels []subChannel }
	err := w.Call(ctx, http.MethodGet, path(c, "subchannels"), w.user(keeper), nil, &out)
	if err != nil {
		err = w.fault(err)
	}
	return out.SubChannels, err
}

// elasticCall makes up a call about an elastic channel, and looks at the sub-channels after it.
func (w *worker) elasticCall(ctx context.Context, id string, c *channel) error {
	p := c.places[w.rnd.IntN(len(c.places))]
	switch n := w.rnd.IntN(100); {
	case n < 35:
		return w.send(ctx, c, p)
	case n < 42:
		return w.edit(ctx, c, p)
	case n < 46:
		return w.redact(ctx, c, p)
	case n < 49:
		return w.erase(ctx, c, p)
	}
	var err error
	switch n := w.rnd.IntN(10); {
	case n < 6:
		err = w.enter(ctx, c, p)
	case n < 9:
		err = w.exit(ctx, c, p)
	default:
		err = w.manage(ctx, id, c)
	}
	if err != nil || w.channels[id] == nil {
		return err
	}
	return w.balanced(ctx, c)
}

// balanced compares the sub-channels with the model's.
func (w *worker) balanced(ctx context.Context, c *channel) error {
	subs, err := w.subChannels(ctx, c)
	if err != nil {
		return err
	}
	var want []subChannel
	for _, p := range c.places {
		want = append(want, subChannel{p.sub, len(c.counted(p))})
	}
	if !slices.Equal(subs, want) {
		return w.fault(fmt.Errorf("%s has the sub-channels %v, by the rules %v", lastPart(c.arn), subs, want))
	}
	return nil
}

func (w *worker) enter(ctx context.Context, c *channel, p *place) error {
	by := w.likely(w.managers(c))
	who := w.likely(w.which(func(one string) bool { return c.moderators[one] || c.placeOf(one) == nil && !c.banned[one] }))
	if w.chance(4) {
		by = who
	}
	r := request{text: by + " adds " + who, method: http.MethodPost, path: path(c, "memberships"), by: by, in: object{"MemberArn": w.user(who), "Type": "DEFAULT"}, after: c.arn}

	// Moderators name the sub-channel that they enter; balancing finds one for the others.
	var at *place
	if c.moderators[who] {
		at = p
		r.in["SubChannelId"] = p.sub
		r.text += inSub(p.sub)
	}
	member := at != nil && len(p.among(who)) > 0 || at == nil && c.placeOf(who) != nil

	switch {
	case c.banned[who]:
		r.wrong = who + " is banned"
	case by != who && !c.manages(by):
		r.wrong = by + " may add nobody"
	}

	splits, accepted := at == nil && !member && c.splits(), false
	if splits && len(c.places) == c.elastic.most {
		r.wrong = "all is full"
	}
	r.done = func() []expected {
		if accepted = true; splits || member {
			return nil // the events of a split are noted below, when the id of the new sub-channel is known
		}
		return c.enter(by, who, at, nil)
	}

	if err := w.make(ctx, r); err != nil || !accepted || !splits {
		return err
	}

	// The call split the channel: its new sub-channel is the youngest.
	subs, err := w.subChannels(ctx, c)
	if err != nil {
		return err
	}
	if len(subs) != len(c.places)+1 {
		return w.fault(fmt.Errorf("all of %d sub-channels were full, now there are %d", len(c.places), len(subs)))
	}
	w.expect(w.latest, c.arn, c.enter(by, who, nil, newPlace(subs[len(subs)-1].SubChannelId)))
	return nil
}

func (w *worker) exit(ctx context.Context, c *channel, p *place) error {
	by, who := w.likely(w.managers(c)), w.likely(p.memberIDs())
	if w.chance(2) {
		by = who
	}
	sub := ""
	if c.moderators[who] && w.chance(2) {
		sub = p.sub
	}
	r := request{
		text: by + " removes " + who + inSub(sub), method: http.MethodDelete, path: within(path(c, "memberships", lab.Escape(w.user(who))), sub), by: by, after: c.arn,
		done: func() []expected {
			if sub == "" {
				return c.endAll(who)
			}
			if len(p.among(who)) == 0 {
				return nil
			}
			return c.leave(p, who)
		},
	}
	if by != who && !c.manages(by) {
		r.wrong = by + " may remove nobody"
	}
	return w.make(ctx, r)
}
