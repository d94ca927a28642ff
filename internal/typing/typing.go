package typing

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
	"github.com/carillon-chat/carillon/internal/realtime"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	// pause is how long a socket has to wait after a call that counts. Clients repeat them every few
	// seconds.
	pause = 500 * time.Millisecond
	// maxCalls bounds the calls of all sockets that are authorised at the same time.
	maxCalls = 16
	// patience is how long the authorisation of a call may take.
	patience = 5 * time.Second
)

// Options of a Service. Store, Bus and Site are required.
type Options struct {
	Store store.Store
	Bus   bus.Publisher
	Site  chime.Site
	Now   func() time.Time // nil means time.Now
	Log   *slog.Logger     // nil means none
}

// Service turns the calls of clients into events for the members of channels. It is safe for concurrent use.
type Service struct {
	o     Options
	calls chan struct{} // a token for each call that is being authorised
}

// New makes a Service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o, calls: make(chan struct{}, maxCalls)}
}

// Client returns the receiver of a session's texts, nil when the session may call nothing.
func (s *Service) Client(g realtime.Grant) realtime.Client {
	if g.Authorize == nil {
		return nil
	}
	return &client{service: s, grant: g}
}

// client is a socket whose user may be typing.
type client struct {
	service *Service
	grant   realtime.Grant

	mu   lockorder.Mutex[lockorder.Leaf]
	last time.Time // of a call that counts
	busy bool      // a call is being authorised
}

// Received takes a text of the client. It does not block: a call that comes too early is dropped, because
// another will follow.
func (c *client) Received(text []byte) {
	if !bytes.Contains(text, []byte("TYPING")) || !c.begin() {
		return
	}
	select {
	case c.service.calls <- struct{}{}:
	default:
		c.end()
		return
	}
	go func(text []byte) {
		defer func() {
			<-c.service.calls
			c.end()
		}()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.publish(ctx, text); err != nil {
			c.service.o.Log.Debug("typing: dropped", "error", err, "user", c.grant.UserARN)
		}
	}(bytes.Clone(text))
}

// begin reports whether a call counts.
func (c *client) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.service.o.Now()
	if c.busy || now.Sub(c.last) < pause {
		return false
	}
	c.busy, c.last = true, now
	return true
}

func (c *client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
}

// publish sends the other members of the channel an event, if the user might send a message there.
func (c *client) publish(ctx context.Context, text []byte) error {
	var call struct{ Action, ChannelArn, SubChannelId string }
	if err := json.Unmarshal(text, &call); err != nil || call.Action != "TYPING" {
		return err
	}
	req := &messaging.SendChannelMessageRequest{ChimeBearer: c.grant.UserARN, ChannelARN: call.ChannelArn}
	if call.SubChannelId != "" {
		req.SubChannelID = &call.SubChannelId
	}

	// By IAM first, and in the channel then, as a message would be.
	if err := c.grant.Authorize(ctx, "SendChannelMessage", req); err != nil {
		return err
	}
	s := c.service
	var e chime.Event
	var position uint64
	err := s.o.Store.View(ctx, s.o.Site.AppOf(req.ChannelARN), func(r store.Reader) error {
		v, err := channel.EnterSender(r, s.o.Site, req.ChimeBearer, req.ChannelARN, req.SubChannelID, nil)
		if err != nil {
			return err
		}
		if !v.CanSend() {
			return api.Forbidden("a member may type")
		}
		e = s.event(v, c.grant.UserARN)
		position, err = r.Position()
		return err
	})
	if err == nil {
		s.o.Bus.Publish(e.App, position, e)
	}
	return err
}

// payload is the payload of TYPING.
type payload struct {
	ChannelArn   string
	SubChannelId string `json:",omitempty"`
	Sender       struct{ Arn, Name string }
}

func (s *Service) event(v *channel.Visit, sender string) chime.Event {
	p := payload{ChannelArn: v.ARN(), SubChannelId: v.Sub}
	p.Sender.Arn, p.Sender.Name = sender, v.Actor.Name
	text, _ := json.Marshal(p) // cannot fail
	return chime.Event{
		Time: chime.At(s.o.Now()), Type: chime.EventTyping, Topic: v.Topic(), MessageType: chime.MessageTypeSystem,
		Subject: v.Actor.Ref, Payload: text,
	}
}
