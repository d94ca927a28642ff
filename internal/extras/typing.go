package extras

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	// typingPause lies between two calls of one socket that count. Clients repeat them every few seconds.
	typingPause = 500 * time.Millisecond
	// maxTypists bounds the calls of all sockets that are looked at at once.
	maxTypists    = 16
	typingTimeout = 5 * time.Second
)

// typist is a socket that may say that its user types.
type typist struct {
	service *Service
	grant   realtime.Grant

	mu   sync.Mutex
	last time.Time
	busy bool
}

// Client hears what a socket says that has the extra of typing, nil for others.
func (s *Service) Client(g realtime.Grant) realtime.Client {
	if g.Extras&realtime.ExtraTyping == 0 || g.Authorize == nil {
		return nil
	}
	return &typist{service: s, grant: g}
}

// Received takes a text of the client. What comes too fast is dropped: typing is no message.
func (t *typist) Received(text []byte) {
	if !bytes.Contains(text, []byte("TYPING")) || !t.begin() {
		return
	}
	select {
	case t.service.typists <- struct{}{}:
	default:
		t.end()
		return
	}
	go func(text []byte) {
		defer func() {
			<-t.service.typists
			t.end()
		}()
		ctx, cancel := context.WithTimeout(context.Background(), typingTimeout)
		defer cancel()
		if err := t.typing(ctx, text); err != nil {
			t.service.o.Log.Debug("typing is not told", "error", err, "user", t.grant.UserARN)
		}
	}(bytes.Clone(text))
}

func (t *typist) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.service.o.Now()
	if t.busy || now.Sub(t.last) < typingPause {
		return false
	}
	t.busy, t.last = true, now
	return true
}

func (t *typist) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy = false
}

// typingPayload is the payload of TYPING.
type typingPayload struct {
	ChannelArn   string
	SubChannelId string `json:",omitempty"`
	Sender       struct{ Arn, Name string }
}

// typing tells the others of the channel, if the user might send a message there.
func (t *typist) typing(ctx context.Context, text []byte) error {
	var call struct{ Action, ChannelArn, SubChannelId string }
	if err := json.Unmarshal(text, &call); err != nil || call.Action != "TYPING" {
		return err
	}
	req := &messaging.SendChannelMessageRequest{ChimeBearer: t.grant.UserARN, ChannelARN: call.ChannelArn}
	if call.SubChannelId != "" {
		req.SubChannelID = &call.SubChannelId
	}
	if err := t.grant.Authorize(ctx, "SendChannelMessage", req); err != nil {
		return err
	}
	s := t.service
	var e chime.Event
	err := s.o.Store.View(ctx, s.o.Site.AppOf(req.ChannelARN), func(r store.Reader) error {
		v, err := channel.EnterSender(r, s.o.Site, req.ChimeBearer, req.ChannelARN, req.SubChannelID)
		if err != nil {
			return err
		}
		if !v.Member() {
			return api.Forbidden("a member may type")
		}
		payload := typingPayload{ChannelArn: v.ARN(), SubChannelId: v.Sub}
		payload.Sender.Arn, payload.Sender.Name = t.grant.UserARN, v.Actor.Name
		e = eventOf(chime.EventTyping, v.Topic(), s.o.Now(), payload)
		e.Subject = v.Actor.Ref
		return nil
	})
	if err == nil {
		s.tell([]chime.Event{e})
	}
	return err
}
