package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/internal/lab"
)

// create makes a channel of the worker.
func (w *worker) create(ctx context.Context, id string) error {
	by := w.one(w.users)
	c := newChannel(w.channel(id), w.text(), by, w.admins)
	in := object{"AppInstanceArn": w.arn, "ChannelId": id, "Name": c.name, "ClientRequestToken": uuid.NewString(), "Privacy": "PRIVATE", "Mode": "RESTRICTED"}
	if c.public = w.chance(2); c.public {
		in["Privacy"] = "PUBLIC"
	}
	r := request{text: by + " makes " + id, method: http.MethodPost, path: "/channels", by: by, in: in, after: c.arn}
	if w.elastic {
		return w.createElastic(ctx, id, c, r)
	}
	if c.open = w.chance(2); c.open {
		in["Mode"] = "UNRESTRICTED"
	}
	with := []string{w.one(w.users), w.one(w.users)}
	in["MemberArns"] = w.userARNs(with)
	r.done = func() []expected {
		w.channels[id] = c
		return c.begin(by, with...)
	}
	return w.make(ctx, r)
}

// standardCall makes up a call about a standard channel.
func (w *worker) standardCall(ctx context.Context, id string, c *channel) error {
	switch n := w.rnd.IntN(100); {
	case n < 42:
		return w.send(ctx, c, c.places[0])
	case n < 50:
		return w.edit(ctx, c, c.places[0])
	case n < 54:
		return w.redact(ctx, c, c.places[0])
	case n < 58:
		return w.erase(ctx, c, c.places[0])
	case n < 68:
		return w.add(ctx, c)
	case n < 73:
		return w.batch(ctx, c)
	case n < 83:
		return w.leave(ctx, c)
	}
	return w.manage(ctx, id, c)
}

// manage is a call that only moderators and admins may make.
func (w *worker) manage(ctx context.Context, id string, c *channel) error {
	by, who := w.likely(w.managers(c)), w.one(w.users)
	r := request{by: by, after: c.arn}
	if !c.manages(by) {
		r.wrong = "only moderators and admins may"
	}

	// Each case fills in the call and what it does to the model.
	switch n := w.rnd.IntN(34); {
	case n < 8:
		r.text, r.method, r.path, r.in = by+" bans "+who, http.MethodPost, path(c, "bans"), object{"MemberArn": w.user(who)}
		r.done = func() []expected { return c.ban(who) }
		if c.manages(who) {
			r.wrong = "managers cannot be banned"
		}
	case n < 14:
		r.text, r.method, r.path = by+" ends the ban of "+who, http.MethodDelete, path(c, "bans", lab.Escape(w.user(who)))
		r.done = func() []expected { delete(c.banned, who); return nil }
	case n < 20:
		r.text, r.method, r.path, r.in = by+" promotes "+who, http.MethodPost, path(c, "moderators"), object{"ChannelModeratorArn": w.user(who)}
		r.done = func() []expected { return c.promote(who) }
		if c.banned[who] {
			r.wrong = who + " is banned"
		}
	case n < 24:
		r.text, r.method, r.path = by+" demotes "+who, http.MethodDelete, path(c, "moderators", lab.Escape(w.user(who)))
		r.done = func() []expected { return c.demote(who) }
	case n < 28:
		name := w.text()
		r.text, r.method, r.path, r.in = by+" renames "+id, http.MethodPut, path(c), object{"Name": name}
		r.done = func() []expected { return c.rename(name) }
	case n < 33:
		return w.changeFlow(ctx, c, r)
	default:
		r.text, r.method, r.path = by+" deletes "+id, http.MethodDelete, path(c)
		r.done = func() []expected { delete(w.channels, id); return c.close() }
	}

	return w.make(ctx, r)
}

func (w *worker) changeFlow(ctx context.Context, c *channel, r request) error {
	if c.flow != "" {
		r.text, r.method, r.path = r.by+" ends the flow", http.MethodDelete, path(c, "channel-flow", lab.Escape(w.flows[c.flow]))
		r.done = func() []expected { c.flow = ""; return nil }
		return w.make(ctx, r)
	}
	fallback := w.one([]string{"CONTINUE", "ABORT"})
	r.text, r.method, r.path, r.in = r.by+" sets the flow "+fallback, http.MethodPut, path(c, "channel-flow"), object{"ChannelFlowArn": w.flows[fallback]}
	r.done = func() []expected { c.flow = fallback; return nil }
	return w.make(ctx, r)
}

func (w *worker) kind() string {
	if w.chance(4) {
		return hidden
	}
	return "DEFAULT"
}

// barred says why a user cannot be made a member; empty when it can.
func (c *channel) barred(by, who, kind string) string {
	switch {
	case c.banned[who]:
		return who + " is banned"
	case kind == hidden && !c.manages(by):
		return by + " does not manage the channel"
	case by != who && !c.manages(by) && (!c.open || !c.places[0].sends(by)):
		return by + " may add nobody"
	case by == who && !c.manages(by) && !c.public && len(c.places[0].among(by)) == 0:
		return "the channel is private"
	}
	m, is := c.places[0].members[who]
	if is && m.kind != kind && (m.kind != hidden || by == who || c.manages(by)) {
		return who + " is a member of another type"
	}
	return ""
}

func (w *worker) add(ctx context.Context, c *channel) error {
	by, who, kind := w.likely(w.managers(c)), w.one(w.users), w.kind()
	if w.chance(4) {
		by = who
	}
	return w.make(ctx, request{
		text: fmt.Sprintf("%s adds %s as %s", by, who, kind), method: http.MethodPost, path: path(c, "memberships"), by: by,
		in: object{"MemberArn": w.user(who), "Type": kind}, wrong: c.barred(by, who, kind), after: c.arn,
		done: func() []expected {
			if len(c.places[0].among(who)) > 0 { // it stays as it is
				return nil
			}
			return c.add(by, who, kind)
		},
	})
}

// batch takes the added members from the answer.
func (w *worker) batch(ctx context.Context, c *channel) error {
	by, kind := w.likely(w.managers(c)), w.kind()
	who := []string{w.one(w.users), w.one(w.users), w.one(w.users)}
	var out struct{ BatchChannelMemberships struct{ Members []identity } }
	return w.make(ctx, request{
		text: fmt.Sprintf("%s adds %v as %s", by, who, kind), method: http.MethodPost, path: path(c, "memberships") + "?operation=batch-create", by: by,
		in: object{"MemberArns": w.userARNs(who), "Type": kind}, out: &out, after: c.arn,
		done: func() []expected {
			var added []string
			for _, m := range out.BatchChannelMemberships.Members {
				if c.barred(by, m.id(), kind) == "" && len(c.places[0].among(m.id())) == 0 { // others are faults
					added = append(added, m.id())
				}
			}
			return c.batch(by, kind, added)
		},
	})
}

func (w *worker) leave(ctx context.Context, c *channel) error {
	by, who := w.likely(w.managers(c)), w.likely(c.all())
	if w.chance(2) {
		by = who
	}
	r := request{
		text: by + " removes " + who, method: http.MethodDelete, path: path(c, "memberships", lab.Escape(w.user(who))), by: by, after: c.arn,
		done: func() []expected { return c.remove(by, who) },
	}
	if by != who && !c.manages(by) && (!c.open || !c.places[0].sends(by)) {
		r.wrong = by + " may remove nobody"
	}
	return w.make(ctx, r)
}

// senders are the members of a place that may send.
func (p *place) senders() []string {
	return slices.DeleteFunc(p.memberIDs(), func(who string) bool { return !p.sends(who) })
}

// send sends a message of any kind, at times with the token of one that was sent before.
func (w *worker) send(ctx context.Context, c *channel, p *place) error {
	by := w.likely(p.senders())
	n := &note{sender: by, kind: "STANDARD", persistence: "PERSISTENT", content: w.text()}
	if w.chance(6) {
		n.kind = "CONTROL"
	}
	if w.chance(5) {
		n.persistence = "NON_PERSISTENT"
	}

	in := object{"Content": n.content, "Type": n.kind, "Persistence": n.persistence, "ClientRequestToken": uuid.NewString()}
	if w.chance(4) {
		n.target = w.likely(p.senders())
		in["Target"] = []object{{"MemberArn": w.user(n.target)}}
	}
	if p.sub != "" {
		in["SubChannelId"] = p.sub
	}

	var out struct{ MessageId string }
	r := request{
		text: fmt.Sprintf("%s sends %s %s to %q%s", by, n.persistence, n.content, n.target, inSub(p.sub)), method: http.MethodPost, path: path(c, "messages"),
		by: by, in: in, out: &out, after: c.arn,
		done: func() []expected { n.id = out.MessageId; return c.send(p, n) },
	}

	switch {
	case !p.sends(by):
		r.wrong = by + " is no member that may send there"
	case n.target != "" && !p.sends(n.target):
		r.wrong = n.target + " cannot be a target there"
	}

	// The same token again sends nothing and causes no event.
	if err := w.make(ctx, r); err != nil || n.id == "" || !w.chance(10) {
		return err
	}
	r.text, r.done = "again: "+r.text, nil
	return w.make(ctx, r)
}

// some is one of the latest messages of a place; nil when there is none.
func (w *worker) some(p *place) *note {
	if len(p.notes) == 0 {
		return nil
	}
	latest := p.notes[max(0, len(p.notes)-10):]
	return latest[w.rnd.IntN(len(latest))]
}

func (w *worker) edit(ctx context.Context, c *channel, p *place) error {
	n := w.some(p)
	if n == nil {
		return w.send(ctx, c, p)
	}
	by, content := w.likely([]string{n.sender}), w.text()
	in := object{"Content": content}
	if p.sub != "" {
		in["SubChannelId"] = p.sub
	}

	r := request{
		text: fmt.Sprintf("%s edits %s of %s%s", by, n.content, n.sender, inSub(p.sub)), method: http.MethodPut, path: path(c, "messages", n.id),
		by: by, in: in, after: c.arn, done: func() []expected { return c.edit(p, n, content) },
	}

	switch {
	case !n.by(by):
		r.wrong = "it is not the sender"
	case n.redacted:
		r.wrong = "it is redacted"
	case n.hidden:
		r.wrong = "it is past its retention"
	case n.status != "SENT":
		r.wrong = "it has the status " + n.status
	case !p.sends(by) && (c.elastic != nil || !c.manages(by)):
		r.wrong = "the sender has left"
	}
	return w.make(ctx, r)
}

func (w *worker) redact(ctx context.Context, c *channel, p *place) error {
	n := w.some(p)
	if n == nil {
		return w.send(ctx, c, p)
	}
	by := w.likely(append(w.managers(c), n.sender))
	in := object{}
	if p.sub != "" {
		in["SubChannelId"] = p.sub
	}
	r := request{
		text: fmt.Sprintf("%s redacts %s of %s%s", by, n.content, n.sender, inSub(p.sub)), method: http.MethodPost, path: path(c, "messages", n.id) + "?operation=redact",
		by: by, in: in, after: c.arn, done: func() []expected { return p.redact(n) },
	}
	switch {
	case !n.by(by) && (!c.manages(by) || n.target != "" && !n.to(by)):
		r.wrong = "it is not the sender's or a manager's who sees it"
	case n.hidden:
		r.wrong = "it is past its retention"
	case n.status != "SENT":
		r.wrong = "it has the status " + n.status
	}
	return w.make(ctx, r)
}

func (w *worker) erase(ctx context.Context, c *channel, p *place) error {
	n := w.some(p)
	if n == nil {
		return w.send(ctx, c, p)
	}
	by := w.likely(w.which(func(who string) bool { return w.admins[who] }))
	r := request{
		text: fmt.Sprintf("%s deletes %s of %s%s", by, n.content, n.sender, inSub(p.sub)), method: http.MethodDelete,
		path: within(path(c, "messages", n.id), p.sub), by: by, after: c.arn, done: func() []expected { return p.erase(n) },
	}
	if !w.admins[by] {
		r.wrong = by + " is no admin"
	}
	return w.make(ctx, r)
}
