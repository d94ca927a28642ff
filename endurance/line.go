package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/carillon-chat/carillon/internal/lab"
)

// expected is one event as the rules have it: its recipients, and what it says in one line of text.
type expected struct {
	to   []string // ids of users, none twice
	line string
}

// kind is the type of the event, with its reason if it has one.
func (t expected) kind() string {
	kind, _, _ := strings.Cut(t.line, " ")
	if strings.Contains(t.line, reasonDeleted) {
		kind += " " + reasonDeleted
	}
	return kind
}

// reasonDeleted is the x-amz-chime-event-reason of a moderator's membership of a sub-channel that
// balancing has deleted.
const reasonDeleted = "subchannel_DELETED"

// note is one message.
type note struct {
	id, sender, target string // target: empty when it is for all
	kind, persistence  string
	status, content    string
	redacted           bool
	hidden             bool // past the retention of its app instance
	// senderGone and targetGone: the user was deleted, and the next of the same id is another.
	senderGone, targetGone bool
}

// by and to report whether a user is the sender or the target, and not the next user of the same id.
func (n *note) by(who string) bool { return n.sender == who && !n.senderGone }
func (n *note) to(who string) bool { return n.target == who && !n.targetGone }

func (n *note) line(event, sub string) string {
	text := fmt.Sprintf("%s %s%s %s %s of %s", event, n.kind, inSub(sub), n.id, n.persistence, n.sender)
	if n.target != "" {
		text += " to " + n.target
	}
	if n.redacted {
		text += " redacted"
	}
	return text + " " + n.status + ": " + n.content
}

func inSub(sub string) string {
	if sub == "" {
		return ""
	}
	return " in " + sub
}

// memberLine is the line of one membership, or of a batch of them.
func memberLine(event, reason, sub, kind, by string, who ...string) string {
	if reason != "" {
		event += " because of " + reason
	}
	return fmt.Sprintf("%s SYSTEM%s: %s as %s by %s", event, inSub(sub), strings.Join(who, ","), kind, by)
}

func channelLine(event, name string) string { return event + " SYSTEM: " + name }

// identity is the part of a payload that names a user.
type identity struct{ Arn, MemberArn string }

func (i identity) id() string { return lastPart(i.Arn + i.MemberArn) }

// lastPart of an ARN is the id.
func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// readEvent puts a frame into the words of the model, and returns its channel. Members of the payload
// that the rules do not decide are left out.
func readEvent(f lab.Frame) (channel, line string, err error) {
	var p struct {
		ChannelArn, SubChannelId  string
		MessageId, Content, Name  string
		Type, Persistence         string
		Redacted                  bool
		Sender, Member, InvitedBy identity
		Target, Members           []identity
		Status                    struct{ Value string }
	}
	if err := json.Unmarshal([]byte(f.Payload), &p); err != nil {
		return "", "", fmt.Errorf("the payload of %s: %w", f.Event(), err)
	}

	event, kind := f.Event(), f.Headers["x-amz-chime-message-type"]
	switch {
	case strings.HasSuffix(event, "_CHANNEL_MESSAGE"):
		n := note{id: p.MessageId, sender: p.Sender.id(), kind: kind, persistence: p.Persistence, status: p.Status.Value, content: p.Content, redacted: p.Redacted}
		for _, to := range p.Target {
			n.target += to.id()
		}
		line = n.line(event, p.SubChannelId)
	case len(p.Members) > 0:
		var who []string
		for _, m := range p.Members {
			who = append(who, m.id())
		}
		line = memberLine(event, f.Headers["x-amz-chime-event-reason"], p.SubChannelId, p.Type, p.InvitedBy.id(), who...)
	case strings.HasSuffix(event, "_MEMBERSHIP"):
		line = memberLine(event, f.Headers["x-amz-chime-event-reason"], p.SubChannelId, p.Type, p.InvitedBy.id(), p.Member.id())
	default:
		line = channelLine(event, p.Name)
	}

	// Only messages have a type of their own.
	if !strings.HasSuffix(event, "_CHANNEL_MESSAGE") && kind != "SYSTEM" {
		line += " as " + kind
	}
	return p.ChannelArn, line, nil
}
