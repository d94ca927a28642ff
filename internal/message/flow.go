package message

import (
	"context"
	"log/slog"
	"strings"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Processors of flows are not invoked yet. Until then every invocation counts as failed, so
// the FallbackAction of each processor decides what becomes of a message, within the commit
// that would have sent it to the first (spec 7.5).

// flowEvents are the types of the events that report how far a message got: it waits for the flow,
// it is sent, or the flow failed.
type flowEvents struct{ pending, sent, failed string }

var (
	creation = flowEvents{chime.EventPendingCreateMessage, chime.EventCreateMessage, chime.EventFailedCreateMessage}
	revision = flowEvents{chime.EventPendingUpdateMessage, chime.EventUpdateMessage, chime.EventFailedUpdateMessage}
)

// detailFailed is the Status.Detail of a message whose processor could not be reached.
const detailFailed = "a processor of the channel flow could not be invoked, and its fallback action is ABORT"

// flowFor is the id of the flow that a message of the type passes in the channel. CONTROL
// messages pass none.
func flowFor(v *channel.Visit, kind messaging.ChannelMessageType) string {
	if kind != messaging.ChannelMessageTypeStandard {
		return ""
	}
	return v.Channel.Flow
}

// applyFallback takes a message through the flow of the channel by its fallback actions. It returns
// the event that reports to the sender that the message waits, and the type of the event of the
// outcome, which is now the status of the message.
func (s *Service) applyFallback(r store.Reader, v *channel.Visit, m *chime.Message, sender *messaging.Identity, to flowEvents) (pending chime.Event, outcome string, err error) {
	m.Status = messaging.ChannelMessageStatusPending
	if pending, err = s.event(r, to.pending, v, m, sender); err != nil {
		return pending, "", err
	}

	flow, _, err := store.Flows.Get(r, store.K(v.Actor.App, v.Channel.Flow))
	if err != nil {
		return pending, "", err
	}

	for _, p := range flow.Processors {
		if p.FallbackAction == messaging.FallbackActionAbort {
			m.Status, m.Detail = messaging.ChannelMessageStatusFailed, detailFailed
			return pending, to.failed, nil
		}
	}

	m.Status = messaging.ChannelMessageStatusSent
	return pending, to.sent, nil
}

// runFlow is applyFallback within a transaction, which appends the event for the sender.
func (s *Service) runFlow(tx store.Tx, v *channel.Visit, m *chime.Message, sender *messaging.Identity, to flowEvents) (outcome string, err error) {
	pending, outcome, err := s.applyFallback(tx, v, m, sender, to)
	if err == nil {
		_, err = tx.Append(pending)
	}
	return outcome, err
}

// updateThroughFlow takes an edited message through the flow. Until it is sent, and for ever when it
// fails, the old version is what there is.
func (s *Service) updateThroughFlow(tx store.Tx, v *channel.Visit, edited *chime.Message) error {
	sender, err := v.Sender(tx, edited)
	if err != nil {
		return err
	}
	outcome, err := s.runFlow(tx, v, edited, sender, revision)
	if err != nil {
		return err
	}
	if sent(edited) {
		return s.save(tx, outcome, v, edited)
	}
	return s.appendEvent(tx, outcome, v, edited, sender)
}

// sent reports whether all callers that may read the channel may know of the message. One that
// waits for a flow or that a flow failed exists for its sender alone.
func sent(m *chime.Message) bool { return m.Status == messaging.ChannelMessageStatusSent }

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

// warnOfFlow logs, after the commit, that a message followed the fallback actions of a flow.
func (s *Service) warnOfFlow(ctx context.Context, channelARN, flow string) {
	if flow == "" {
		return
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "the processors of the channel flow were not invoked; a message followed their fallback actions",
		slog.String("channel", channelARN), slog.String("flow", flow))
}
