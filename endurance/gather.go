package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/endurance/processing"
)

// sinks reads what all sinks have.
func (c *chatting) sinks(ctx context.Context) (list []processing.Sink, err error) {
	for _, read := range []func() (processing.Sink, error){
		func() (processing.Sink, error) { return readFolder(c.folder()) },
		func() (processing.Sink, error) { return readHook(filepath.Join(c.dir, "hook")) },
		func() (processing.Sink, error) { return readKafka(ctx, c.addresses["kafka"]) },
		func() (processing.Sink, error) { return readNATS(ctx, c.addresses["nats"]) },
	} {
		k, err := read()
		if err != nil {
			return nil, fmt.Errorf("reading the sink %s: %w", k.Name, err)
		}
		list = append(list, k)
	}
	return list, nil
}

// eventually waits until something holds for every session.
func (c *chatting) eventually(ctx context.Context, what string, holds func(*recorder) bool) error {
	return c.await(ctx, what, func() (without []string, err error) {
		for _, r := range c.recorders {
			if !holds(r) {
				without = append(without, r.name)
			}
		}
		return without, nil
	})
}

// await waits until nothing is without something.
func (c *chatting) await(ctx context.Context, what string, look func() (without []string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	for {
		without, err := look()
		if err != nil || len(without) == 0 {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %s, not for %v", errTooLong, what, without)
		}
		rest(ctx, 50*time.Millisecond)
	}
}

// settle waits until every message has its outcome and the bots have answered, and then until sessions and sinks have the last event
// of each channel, twice: a double that comes late comes before the second.
func (c *chatting) settle(ctx context.Context) error {
	err := c.await(ctx, "all parts are back", func() (without []string, err error) {
		for _, p := range c.parts {
			if !p.isUp() {
				without = append(without, p.name)
			}
		}
		return without, nil
	})
	if err != nil {
		return err
	}
	if err := c.eventually(ctx, "every message has its outcome", (*recorder).isIdle); err != nil {
		return err
	}
	answers, err := c.chatter.askLast(ctx) // a message that has its outcome later would be asked about later
	if err != nil {
		return err
	}
	if err := c.eventually(ctx, "the bots have answered", c.hasAll(answers)); err != nil {
		return err
	}
	if err := c.await(ctx, "the answers have their outcomes", func() ([]string, error) { return c.chatter.waitingAnswers(ctx) }); err != nil {
		return err
	}

	// The last event of a channel has all others before it.
	for round := range 2 {
		names, err := c.chatter.endAll(ctx, round)
		if err != nil {
			return err
		}
		if err := c.eventually(ctx, "the last events arrived", c.hasAll(names)); err != nil {
			return err
		}
		if err := c.await(ctx, "the last events are in the sinks", func() ([]string, error) { return c.sinksLack(ctx, names) }); err != nil {
			return err
		}
	}
	return nil
}

// hasAll is whether a session has what is due of the channels of its user.
func (c *chatting) hasAll(due map[*chat]string) func(*recorder) bool {
	return func(r *recorder) bool {
		var names []string
		for in, name := range due {
			if slices.ContainsFunc(in.members, func(m int) bool { return suffix(c.chatter.users[m]) == r.user }) {
				names = append(names, name)
			}
		}
		return r.hasNames(names)
	}
}

// sinksLack returns which names of channels are not in which sinks.
func (c *chatting) sinksLack(ctx context.Context, names map[*chat]string) (without []string, err error) {
	list, err := c.sinks(ctx)
	for _, k := range list {
		for _, name := range names {
			if !slices.ContainsFunc(k.Records, func(r processing.Record) bool { return r.Content == name }) {
				without = append(without, k.Name+": "+name)
			}
		}
	}
	return without, err
}

// gather is what was done and seen, but for what sessions were given.
func (c *chatting) gather(ctx context.Context) (h *processing.History, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	t := c.chatter
	h = &processing.History{Sends: t.sends, Edits: t.edits, Removals: t.removals, Sightings: t.sightings}
	for _, all := range t.elastic {
		h.Channels = append(h.Channels, t.channel(all))
	}
	for _, in := range t.chats {
		h.Channels = append(h.Channels, t.channel(in))
		for _, m := range in.members {
			list, err := t.listAll(ctx, in, m)
			if err != nil {
				return nil, err
			}
			h.Lists = append(h.Lists, list)
		}
	}
	for i := range t.sends {
		if !t.sends[i].Live {
			status, err := t.status(ctx, &t.sends[i])
			if err != nil {
				return nil, err
			}
			h.Statuses = append(h.Statuses, status)
		}
	}

	// What the others noted.
	if h.Sinks, err = c.sinks(ctx); err != nil {
		return nil, err
	}
	for _, p := range c.parts {
		h.Outages = append(h.Outages, p.absences()...)
	}
	for _, name := range []string{"filters", "mortal"} {
		err := eachLine(filepath.Join(c.dir, name, journalName), func(d decision) {
			switch {
			case d.Did != answered:
				h.Verdicts = append(h.Verdicts, d.Verdict)
			case d.Answered != http.StatusOK && d.Answered != http.StatusForbidden: // 403: it was given up
				c.victim.odd = append(c.victim.odd, fmt.Sprintf("the callback for %s was answered %d", d.Message, d.Answered))
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return h, nil
}

// channel is a chat as a history has it.
func (c *chatter) channel(in *chat) processing.Channel {
	ch := processing.Channel{ID: in.id(), Flow: in.flow, Bot: in.bot}
	for _, m := range in.members {
		ch.Members = append(ch.Members, suffix(c.users[m]))
	}
	return ch
}

// listAll is what a member lists of a channel at the end.
func (c *chatter) listAll(ctx context.Context, in *chat, member int) (processing.List, error) {
	list := processing.List{Channel: in.id(), User: suffix(c.users[member])}
	const all = "max-results=50&sort-order=ASCENDING"
	for query := all; query != ""; {
		var page struct {
			ChannelMessages []messagePayload
			NextToken       string
		}
		if err := c.call(ctx, http.MethodGet, in.path("/messages", query), c.users[member], nil, &page); err != nil {
			return list, err
		}
		for _, m := range page.ChannelMessages {
			list.Messages = append(list.Messages, m.shown(in.id()))
		}
		if query = ""; page.NextToken != "" {
			query = all + "&next-token=" + page.NextToken
		}
	}
	return list, nil
}

// status asks for the status of a message as its sender.
func (c *chatter) status(ctx context.Context, m *processing.Send) (processing.Status, error) {
	i := slices.IndexFunc(c.chats, func(in *chat) bool { return in.id() == m.Channel })
	by := slices.IndexFunc(c.users, func(arn string) bool { return suffix(arn) == m.Sender })
	var answer struct{ Status struct{ Value string } }
	err := c.call(ctx, http.MethodGet, c.chats[i].path("/messages/"+m.ID, "scope=message-status"), c.users[by], nil, &answer)
	return processing.Status{Message: m.ID, Value: answer.Status.Value}, unlessRefused(err)
}

// count prints how much there was of what.
func (c *chatting) count(h *processing.History) {
	deliveries := map[string]int{}
	for _, s := range h.Sessions {
		for _, e := range s.Events {
			deliveries[e.Kind]++
		}
	}

	resumed := 0
	for _, r := range c.recorders {
		resumed += r.counts.resumed
	}
	did := map[string]int{}
	for _, v := range h.Verdicts {
		did[v.Did]++
	}
	mentions, inSubs := 0, 0
	for _, m := range h.Sends {
		if m.Mentions {
			mentions++
		}
		if strings.Contains(m.Channel, processing.SubChannel) {
			inSubs++
		}
	}

	// What there was much of says what the run has shown.
	fmt.Fprintf(c.out, "sends acknowledged  %d\nin sub-channels     %d\nmentions of the bot %d\nedits accepted      %d\nremovals            %d\n", len(h.Sends), inSubs, mentions, c.chatter.edited, len(h.Removals))
	fmt.Fprintf(c.out, "shown in answers    %d\ndecisions           %v\ndeliveries          %v\nresumed             %d\n", len(h.Sightings), did, deliveries, resumed)
	for _, k := range h.Sinks {
		keys := map[string]bool{}
		for _, r := range k.Records {
			keys[r.Key] = true
		}
		fmt.Fprintf(c.out, "sink %-14s %d records of %d keys\n", k.Name, len(k.Records), len(keys))
	}
	for _, p := range c.parts {
		fmt.Fprintf(c.out, "starts of %-9s %d\n", p.name, p.starts)
		if text := p.log.String(); strings.Contains(text, "panic") || strings.Contains(text, "fatal error") {
			c.victim.odd = append(c.victim.odd, p.name+" said: "+text[:min(len(text), 4000)])
		}
	}
}

// keepStory writes down all that was done and seen, and when there were which faults.
func (c *chatting) keepStory(h *processing.History) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "history.json"), text, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.dir, "faults.txt"), []byte(strings.Join(c.nemesis.journal, "\n")+"\n"), 0o644)
}
