package flow

import (
	"encoding/json"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
)

// processorEvent is what a processor is invoked with (spec 7.3).
type processorEvent struct {
	EventType      string
	CallbackID     string `json:"CallbackId"`
	ChannelMessage eventMessage
}

// eventMessage is the message of an event. What is not set is absent.
type eventMessage struct {
	MessageID           string `json:"MessageId"`
	ChannelARN          string `json:"ChannelArn"`
	Content             string
	Metadata            string `json:",omitempty"`
	Sender              eventSender
	Persistence         messaging.ChannelMessagePersistenceType
	Type                messaging.ChannelMessageType
	CreatedTimestamp    json.RawMessage
	LastEditedTimestamp json.RawMessage           `json:",omitempty"`
	ContentType         string                    `json:",omitempty"`
	MessageAttributes   map[string]eventAttribute `json:",omitempty"`
	PushNotification    *eventPush                `json:",omitempty"`
	SubChannelID        string                    `json:"SubChannelId,omitempty"`
	Target              []eventTarget             `json:",omitempty"`
}

type (
	eventSender struct {
		ARN  string `json:"Arn"`
		Name string
	}
	eventAttribute struct{ StringValues []string }
	eventTarget    struct {
		MemberARN string `json:"MemberArn"`
	}
	eventPush struct {
		Title string                         `json:",omitempty"`
		Body  string                         `json:",omitempty"`
		Type  messaging.PushNotificationType `json:",omitempty"`
	}
)

// encodeEvent is the event of a message that waits, as JSON.
func encodeEvent(site chime.Site, app string, p *chime.Processing, sender *messaging.Identity) ([]byte, error) {
	m := &p.Message
	e := processorEvent{EventType: "CHANNEL_MESSAGE_EVENT", CallbackID: p.Callback, ChannelMessage: eventMessage{
		MessageID: m.ID, ChannelARN: site.ChannelARN(app, p.Channel.ChannelID), Content: m.Content, Metadata: m.Metadata,
		Sender: eventSender{sender.ARN, sender.Name}, Persistence: m.Persistence, Type: m.Type,
		CreatedTimestamp: api.ISO.Append(nil, m.Created.Time()), ContentType: m.ContentType, SubChannelID: p.Channel.Sub,
	}}

	// What few messages have.
	shown := &e.ChannelMessage
	if m.Edited != 0 {
		shown.LastEditedTimestamp = api.ISO.Append(nil, m.Edited.Time())
	}
	if m.Target != "" {
		shown.Target = []eventTarget{{site.RefARN(app, m.Target)}}
	}
	if m.Push != nil {
		shown.PushNotification = &eventPush{m.Push.Title, m.Push.Body, m.Push.Type}
	}
	for name, values := range m.Attributes {
		if shown.MessageAttributes == nil {
			shown.MessageAttributes = map[string]eventAttribute{}
		}
		shown.MessageAttributes[name] = eventAttribute{values}
	}
	return json.Marshal(e)
}
