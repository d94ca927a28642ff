package servicetest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Events are the events for sockets since the last call, a line each: type, audience, and content.
func (w *World) Events() []string {
	w.t.Helper()
	return w.events(func(e *chime.Event) bool { return e.MessageType != "" })
}

// Log is as Events, with the events of the log alone: type and subject.
func (w *World) Log() []string {
	w.t.Helper()
	return w.events(func(*chime.Event) bool { return true })
}

func (w *World) events(wanted func(*chime.Event) bool) []string {
	w.t.Helper()
	done, cancel := context.WithCancel(context.Background())
	cancel()
	var lines []string
	for {
		events, err := w.stream.Next(done)
		if err != nil {
			return lines
		}
		for _, e := range events {
			if lack := lacking(e); lack != "" {
				w.t.Errorf("the event %s %s", w.line(e), lack)
			}
			if wanted(e) {
				lines = append(lines, w.line(e))
			}
		}
	}
}

// lacking is what an event does not say that its readers rely on, empty when it says everything.
func lacking(e *chime.Event) string {
	kind := e.Kind()
	ends := kind == chime.EventKindOf(chime.EventEndMemberships) // of a channel of which all was said
	switch {
	case kind.Name == "":
		return "has no row in the table of kinds"
	case !e.Ephemeral && (kind.Extra != 0 || kind.To == chime.OneSocket):
		return "is of a kind that is not for the log"
	case e.MessageType != "" && e.MessageType != kind.MessageType() && !kind.IsMessage():
		return "has the message type " + e.MessageType
	case e.Channel != "" && e.ChannelID == "" && !ends:
		return "does not say the id of its channel"
	case e.Object == "" && kind.StreamedAs == "" && !ends:
		return "does not say what it is about"
	case kind.Stream != "" && e.Payload == nil && !kind.Content:
		return "has no payload for streams"
	case kind.BySubject && e.Actor != e.Subject:
		return "is by another than its subject: the log would not know"
	}
	return ""
}

func (w *World) line(e *chime.Event) string {
	if e.MessageType == "" {
		return w.changes(strings.TrimSpace(e.Type+" "+ids([]chime.Ref{e.Subject})), e)
	}
	payload := e.Payload
	if e.LacksContent() { // withdrawn by now
		err := w.Store.View(context.Background(), w.AppID(), func(r store.Reader) (err error) {
			payload, err = w.Messages.Body(r, e)
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}

	to := "members"
	if e.Only != nil {
		to = ids(e.Only)
	}

	// The payload, as far as tests compare it.
	var p struct {
		Content, Name string
		Member        struct{ Name string }
		Members       []struct{ Name string }
		Status        struct{ Value string }
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		w.t.Fatalf("the payload of %s is not JSON: %s", e.Type, payload)
	}

	about := p.Content + p.Name + p.Member.Name
	for _, m := range p.Members {
		about += m.Name + " "
	}
	line := strings.TrimSpace(fmt.Sprintf("%s to %s: %s", e.Type, to, about))
	if p.Status.Value != "" && p.Status.Value != string(messaging.ChannelMessageStatusSent) {
		line += " (" + p.Status.Value + ")"
	}
	return w.changes(line, e)
}

// changes adds to a line in which sub-channel the event is, the first that was seen being s1, and
// the members that join and leave with it.
func (w *World) changes(line string, e *chime.Event) string {
	if e.Sub != "" {
		line += " @" + w.SubName(e.Sub)
	}
	if len(e.Join) > 0 {
		line += " +" + ids(e.Join)
	}
	if len(e.Leave) > 0 {
		line += " -" + ids(e.Leave)
	}
	if e.Reason != "" {
		line += " because " + e.Reason
	}
	return line
}

func ids(refs []chime.Ref) string {
	names := make([]string, len(refs))
	for i, r := range refs {
		names[i] = r.ID()
	}
	return strings.Join(names, ",")
}
