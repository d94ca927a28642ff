package message

import (
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
)

// whole is a message as GetChannelMessage and the events show it. Status is always there:
// clients read it without asking (spec 4.11).
func whole(v *channel.Visit, m *chime.Message, sender *messaging.Identity) *messaging.ChannelMessage {
	return &messaging.ChannelMessage{
		ChannelARN: v.ARN(), MessageID: m.ID, Content: m.Content, Metadata: m.Metadata, Type: m.Type,
		CreatedTimestamp: m.Created.Optional(), LastEditedTimestamp: m.Edited.Optional(),
		LastUpdatedTimestamp: m.Updated.Optional(), Sender: sender, Redacted: m.Redacted,
		Persistence: m.Persistence, Status: status(m), MessageAttributes: attributes(m),
		ContentType: m.ContentType, Target: target(v, m), SubChannelID: m.Sub,
	}
}

// summary is a message as lists show it.
func summary(v *channel.Visit, m *chime.Message, sender *messaging.Identity) messaging.ChannelMessageSummary {
	return messaging.ChannelMessageSummary{
		MessageID: m.ID, Content: m.Content, Metadata: m.Metadata, Type: m.Type,
		CreatedTimestamp: m.Created.Optional(), LastEditedTimestamp: m.Edited.Optional(),
		LastUpdatedTimestamp: m.Updated.Optional(), Sender: sender, Redacted: m.Redacted,
		Status: status(m), MessageAttributes: attributes(m), ContentType: m.ContentType, Target: target(v, m),
	}
}

func status(m *chime.Message) *messaging.ChannelMessageStatusStructure {
	return &messaging.ChannelMessageStatusStructure{Value: m.Status, Detail: m.Detail}
}

func attributes(m *chime.Message) map[string]messaging.MessageAttributeValue {
	if len(m.Attributes) == 0 {
		return nil
	}
	shown := make(map[string]messaging.MessageAttributeValue, len(m.Attributes))
	for name, values := range m.Attributes {
		shown[name] = messaging.MessageAttributeValue{StringValues: values}
	}
	return shown
}

func target(v *channel.Visit, m *chime.Message) []messaging.Target {
	if m.Target == "" {
		return nil
	}
	arn := v.RefARN(m.Target)
	return []messaging.Target{{MemberARN: &arn}}
}
