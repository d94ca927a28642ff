package message

import (
	"context"
	"log/slog"
	"strings"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/notice"
	"github.com/carillon-chat/carillon/internal/store"
)

// A message of a channel with a flow enters it with the commit of its send or edit, which keeps a
// chime.Processing. Processors are invoked after that commit and again after a crash, and each answer
// is a commit of its own: the message goes to the next processor, or it has its outcome and the
// Processing is gone (spec 7.5). So a message has one outcome, whatever fails meanwhile.

// Processors is what the service needs of those that invoke the processors of channel flows.
type Processors interface {
	// Reaches reports whether the processor with the Lambda ARN can be invoked. One that cannot has
	// failed as soon as it is its turn.
	Reaches(lambda string) bool
	// Invoke is called after the commit from which on a message waits for its processor, and does not
	// block.
	Invoke(w Waiting)
}

// noProcessors reaches none.
type noProcessors struct{}

func (noProcessors) Reaches(string) bool { return false }
func (noProcessors) Invoke(Waiting)      {}

// Waiting names a message that waits for its processor to be invoked.
type Waiting struct {
	App      string
	Channel  chime.ChannelEntry
	Message  string // its id
	Callback string // CallbackId of the invocation
	Lambda   string // ARN of the processor
	Live     bool   // the message is not persistent
}

func waiting(app string, p *chime.Processing) Waiting {
	return Waiting{
		App: app, Channel: p.Channel, Message: p.Message.ID, Callback: p.Callback, Lambda: p.Processor().Lambda, Live: isLive(&p.Message),
	}
}

func (w *Waiting) key() store.Key { return processingKey(w.App, w.Channel, w.Message) }

// processingKey is the key of a Processing: that of its message.
func processingKey(app string, at chime.ChannelEntry, id string) store.Key {
	if at.Sub == "" {
		return store.K(app, at.UID, id)
	}
	return store.K(app, at.UID, at.Sub, id)
}

// flowEvents are the types of the events that report how far a message got: it waits for the flow,
// or has one of the outcomes.
type flowEvents struct{ pending, sent, failed, denied string }

var (
	creation = flowEvents{chime.EventPendingCreateMessage, chime.EventCreateMessage, chime.EventFailedCreateMessage, chime.EventDeniedCreateMessage}
	revision = flowEvents{chime.EventPendingUpdateMessage, chime.EventUpdateMessage, chime.EventFailedUpdateMessage, chime.EventDeniedUpdateMessage}
)

func eventsOf(p *chime.Processing) *flowEvents {
	if p.Edit {
		return &revision
	}
	return &creation
}

// of is the type of the event that reports the status.
func (f *flowEvents) of(status messaging.ChannelMessageStatus) string {
	switch status {
	case messaging.ChannelMessageStatusSent:
		return f.sent
	case messaging.ChannelMessageStatusDenied:
		return f.denied
	case messaging.ChannelMessageStatusFailed:
		return f.failed
	}
	return f.pending
}

// Values of Status.Detail.
const (
	detailFailed    = "a processor of the channel flow could not be invoked, and its fallback action is ABORT"
	detailDenied    = "a processor of the channel flow denied the message"
	detailExpired   = "a processor of the channel flow did not call back within 48 hours"
	detailOvertaken = "the message was edited again before its channel flow came to an end"
)

// flowFor is the id of the flow that a message of the type passes in the channel. CONTROL
// messages pass none.
func flowFor(v *channel.Visit, kind messaging.ChannelMessageType) string {
	if kind != messaging.ChannelMessageTypeStandard {
		return ""
	}
	return v.Channel.Flow
}

// entry is how a message entered a channel flow.
type entry struct {
	chime.Processing
	pending  chime.Event // reports to the sender that the message waits
	failures []failure   // of processors that cannot be invoked
}

// enter takes a message into the flow of its channel; before is nil for a new message, and for an edit when
// the version that it is to replace was edited. The status of the message is PENDING afterwards, or
// its outcome when none of the processors can be invoked.
func (s *Service) enter(r store.Reader, v *channel.Visit, m *chime.Message, sender *messaging.Identity, before *chime.Millis) (e *entry, err error) {
	flow, _, err := store.Flows.Get(r, store.K(v.Actor.App, v.Channel.Flow))
	if err != nil {
		return nil, err
	}
	m.Status = messaging.ChannelMessageStatusPending
	e = &entry{Processing: chime.Processing{
		Channel: chime.ChannelEntry{ChannelID: v.Channel.ID, UID: v.Channel.UID, Sub: v.Sub},
		Message: *m, Flow: v.Channel.Flow, Processors: flow.Processors,
	}}
	if before != nil {
		e.Edit, e.Before = true, *before
	}
	if e.pending, err = s.event(r, eventsOf(&e.Processing).pending, v, m, sender); err != nil {
		return nil, err
	}

	m.Status, e.failures = s.reach(&e.Processing)
	switch m.Status {
	case messaging.ChannelMessageStatusPending:
		e.Callback, err = chime.NewCallbackID(s.random, s.storeTime.Now())
	case messaging.ChannelMessageStatusFailed:
		m.Detail = detailFailed
	}
	return e, err
}

// failure is an invocation that failed.
type failure struct{ lambda, reason string }

// reach moves on to the first processor that can be invoked, past others by their fallback actions. The
// status is PENDING, or the outcome when no processor is left.
func (s *Service) reach(p *chime.Processing) (status messaging.ChannelMessageStatus, failures []failure) {
	for ; p.Step < len(p.Processors); p.Step++ {
		lambda := p.Processor().Lambda
		if s.processors.Reaches(lambda) {
			return messaging.ChannelMessageStatusPending, failures
		}
		failures = append(failures, failure{lambda, "the setting functions names no endpoint for the processor"})
		if p.Processor().FallbackAction == messaging.FallbackActionAbort {
			return messaging.ChannelMessageStatusFailed, failures
		}
	}
	return messaging.ChannelMessageStatusSent, failures
}

// report notifies the operator of invocations that failed.
func (s *Service) report(tx store.Tx, app string, p *chime.Processing, failures []failure) error {
	for _, f := range failures {
		e := notice.Event(s.now(), chime.Topic{App: app, Channel: p.Channel.UID, Sub: p.Channel.Sub}, notice.ProcessorInvocationFailure{
			AppInstanceARN: s.site.AppInstanceARN(app), ChannelARN: s.site.ChannelARN(app, p.Channel.ChannelID),
			MessageID: p.Message.ID, ProcessorResourceARN: f.lambda, FailureReason: f.reason,
		})
		e.Object, e.ChannelID = p.Message.ID, p.Channel.ChannelID
		if _, err := tx.Append(e); err != nil {
			return err
		}
	}
	return nil
}

// enterStored is enter within a transaction, which appends the event for the sender and keeps what waits.
func (s *Service) enterStored(tx store.Tx, v *channel.Visit, m *chime.Message, sender *messaging.Identity, before *chime.Millis) (*entry, error) {
	e, err := s.enter(tx, v, m, sender, before)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Append(e.pending); err != nil {
		return nil, err
	}
	if err := s.report(tx, v.Actor.App, &e.Processing, e.failures); err != nil {
		return nil, err
	}
	if m.Status != messaging.ChannelMessageStatusPending {
		return e, nil
	}
	return e, s.await(tx, v.Actor.App, &e.Processing)
}

// await keeps a message that waits for its processor, and its CallbackId.
func (s *Service) await(tx store.Tx, app string, p *chime.Processing) error {
	if err := store.Processings.Put(tx, processingKey(app, p.Channel, p.Message.ID), *p); err != nil {
		return err
	}
	return store.Callbacks.Put(tx, store.K(app, p.Callback), chime.Callback{Channel: p.Channel, Message: p.Message.ID})
}

// entered does what follows the commit with which a message entered a flow, or nothing without an entry.
func (s *Service) entered(ctx context.Context, channelARN string, e *entry) {
	if e == nil {
		return
	}
	app := s.site.AppOf(channelARN)
	if len(e.failures) > 0 {
		s.log.LogAttrs(ctx, slog.LevelWarn, "the processors of the channel flow were not invoked; a message followed their fallback actions",
			slog.String("channel", channelARN), slog.String("flow", e.Flow))
	}
	if isLive(&e.Message) { // no transaction has reported them
		if err := s.reportLive(ctx, app, &e.Processing, e.failures); err != nil {
			s.log.LogAttrs(ctx, slog.LevelError, "cannot keep the notice of a processor that was not invoked", slog.String("channel", channelARN), slog.Any("error", err))
		}
	}
	if e.Callback != "" {
		s.processors.Invoke(waiting(app, &e.Processing))
	}
}

// updateThroughFlow takes an edited message into the flow. The version that is there was edited at before. Until the new one
// is sent, and after it was denied or failed, the old version is what there is.
func (s *Service) updateThroughFlow(tx store.Tx, v *channel.Visit, before chime.Millis, edited *chime.Message) (*entry, error) {
	pending, err := store.Processings.Has(tx, key(v, edited.ID))
	if err != nil {
		return nil, err
	}
	if pending {
		return nil, errEditWaits
	}

	sender, err := v.Sender(tx, edited)
	if err != nil {
		return nil, err
	}
	e, err := s.enterStored(tx, v, edited, sender, &before)
	if err != nil {
		return nil, err
	}
	outcome := revision.of(edited.Status)
	switch edited.Status {
	case messaging.ChannelMessageStatusPending:
		return e, nil
	case messaging.ChannelMessageStatusSent:
		return e, s.save(tx, outcome, v, edited)
	}
	return e, s.appendEvent(tx, outcome, v, edited, sender)
}

// sent reports whether all callers that may read the channel may know of the message. One that
// waits for a flow or that a flow failed exists for its sender alone.
func sent(m *chime.Message) bool { return m.Status == messaging.ChannelMessageStatusSent }

// isLive reports whether the message is written nowhere.
func isLive(m *chime.Message) bool {
	return m.Persistence == messaging.ChannelMessagePersistenceTypeNonPersistent
}

// receipt is what a send is answered with, also when it is repeated.
type receipt struct {
	id      string
	pending bool // it entered a flow
}

// A receipt is kept as the id, with a mark behind it that no id holds.
const pendingMark = "/PENDING"

func (r receipt) String() string {
	if r.pending {
		return r.id + pendingMark
	}
	return r.id
}

func parseReceipt(text string) receipt {
	id, pending := strings.CutSuffix(text, pendingMark)
	return receipt{id, pending}
}

// firstStatus is what a call that sends or edits answers.
func firstStatus(pending bool) *messaging.ChannelMessageStatusStructure {
	value := messaging.ChannelMessageStatusSent
	if pending {
		value = messaging.ChannelMessageStatusPending
	}
	return &messaging.ChannelMessageStatusStructure{Value: value}
}
