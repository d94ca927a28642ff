package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/lab"
)

// What a socket gets of its channels when it connects with prefetch (spec 4.7) is compared
// between rounds, when nothing changes: it has to be just what the user sees then.

const detailsMessages = 20

// details is what a user is to get of a place.
func (c *channel) details(p *place, who string) string {
	var messages []string
	more := false
	for _, n := range slices.Backward(p.notes) {
		if !n.by(who) && (n.status != "SENT" || n.target != "" && !n.to(who)) {
			continue
		}
		if n.hidden {
			break
		}
		if more = len(messages) == detailsMessages; more {
			break
		}
		messages = append(messages, fmt.Sprintf("%s of %s to %q %s redacted %v: %s", n.id, n.sender, n.target, n.status, n.redacted, n.content))
	}
	members := p.senders()
	if !p.sends(who) && !c.manages(who) { // hidden members see no members (rule l of spec 3.2)
		members = nil
	}
	return detailsLine(c.arn, p.sub, members, messages, more)
}

func detailsLine(arn, sub string, members, messages []string, more bool) string {
	slices.Sort(members)
	return fmt.Sprintf("%s%s with %s, more %v:\n    %s", lastPart(arn), inSub(sub), strings.Join(members, ","), more, strings.Join(messages, "\n    "))
}

// readDetails puts a CHANNEL_DETAILS into the words of the model.
func readDetails(f lab.Frame) (string, error) {
	var p struct {
		Channel         struct{ ChannelArn string }
		SubChannelId    string
		ChannelMessages []struct {
			MessageId, Content, SubChannelId string
			Sender                           identity
			Target                           []identity
			Status                           struct{ Value string }
			Redacted                         bool
		}
		ChannelMessagesHasMore bool
		ChannelMemberships     []struct{ Member identity }
	}
	if err := json.Unmarshal([]byte(f.Payload), &p); err != nil {
		return "", fmt.Errorf("the payload of %s: %w", f.Event(), err)
	}

	var members, messages []string
	for _, m := range p.ChannelMemberships {
		members = append(members, m.Member.id())
	}
	for _, m := range p.ChannelMessages {
		target := ""
		for _, to := range m.Target {
			target += to.id()
		}
		line := fmt.Sprintf("%s of %s to %q %s redacted %v: %s", m.MessageId, m.Sender.id(), target, m.Status.Value, m.Redacted, m.Content)
		if m.SubChannelId != p.SubChannelId {
			line += " in another sub-channel"
		}
		messages = append(messages, line)
	}
	return detailsLine(p.Channel.ChannelArn, p.SubChannelId, members, messages, p.ChannelMessagesHasMore), nil
}

// prefetch opens sockets with prefetch for some users and compares what they get.
func (run *isolation) prefetch(ctx context.Context, a *appInstance, fence *channel) error {
	for range 3 {
		who := a.users[run.rnd.IntN(len(a.users))]
		if a.gone[who] {
			continue
		}
		var due []string
		for _, c := range run.channelsOf(a, fence) {
			for _, p := range c.places {
				if len(p.among(who)) > 0 {
					due = append(due, c.details(p, who))
				}
			}
		}
		s, err := a.open(ctx, who, opening{details: len(due)})
		if err != nil {
			return err
		}
		slices.Sort(due)
		slices.Sort(s.details)
		for i, line := range s.details {
			if line != due[i] {
				return fmt.Errorf("%s is told of its channels\n  %s\nand not\n  %s", s, line, due[i])
			}
		}
		s.close()
	}
	return nil
}

func (run *isolation) channelsOf(a *appInstance, fence *channel) []*channel {
	all := []*channel{fence}
	for _, w := range run.workers {
		if w.appInstance == a {
			for _, c := range w.channels {
				all = append(all, c)
			}
		}
	}
	return all
}

// prefetched reads what the socket gets of its channels, one after the other.
func (s *socket) prefetched(ctx context.Context, count int) error {
	for len(s.details) < count {
		f, err := s.conn.Next(ctx)
		if err != nil {
			return fmt.Errorf("%s was told of %d of %d channels: %w", s, len(s.details), count, ended(err))
		}
		line, err := readDetails(f)
		if f.Event() != "CHANNEL_DETAILS" {
			err = fmt.Errorf("%s was told of %d of %d channels, then came %s", s, len(s.details), count, f.Event())
		}
		if err != nil {
			return err
		}
		s.details = append(s.details, line)
	}
	return nil
}
