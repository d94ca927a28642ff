package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/notice"
	"github.com/carillon-chat/carillon/internal/store"
)

// The content types and attributes of replies (spec 8.5).
const (
	typeMessages = "application/amz-chime-lex-msgs"
	typeError    = "application/amz-chime-lex-error"

	attributePrefix  = "CHIME.LEX.sessionState."
	attributeName    = attributePrefix + "intent.name"
	attributeState   = attributePrefix + "intent.state"
	attributeRequest = attributePrefix + "originatingRequestId"
	attributeSession = attributePrefix + "sessionId"
)

// reply answers a message, or greets a channel.
func (s *Service) reply(ctx context.Context, t *turn, sc *scene) {
	if w, ok := sc.end.(Writer); ok && t.Do == chime.BotAnswers {
		s.write(ctx, t, sc, w)
		return
	}

	var answer *Answer
	failure := s.try(ctx, sc.end, func() (err error) {
		answer, err = s.ask(ctx, t, sc)
		return err
	})
	switch {
	case ctx.Err() != nil:
	case failure != nil:
		s.failed(ctx, t, sc, failure)
	case answer == nil:
		s.counts.answered.Add(1)
		s.insist(ctx, func() error { return s.settle(ctx, t) })
	default:
		s.say(ctx, t, sc, answer)
	}
}

// ask calls the end once.
func (s *Service) ask(ctx context.Context, t *turn, sc *scene) (*Answer, error) {
	if t.Do == chime.BotGreets {
		return sc.end.Greet(ctx, sc.session, sc.intent)
	}
	end, ok := sc.end.(Answerer)
	if !ok {
		return nil, &Failure{Code: http.StatusNotImplemented, Reason: "the end answers no messages"}
	}
	answer, err := end.Answer(ctx, s.question(t, sc))
	return &answer, err
}

func (s *Service) question(t *turn, sc *scene) Question {
	return Question{
		Session: sc.session, Key: sc.key, Text: sc.said.text, SenderARN: sc.said.sender, SenderName: sc.said.name,
		History: func(ctx context.Context, most int) ([]Line, error) { return s.history(ctx, t, sc, most) },
	}
}

// say sends an answer in the form of Lex.
func (s *Service) say(ctx context.Context, t *turn, sc *scene, a *Answer) {
	if a.Messages == nil {
		a.Messages = []json.RawMessage{}
	}
	content, err := json.Marshal(struct{ Messages []json.RawMessage }{a.Messages})
	if err == nil && len(content) > chime.MaxContent {
		err = fmt.Errorf("the answer has %d bytes, a message %d at most", len(content), chime.MaxContent)
	}
	if err != nil {
		s.failed(ctx, t, sc, &Failure{Code: http.StatusBadGateway, Reason: err.Error()})
		return
	}

	req := s.message(sc, messaging.ChannelMessageTypeStandard, typeMessages, string(content))
	req.MessageAttributes[attributeSession] = attribute(sc.session.ID)
	if a.Intent != "" {
		req.MessageAttributes[attributeName] = attribute(a.Intent)
	}
	if a.State != "" {
		req.MessageAttributes[attributeState] = attribute(a.State)
	}
	err = req.Validate()
	if err == nil {
		err = chime.CheckAttributes("MessageAttributes", req.MessageAttributes)
	}
	if err != nil {
		s.failed(ctx, t, sc, &Failure{Code: http.StatusBadGateway, Reason: err.Error()})
		return
	}
	s.end(ctx, t, req, nil)
}

// message is a reply: of the persistence of what is answered, and targeted to the sender of what was
// targeted.
func (s *Service) message(sc *scene, kind messaging.ChannelMessageType, contentType, content string) *messaging.SendChannelMessageRequest {
	req := &messaging.SendChannelMessageRequest{
		ChannelARN: sc.session.ChannelARN, ChimeBearer: sc.bearer, SubChannelID: sc.sub, ClientRequestToken: sc.key,
		Type: kind, Persistence: messaging.ChannelMessagePersistenceTypePersistent, Content: content,
		MessageAttributes: map[string]messaging.MessageAttributeValue{},
	}
	if contentType != "" {
		req.ContentType = &contentType
	}
	if sc.said == nil {
		return req
	}

	req.Persistence = sc.said.persistence
	if kind == messaging.ChannelMessageTypeStandard {
		req.MessageAttributes[attributeRequest] = attribute(sc.said.id)
	}
	if sc.said.targeted {
		req.Target = []messaging.Target{{MemberARN: &sc.said.sender}}
	}
	return req
}

func attribute(value string) messaging.MessageAttributeValue {
	return messaging.MessageAttributeValue{StringValues: []string{value}}
}

// end sends the last message of a turn, together with the end of its record and a notice, if there is one.
// A turn that may not send it ends without.
func (s *Service) end(ctx context.Context, t *turn, req *messaging.SendChannelMessageRequest, of *chime.Event) {
	sent := s.insist(ctx, func() error {
		if t.key == nil { // the message is written nowhere, and so not together with anything
			_, err := s.o.Messages.SendChannelMessage(ctx, req)
			return err
		}
		_, err := s.o.Messages.SendWith(ctx, req, func(tx store.Tx, _ string) error { return t.finish(tx, of) })
		return err
	})
	switch {
	case ctx.Err() != nil:
	case of != nil:
		if !sent || t.key == nil {
			s.report(ctx, t, of)
		}
		s.counts.failed.Add(1)
	case sent:
		s.counts.answered.Add(1)
	default:
		s.drop(ctx, t)
	}
}

// report appends a notice without a message.
func (s *Service) report(ctx context.Context, t *turn, of *chime.Event) {
	s.insist(ctx, func() error {
		return s.o.Store.Update(ctx, t.app, func(tx store.Tx) error { return t.finish(tx, of) })
	})
}

// finish removes the record of a turn, and appends a notice.
func (t *turn) finish(tx store.Tx, of *chime.Event) error {
	if err := t.require(tx); err != nil {
		return err
	}
	if t.key != nil {
		if err := store.BotTurns.Delete(tx, t.key); err != nil {
			return err
		}
	}
	if of == nil {
		return nil
	}
	_, err := tx.Append(*of)
	return err
}

// require refuses a turn that was taken meanwhile: its record is gone, or another process writes the answer.
// One without record ends with its app instance.
func (t *turn) require(tx store.Tx) error {
	if t.key == nil {
		there, err := store.AppInstances.Has(tx, store.K(t.app))
		if err == nil && !there {
			err = errDone
		}
		return err
	}
	record, there, err := store.BotTurns.Get(tx, t.key)
	if err == nil && (!there || record.Reply != t.Reply) {
		err = errDone
	}
	return err
}

// failed ends a turn with an error reply to the members and a notice to the operator.
func (s *Service) failed(ctx context.Context, t *turn, sc *scene, f *Failure) {
	s.o.Log.Warn("bots: a bot did not answer", "bot", sc.bearer, "channel", sc.session.ChannelARN, "error", f.Reason)
	of := notice.Event(chime.At(s.o.Now()), chime.Topic{App: t.app, Channel: t.Channel.UID, Sub: t.Channel.Sub},
		notice.BotFailure{ResourceARN: sc.bearer, FailureReason: f.Reason})
	of.Object, of.ChannelID = t.Message, t.Channel.ChannelID

	if t.Do == chime.BotLeaves { // it reaches no member
		s.report(ctx, t, &of)
		s.counts.failed.Add(1)
		return
	}
	req := s.message(sc, messaging.ChannelMessageTypeControl, typeError, fmt.Sprintf(`{"Code":%d}`, f.Code))
	req.MessageAttributes = nil
	s.end(ctx, t, req, &of)
}

// history lists messages before the one that is answered: those that the whole channel saw and, in a
// conversation by targeted messages, those of the two. CONTROL and redacted messages are left out, and so are the bot's
// own that a channel flow holds, denied or failed: no member has seen them.
func (s *Service) history(ctx context.Context, t *turn, sc *scene, most int) (lines []Line, err error) {
	req := &messaging.ListChannelMessagesRequest{
		ChannelARN: sc.session.ChannelARN, ChimeBearer: sc.bearer, SubChannelID: sc.sub, SortOrder: messaging.SortOrderDescending,
	}
	resp, err := s.o.Messages.ListChannelMessages(ctx, req)
	if err != nil {
		return nil, err
	}

	persistent := t.key != nil
	for _, m := range resp.ChannelMessages {
		if len(lines) == most {
			break
		}
		if m.Status != nil && m.Status.Value != messaging.ChannelMessageStatusSent {
			continue
		}
		after := persistent && m.MessageID >= sc.said.id
		if after || m.Content == nil || m.Redacted || m.Type != messaging.ChannelMessageTypeStandard || !sc.shares(&m) {
			continue
		}
		lines = append([]Line{{Sender: m.Sender.ARN, Name: m.Sender.Name, Mine: m.Sender.ARN == sc.bearer, Text: *m.Content}}, lines...)
	}
	return lines, nil
}

// shares reports whether a message that the bot sees may be known in the conversation.
func (sc *scene) shares(m *messaging.ChannelMessageSummary) bool {
	if len(m.Target) == 0 {
		return true
	}
	to := *m.Target[0].MemberARN
	return sc.said.targeted && (m.Sender.ARN == sc.said.sender && to == sc.bearer || m.Sender.ARN == sc.bearer && to == sc.said.sender)
}
