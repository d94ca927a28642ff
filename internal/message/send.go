package message

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/store"
)

// SendChannelMessage sends as a DEFAULT member (rule p). The answer waits for the disk and
// never for delivery.
func (s *Service) SendChannelMessage(ctx context.Context, req *messaging.SendChannelMessageRequest) (*messaging.SendChannelMessageResponse, error) {
	if err := checkSend(req); err != nil {
		return nil, err
	}
	send := s.sendPersistent
	if req.Persistence == messaging.ChannelMessagePersistenceTypeNonPersistent {
		send = s.sendLive
	}

	answer, err := send(ctx, req)
	if err != nil {
		return nil, err
	}

	resp := &messaging.SendChannelMessageResponse{
		ChannelARN: req.ChannelARN, MessageID: answer.id, Status: firstStatus(answer.pending),
	}
	if req.SubChannelID != nil {
		resp.SubChannelID = *req.SubChannelID
	}
	return resp, nil
}

// checkSend applies the rules that the model does not hold.
func checkSend(req *messaging.SendChannelMessageRequest) error {
	if req.Type == messaging.ChannelMessageTypeControl && req.Metadata != nil && *req.Metadata != "" {
		return api.BadRequest("Metadata", "a CONTROL message has no Metadata")
	}
	if err := chime.CheckContent("Content", req.Type, req.Content); err != nil {
		return err
	}
	if err := chime.CheckAttributes("MessageAttributes", req.MessageAttributes); err != nil {
		return err
	}
	if len(req.Target) > 0 && req.Target[0].MemberARN == nil {
		return api.BadRequest("Target[0].MemberArn", "is required")
	}
	return nil
}

// newMessage is the request as a record, without id and time.
func newMessage(v *channel.Visit, req *messaging.SendChannelMessageRequest) chime.Message {
	m := chime.Message{
		Sender: v.Actor.Ref, Type: req.Type, Persistence: req.Persistence, Content: req.Content,
		Status: messaging.ChannelMessageStatusSent, Sub: v.Sub,
	}

	if req.Metadata != nil {
		m.Metadata = *req.Metadata
	}
	if req.ContentType != nil {
		m.ContentType = *req.ContentType
	}
	m.Attributes = keptAttributes(req.MessageAttributes)
	m.Push = keptPush(req.PushNotification)
	return m
}

// keptAttributes are the attributes of a request as a record has them.
func keptAttributes(given map[string]messaging.MessageAttributeValue) map[string][]string {
	if len(given) == 0 {
		return nil
	}
	kept := make(map[string][]string, len(given))
	for name, value := range given {
		kept[name] = value.StringValues
	}
	return kept
}

// keptPush is the notification of a request as a record has it.
func keptPush(given *messaging.PushNotificationConfiguration) *chime.Push {
	if given == nil {
		return nil
	}
	kept := &chime.Push{Type: given.Type}
	if given.Title != nil {
		kept.Title = *given.Title
	}
	if given.Body != nil {
		kept.Body = *given.Body
	}
	return kept
}

// setTarget sets the target of a targeted message, which must be a member that is not hidden.
func (s *Service) setTarget(r store.Reader, v *channel.Visit, req *messaging.SendChannelMessageRequest, m *chime.Message) (target chime.Membership, err error) {
	if len(req.Target) == 0 {
		return target, nil
	}

	res, err := s.site.ParseIdentity("Target[0].MemberArn", *req.Target[0].MemberARN)
	if err != nil {
		return target, err
	}
	target, found, err := v.MembershipOf(r, res.Ref())
	if err != nil {
		return target, err
	}

	if !found || res.App != v.Actor.App || target.Type == messaging.ChannelMembershipTypeHidden {
		return target, api.BadRequest("Target[0].MemberArn", "is not a member of the channel")
	}
	m.Target = target.Ref
	return target, nil
}

// sendPersistent writes a message, once for each client request token.
func (s *Service) sendPersistent(ctx context.Context, req *messaging.SendChannelMessageRequest) (receipt, error) {
	call, err := s.tokens.Call(scope(req), req)
	if err != nil {
		return receipt{}, err
	}

	var done sending
	err = s.updateBy(ctx, senderWith(&call), "SendChannelMessage", req.ChimeBearer, req.ChannelARN, req.SubChannelID, func(tx store.Tx, v *channel.Visit) error {
		done = sending{}
		if err := requireSender(v, req); err != nil {
			return err
		}

		// The token belongs to this channel and to this holder of the sender's id.
		call.Within(v.Channel.UID, v.Actor.Since)
		done.answer, err = call.Do(tx, nil, func() (string, error) {
			id, entered, err := s.write(tx, v, req)
			done.entry = entered
			return receipt{id, entered != nil}.String(), err
		})
		return err
	})
	if err != nil {
		return receipt{}, err
	}

	s.entered(ctx, req.ChannelARN, done.entry)
	return parseReceipt(done.answer), nil
}

// sending is what is known of a message when it is on its way.
type sending struct {
	answer string // the receipt as text
	entry  *entry // into a flow now, not when the call is repeated

	// Of a message that is not persistent.
	message *chime.Message
	events  []chime.Event
	after   uint64 // position of the log that those follow
}

// requireSender refuses callers without a DEFAULT membership, and on an elastic channel without the
// sub-channel's name.
func requireSender(v *channel.Visit, req *messaging.SendChannelMessageRequest) error {
	if !v.CanSend() {
		return channel.ErrRole
	}
	return v.RequireSub(req.SubChannelID)
}

// scope distinguishes tokens as far as possible before the transaction.
func scope(req *messaging.SendChannelMessageRequest) idempotency.Scope {
	return idempotency.Scope{
		Operation: "SendChannelMessage", Parent: req.ChannelARN, Bearer: chime.Ref(req.ChimeBearer),
		Token: req.ClientRequestToken,
	}
}

// write keeps one message, the activity of its channel, and its event.
func (s *Service) write(tx store.Tx, v *channel.Visit, req *messaging.SendChannelMessageRequest) (id string, entered *entry, err error) {
	m := newMessage(v, req)
	target, err := s.setTarget(tx, v, req, &m)
	if err != nil {
		return "", nil, err
	}

	// Id, time and position follow the channel's order, whatever the clock does.
	activity, _, err := store.Activities.Get(tx, v.History())
	if err != nil {
		return "", nil, err
	}
	if m.After, err = tx.Position(); err != nil {
		return "", nil, err
	}
	m.Created = activity.Send(s.now())
	m.Updated = m.Created
	if m.ID, err = chime.NewMessageID(s.random, activity.Clock, activity.Position); err != nil {
		return "", nil, err
	}

	// A flow decides the kind of the event, and its audience.
	kind := chime.EventCreateMessage
	if flowFor(v, m.Type) != "" {
		if entered, err = s.enterStored(tx, v, &m, v.Self(), nil); err != nil {
			return "", nil, err
		}
		kind = creation.of(m.Status)
	}

	if err := markLatest(tx, v, target, &m, &activity); err != nil {
		return "", nil, err
	}
	if err := store.Activities.Put(tx, v.History(), activity); err != nil {
		return "", nil, err
	}
	if err := store.Messages.Put(tx, key(v, m.ID), m); err != nil {
		return "", nil, err
	}
	if m.Status == messaging.ChannelMessageStatusPending { // the event of that is there
		return m.ID, entered, nil
	}
	return m.ID, entered, s.appendEvent(tx, kind, v, &m, v.Self())
}

// markLatest moves the last message time of the members that see the message.
func markLatest(tx store.Tx, v *channel.Visit, target chime.Membership, m *chime.Message, activity *chime.Activity) error {
	switch {
	case !sent(m):
		return nil
	case m.Target == "":
		activity.LastMessage, activity.Unseen = m.Created, 0
		return v.Touch(tx, m.Created)
	}
	return markTargeted(tx, v, target, m.Created, activity.Position)
}

// markTargeted moves the last message time of the two members that see a targeted message.
func markTargeted(tx store.Tx, v *channel.Visit, target chime.Membership, at chime.Millis, position uint64) error {
	target.LastTargeted, target.TargetedPosition = at, position
	if err := v.SaveMembership(tx, target); err != nil || target.Ref == v.Actor.Ref {
		return err
	}
	sender := *v.Membership
	sender.LastTargeted, sender.TargetedPosition = at, position
	return v.SaveMembership(tx, sender)
}
