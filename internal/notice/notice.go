package notice

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
)

// Detail is what a notice says: one of the structures of this package.
type Detail interface {
	// kind names the events of the log.
	kind() string
	// cut returns the detail with a reason of a bounded length.
	cut() Detail
}

// ProcessorInvocationFailure says that a processor of a channel flow was not invoked, whatever its
// FallbackAction makes of that.
type ProcessorInvocationFailure struct {
	AppInstanceARN       string
	ChannelARN           string
	MessageID            string
	ProcessorResourceARN string // of the function
	FailureReason        string
}

// BotFailure says that a bot did not answer.
type BotFailure struct {
	ResourceARN   string `json:"resourceArn"` // of the bot
	FailureReason string `json:"failureReason"`
}

// PushFailure says that a device was sent no push notification.
type PushFailure struct {
	ResourceARN   string `json:"resourceArn"` // of the user
	EndpointID    string `json:"endpointId"`
	FailureReason string `json:"failureReason"`
}

// WebhookDisabled says that a subscription was disabled because its URL takes nothing any more.
type WebhookDisabled struct {
	WebhookARN    string `json:"webhookArn"`
	FailureReason string `json:"failureReason"`
}

func (WebhookDisabled) kind() string { return chime.EventWebhookDisabled }

func (d WebhookDisabled) cut() Detail {
	d.FailureReason = cut(d.FailureReason)
	return d
}

func (ProcessorInvocationFailure) kind() string { return chime.EventProcessorFailure }
func (BotFailure) kind() string                 { return chime.EventBotFailure }
func (PushFailure) kind() string                { return chime.EventPushFailure }

func (d ProcessorInvocationFailure) cut() Detail {
	d.FailureReason = cut(d.FailureReason)
	return d
}

func (d BotFailure) cut() Detail {
	d.FailureReason = cut(d.FailureReason)
	return d
}

func (d PushFailure) cut() Detail {
	d.FailureReason = cut(d.FailureReason)
	return d
}

// MaxReason bounds a FailureReason, in bytes; the rest is cut off.
const MaxReason = 1024

func cut(reason string) string {
	return strings.ToValidUTF8(reason[:min(len(reason), MaxReason)], "")
}

// MarshalJSON names the eventType, which of AWS's notices this one alone has.
func (d ProcessorInvocationFailure) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		EventType            string `json:"eventType"`
		AppInstanceARN       string `json:"appInstanceArn"`
		ChannelARN           string `json:"channelArn"`
		MessageID            string `json:"messageId"`
		ProcessorResourceARN string `json:"processorResourceArn"`
		FailureReason        string `json:"failureReason"`
	}{"ProcessorInvocationFailure", d.AppInstanceARN, d.ChannelARN, d.MessageID, d.ProcessorResourceARN, d.FailureReason})
}

// Event is the event of the log that carries the notice. The topic names its app instance, and its
// channel where there is one.
func Event(now chime.Millis, topic chime.Topic, d Detail) chime.Event {
	payload, _ := json.Marshal(d.cut()) // structures of strings cannot fail
	return chime.Event{Type: d.kind(), Time: now, Topic: topic, Payload: payload}
}

// Notice is an event of EventBridge. Its JSON is what sinks write.
type Notice struct {
	Version    string          `json:"version"` // 0
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"` // aws.chime, or carillon for what AWS does not have
	Account    string          `json:"account"`
	Time       string          `json:"time"` // 2006-01-02T15:04:05Z
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"` // empty, as AWS's are
	Detail     json.RawMessage `json:"detail"`
}

// Sink is where notices go. Send may be given the same notices again, with the same ids. It returns
// nil when they are where they belong, and an error to be given them again.
type Sink interface {
	Send(ctx context.Context, notices []Notice) error
}

// Follower hands the notices of all app instances to a sink. The name is that of the follower.
func Follower(name string, site chime.Site, sink Sink) follow.Follower {
	return follow.Follower{
		Name:  name,
		Start: follow.End,
		Wants: func(e *chime.Event) bool { return e.Kind().Notice != "" },
		Handle: func(ctx context.Context, app string, events []*chime.Event) error {
			notices := make([]Notice, len(events))
			for i, e := range events {
				notices[i] = of(site, app, e)
			}
			return sink.Send(ctx, notices)
		},
	}
}

func of(site chime.Site, app string, e *chime.Event) Notice {
	return Notice{
		Version: "0", ID: ID(app, e.Position), DetailType: e.Kind().Notice, Source: cmp.Or(e.Kind().NoticeSource, "aws.chime"),
		Account: site.Account, Time: e.Time.Time().UTC().Format(time.RFC3339), Region: site.Region,
		Resources: []string{}, Detail: e.Payload,
	}
}

// namespace keeps ids that are made of positions apart from UUIDs of other origins.
var namespace = uuid.MustParse("6f1f9c0e-5a4b-4d63-9d3e-2f8d1c7ab914")

// ID is the UUID of what is reported of the event at a position of an app instance's log: each time
// the same one.
func ID(app string, position uint64) string {
	return uuid.NewSHA1(namespace, fmt.Appendf(nil, "%s/%d", app, position)).String()
}
