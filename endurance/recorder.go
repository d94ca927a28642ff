package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/carillon-chat/carillon/endurance/processing"
)

// recorder keeps what one session of a user was given, as processing.Session has it.
type recorder struct {
	*watcher

	mu      sync.Mutex
	events  []processing.Event
	odd     []string
	waiting map[string]bool // messages of the user that wait for their flows, or edits of them
	names   map[string]bool // what channels are called, and answers of bots
}

func newRecorder(name, user string) *recorder {
	r := &recorder{watcher: newWatcher(name, user), waiting: map[string]bool{}, names: map[string]bool{}}
	r.watcher.take = r.take
	return r
}

// messagePayload is what an event or an answer has of a message.
type messagePayload struct {
	MessageId, ChannelArn, SubChannelId, Content, Persistence string
	Sender                                                    struct{ Arn string }
	Target                                                    []struct{ MemberArn string }
	Status                                                    struct{ Value string }
}

// shown is the message in a channel, which lists leave out.
func (p *messagePayload) shown(channel string) processing.Message {
	m := processing.Message{Channel: channel, ID: p.MessageId, Sender: suffix(p.Sender.Arn), Content: p.Content, Status: p.Status.Value}
	for _, to := range p.Target {
		m.Target = suffix(to.MemberArn)
	}
	return m
}

// readPayload reads the payload of an event, of sessions and of records alike.
func readPayload(kind string, payload []byte) (e processing.Event, live bool, err error) {
	var p struct {
		messagePayload
		Name    string
		Members []any
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return e, false, err
	}
	channel := placeID(p.ChannelArn, p.SubChannelId)
	m := p.shown(channel)
	e = processing.Event{
		Kind: kind, Channel: channel, Part: len(p.Members), Message: m.ID, Sender: m.Sender, Target: m.Target, Content: m.Content, Status: m.Status,
	}
	if m.ID == "" {
		e.Sender, e.Content = "", p.Name
	}
	return e, p.Persistence == "NON_PERSISTENT", nil
}

// take keeps an event.
func (r *recorder) take(headers map[string]string, payload string) {
	kind := headers["x-amz-chime-event-type"]
	e, live, err := readPayload(kind, []byte(payload))
	if err == nil && !live {
		e.Position, err = strconv.ParseUint(headers["x-carillon-position"], 10, 64)
	}
	e.At = now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.odd = append(r.odd, fmt.Sprintf("got %s with %v: %v", kind, headers, err))
		return
	}
	r.events = append(r.events, e)

	// What the run waits for in the end.
	switch {
	case e.Message == "":
		r.names[e.Content] = true
	case strings.HasPrefix(e.Content, "{"): // a bot writes JSON
		if marker, is := processing.Answered(e.Content); is {
			r.names[processing.Answer(marker)] = true
		}
	case live || e.Sender != r.user:
	case strings.HasPrefix(kind, "PENDING_"):
		r.waiting[e.Message] = true
	default:
		delete(r.waiting, e.Message)
	}
}

// isIdle reports whether nothing of the user waits for a flow.
func (r *recorder) isIdle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting) == 0
}

// hasNames reports whether the channels had the names.
func (r *recorder) hasNames(names []string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		if !r.names[name] {
			return false
		}
	}
	return true
}

// session is what was kept, when nothing more comes.
func (r *recorder) session() processing.Session {
	return processing.Session{Name: r.name, User: r.user, Events: r.events, Odd: append(r.odd, r.watcher.odd...)}
}
