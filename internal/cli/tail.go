package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/client"
	"github.com/carillon-chat/carillon/internal/config"
)

// extras are those that a session can have.
var extras = []client.Extra{client.ExtraPresence, client.ExtraTyping, client.ExtraUnread}

// tailed is the input of tail.
type tailed struct {
	as       asUser
	channels []string // ARNs; none for all
	extras   []string
	json     bool
	color    string
}

func (p Program) tail() *cobra.Command {
	c := &cobra.Command{
		Use: "tail --user USER [--channel CHANNEL]...", Short: "Print what a user's WebSocket receives, as it happens", Args: noArguments,
		Long: `Print the events that a user receives, as they happen, until Ctrl-C. A lost connection is opened
again, and what happened meanwhile is printed then; what cannot be had any more is said.

` + foundServer,
		Example: `  carillon tail --user alice
  carillon tail --user alice --channel general --json | jq .Payload.Content`,
	}

	var q tailed
	q.as.flags(c)
	f := c.Flags()
	f.StringArrayVar(&q.channels, "channel", nil, "ARN or id of a channel to which the output is limited. May be repeated.")
	f.StringSliceVar(&q.extras, "extras", nil, "Events besides those of AWS: presence, typing, unread. The app instance must have them switched on.")
	f.BoolVar(&q.json, "json", false, "Print each event as a line of JSON.")
	f.StringVar(&q.color, "color", "auto", "auto, always or never. auto has colors in a terminal, unless NO_COLOR is set.")

	c.RunE = func(c *cobra.Command, _ []string) error {
		if !slices.Contains([]string{"auto", "always", "never"}, q.color) {
			return usageError{fmt.Errorf("invalid --color %q: must be auto, always or never", q.color)}
		}
		if unknown := lacking(q.extras, extras); len(unknown) > 0 {
			return usageError{fmt.Errorf("invalid --extras %q: must be presence, typing or unread%s", unknown[0], config.Suggestion(unknown[0], []string{"presence", "typing", "unread"}))}
		}

		at, caller, err := p.open(c.Context(), &q.as)
		if err != nil {
			return err
		}
		defer caller.CloseIdleConnections()
		for i, channel := range q.channels {
			q.channels[i] = channelARN(q.as.user, channel)
		}
		return p.follow(c.Context(), at, caller, q)
	}
	return c
}

// follow prints events until ctx ends, which is a clean end, or the session does.
func (p Program) follow(ctx context.Context, at server, c *client.Client, q tailed) error {
	lines := printer{events: p.Stdout, notes: p.Stderr, color: p.colors(q.color, p.Stdout), noteColor: p.colors(q.color, p.Stderr)}
	cfg := client.SessionConfig{
		UserARN: q.as.user, Reconnect: &client.Reconnect{}, // for ever
		OnDisconnect: func(err error, wait time.Duration) {
			lines.note("%v; connecting again in %s", at.explain(err), wait.Round(100*time.Millisecond))
		},
	}

	for _, name := range q.extras {
		cfg.Extras = append(cfg.Extras, client.Extra(name))
	}

	session, err := c.Connect(ctx, cfg)
	if err == nil {
		defer session.Close()
		lines.memberships(ctx, c, q)
		err = lines.all(ctx, session, q)
	}

	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		return nil // Ctrl-C
	}
	return at.explain(err)
}

// memberships notes from which channels nothing will come, as long as that is so.
func (l *printer) memberships(ctx context.Context, c *client.Client, q tailed) {
	for _, channel := range q.channels {
		_, err := c.DescribeChannelMembershipForAppInstanceUser(ctx, &client.DescribeChannelMembershipForAppInstanceUserRequest{
			ChannelARN: channel, AppInstanceUserARN: q.as.user,
		})
		var refused *client.Error
		if !errors.As(err, &refused) {
			continue
		}
		switch refused.Code {
		case "ForbiddenException", "NotFoundException":
			l.note("#%s does not exist, or %s is no member of it; nothing of it is received until that changes", last(channel), last(q.as.user))
		default:
			l.note("whether %s is a member of #%s cannot be told: %v", last(q.as.user), last(channel), refused)
		}
	}
}

func (l *printer) all(ctx context.Context, session *client.Session, q tailed) error {
	for e, err := range session.Events(ctx) {
		if err != nil {
			return err
		}
		l.session(e, q)
		if e.Type == client.EventResumeToken || len(q.channels) > 0 && !slices.Contains(q.channels, channelOf(e)) {
			continue
		}
		if q.json {
			err = l.object(e)
		} else {
			err = l.event(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// session notes what happens to the session, which is no part of the output.
func (l *printer) session(e client.Event, q tailed) {
	switch d := e.Data.(type) {
	case *client.Established:
		l.note("connected as %s", q.as.user)
		if lacks := lacking(q.extras, d.Extras); d.Extras != nil && len(lacks) > 0 {
			l.note("the app instance does not have %s: its tag carillon:extras or the server's setting extras switches on what they name",
				strings.Join(lacks, " and "))
		}
	case *client.Resumed:
		l.note("resumed; events that came late: %d", d.Events)
	case *client.NotResumed:
		l.note("not resumed: %s; something may be missing here", d.Message)
	}
}

// lacking are the wanted extras that are none of those there are.
func lacking(wanted []string, there []client.Extra) (lacks []string) {
	for _, name := range wanted {
		if !slices.Contains(there, client.Extra(name)) {
			lacks = append(lacks, name)
		}
	}
	return lacks
}

// object prints an event as one line of JSON.
func (l *printer) object(e client.Event) error {
	payload := json.RawMessage(e.Payload)
	if !json.Valid(payload) {
		payload, _ = json.Marshal(e.Payload) // no event of this server; null, or its text
	}
	if e.Payload == "" {
		payload = nil
	}

	line, err := json.Marshal(struct {
		Type        string
		MessageType string          `json:",omitempty"`
		Reason      string          `json:",omitempty"`
		Position    uint64          `json:",omitempty"`
		Payload     json.RawMessage `json:",omitempty"`
	}{e.Type, e.MessageType, e.Reason, e.Position, payload})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.events, "%s\n", line)
	return err
}

func channelOf(e client.Event) string {
	var about struct{ ChannelArn string }
	_ = json.Unmarshal([]byte(e.Payload), &about) // of no channel, then
	return about.ChannelArn
}

// colors reports whether to write colors.
func (p Program) colors(mode string, w io.Writer) bool {
	if mode != "auto" {
		return mode == "always"
	}
	for _, variable := range p.Environ {
		if name, value, _ := strings.Cut(variable, "="); name == "NO_COLOR" && value != "" || name == "TERM" && value == "dumb" {
			return false
		}
	}
	return isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
