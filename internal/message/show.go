package message

import (
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
)

// show returns a message as GetChannelMessage and the events show it. Status is always there:
// clients read it unchecked (spec 4.11).
func (s *Service) show(v *channel.Visit, m *chime.Message, sender *messaging.Identity) *messaging.ChannelMessage {
	shown := &struct { // the content lies with the message, so that the heap has one object instead of two
		messaging.ChannelMessage
		content string
	}{messaging.ChannelMessage{
		ChannelARN: v.ARN(), MessageID: m.ID, Metadata: m.Metadata, Type: m.Type,
		CreatedTimestamp: m.Created.Optional(), LastEditedTimestamp: m.Edited.Optional(),
		LastUpdatedTimestamp: m.Updated.Optional(), Sender: sender, Redacted: m.Redacted,
		Persistence: m.Persistence, Status: status(m), MessageAttributes: attributes(m),
		ContentType: m.ContentType, Target: target(v, m), SubChannelID: m.Sub,
	}, m.Content}
	shown.Content = s.shownContent(&shown.content)
	return &shown.ChannelMessage
}

// summary is a message as lists show it.
func (s *Service) summary(v *channel.Visit, m *chime.Message, sender *messaging.Identity) messaging.ChannelMessageSummary {
	content := m.Content
	return messaging.ChannelMessageSummary{
		MessageID: m.ID, Content: s.shownContent(&content), Metadata: m.Metadata, Type: m.Type,
		CreatedTimestamp: m.Created.Optional(), LastEditedTimestamp: m.Edited.Optional(),
		LastUpdatedTimestamp: m.Updated.Optional(), Sender: sender, Redacted: m.Redacted,
		Status: status(m), MessageAttributes: attributes(m), ContentType: m.ContentType, Target: target(v, m),
	}
}

// shownContent is nil for the content of a message that has lost it.
func (s *Service) shownContent(content *string) *string {
	if *content == "" && !s.emptyContent {
		return nil
	}
	return content
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
