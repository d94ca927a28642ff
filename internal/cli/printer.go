package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/client"
)

// printer writes events for reading: one line each, in color where that is wanted. Text from users
// cannot move the cursor or change the terminal.
type printer struct {
	events, notes    io.Writer
	color, noteColor bool
	online           map[string]map[string]bool // what presence events have shown of users, by channel

	mu sync.Mutex // notes come from the session as well
}

// Colors of ANSI terminals.
const (
	dim     = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	magenta = "35"
	cyan    = "36"
)

func paint(on bool, color, text string) string {
	if !on || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// note prints a line about the connection.
func (l *printer) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A note that cannot be written has no reader.
	_, _ = fmt.Fprintln(l.notes, paint(l.noteColor, dim, "* "+client.Printable(fmt.Sprintf(format, args...))))
}

// event writes an event: when, in which channel, what.
func (l *printer) event(e client.Event) error {
	what := l.what(e)
	if what == "" {
		return nil
	}
	line := paint(l.color, dim, at(e).Local().Format(time.TimeOnly))
	if channel := channelOf(e); channel != "" {
		line += " " + paint(l.color, cyan, "#"+client.Printable(last(channel)))
	}
	_, err := fmt.Fprintln(l.events, line+" "+what)
	return err
}

// at is when the event happened, or now when the event has no time.
func at(e client.Event) time.Time {
	when := client.Time{}
	switch d := e.Data.(type) {
	case *client.ChannelMessage:
		when = d.LastUpdatedTimestamp
	case *client.Channel:
		when = d.LastUpdatedTimestamp
	case *client.ChannelMembership:
		when = d.LastUpdatedTimestamp
	}
	if when.IsZero() {
		return time.Now()
	}
	return when.Time
}

// what describes the event; empty for what note has printed.
func (l *printer) what(e client.Event) string {
	switch d := e.Data.(type) {
	case *client.ChannelMessage:
		return l.message(e.Type, d)
	case *client.Channel:
		if e.Type == client.EventDeleteChannel {
			return l.mark(red, "channel deleted: ") + client.Printable(d.Name)
		}
		return l.mark(yellow, "channel updated: ") + client.Printable(d.Name)
	case *client.ChannelMembership:
		return l.membership(e.Type, d)
	case *client.BatchChannelMemberships:
		names := make([]string, len(d.Members))
		for i := range d.Members {
			names[i] = l.name(&d.Members[i])
		}
		return l.mark(green, "joined: ") + strings.Join(names, ", ")
	case *client.Typing:
		return l.name(&d.Sender) + l.mark(dim, " is typing")
	case *client.UnreadCount:
		return l.mark(dim, "unread: ") + strconv.Itoa(d.UnreadCount)
	case *client.Presence:
		return l.presence(d)
	case *client.Resumed, *client.NotResumed:
		return ""
	}

	if e.Type == client.EventSessionEstablished {
		return ""
	}
	return l.mark(magenta, client.Printable(e.Type)) + " " + client.Printable(e.Payload)
}

func (l *printer) message(typ string, m *client.ChannelMessage) string {
	text, mark := client.Printable(spoken(m)), ""
	switch typ {
	case client.EventCreateChannelMessage:
		if m.Type == client.ChannelMessageTypeControl {
			mark = l.mark(dim, "control ")
		}
	case client.EventUpdateChannelMessage:
		mark = l.mark(yellow, "edited ")
	case client.EventRedactChannelMessage:
		mark, text = l.mark(red, "redacted "), client.Printable(m.MessageID)
	case client.EventDeleteChannelMessage:
		mark, text = l.mark(red, "deleted "), client.Printable(m.MessageID)
	default: // PENDING, FAILED and DENIED
		state, _, _ := strings.Cut(typ, "_")
		mark = l.mark(magenta, strings.ToLower(state)+" ")
	}
	return mark + l.name(m.Sender) + ": " + text
}

// spoken is the text of a message; of one of a bot that of the messages in it.
func spoken(m *client.ChannelMessage) string {
	var said struct {
		Messages []struct {
			Content           string
			ImageResponseCard struct{ Title, Subtitle string }
		}
	}
	if m.ContentType != "application/amz-chime-lex-msgs" || json.Unmarshal([]byte(m.Content), &said) != nil {
		return m.Content
	}
	var texts []string
	for _, part := range said.Messages {
		for _, text := range []string{part.Content, part.ImageResponseCard.Title, part.ImageResponseCard.Subtitle} {
			if text != "" {
				texts = append(texts, text)
			}
		}
	}
	return strings.Join(texts, " ")
}

func (l *printer) membership(typ string, m *client.ChannelMembership) string {
	switch typ {
	case client.EventCreateChannelMembership:
		return l.mark(green, "joined: ") + l.name(m.Member)
	case client.EventDeleteChannelMembership:
		return l.mark(red, "left: ") + l.name(m.Member)
	}
	return l.mark(yellow, "moved to sub-channel ") + client.Printable(m.SubChannelID) + ": " + l.name(m.Member)
}

// presence describes which users came online and which went. What an earlier event has shown is
// left out.
func (l *printer) presence(p *client.Presence) string {
	key := p.ChannelARN + p.SubChannelID
	shown, again := l.online[key]
	if l.online == nil {
		l.online = make(map[string]map[string]bool)
	}
	if shown == nil {
		shown = make(map[string]bool)
		l.online[key] = shown
	}

	change := func(users []string, online bool) (changed []string) {
		for _, user := range users {
			if was, known := shown[user]; !known || was != online {
				changed = append(changed, user)
			}
			shown[user] = online
		}
		return changed
	}

	came, went := change(p.Online, true), change(p.Offline, false)
	if again && len(came)+len(went) == 0 {
		return ""
	}
	return l.mark(dim, "online: ") + strconv.Itoa(p.OnlineCount) + changes(" +", came) + changes(" -", went)
}

func (l *printer) mark(color, text string) string { return paint(l.color, color, text) }

func (l *printer) name(who *client.Identity) string {
	switch {
	case who == nil:
		return "?"
	case who.Name == "":
		return l.mark(green, client.Printable(last(who.ARN)))
	}
	return l.mark(green, client.Printable(who.Name))
}

func changes(sign string, arns []string) (text string) {
	for _, arn := range arns {
		text += sign + client.Printable(last(arn))
	}
	return text
}

// last is the id at the end of an ARN.
func last(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }
