package message

import (
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
)

// show returns a message as GetChannelMessage and the events show it. Status is always there:
// clients read it unchecked (spec 4.11).
func (s *Service) show(v *channel.Visit, m *chime.Message, sender *messaging.Identity) *messaging.ChannelMessage {
	whole := &struct { // the content lies with the message, so that the heap has one object instead of two
		messaging.ChannelMessage
		content string
	}{messaging.ChannelMessage{
		ChannelARN: v.ARN(), MessageID: m.ID, Metadata: m.Metadata, Type: m.Type,
		CreatedTimestamp: m.Created.Optional(), LastEditedTimestamp: m.Edited.Optional(),
		LastUpdatedTimestamp: m.Updated.Optional(), Sender: sender, Redacted: m.Redacted,
		Persistence: m.Persistence, Status: status(m), MessageAttributes: attributes(m),
		ContentType: m.ContentType, Target: target(v, m), SubChannelID: m.Sub,
	}, m.Content}
	whole.Content = s.shownContent(&whole.content)
	return &whole.ChannelMessage
}

// shown is a message as lists show it, with all that its summary points to, so that the heap has one object
// for it, or one for a whole list that is encoded message by message.
type shown struct {
	summary                  messaging.ChannelMessageSummary
	content                  string
	created, updated, edited time.Time
	status                   messaging.ChannelMessageStatusStructure
}

// summary shows a message in place of what in showed before.
func (s *Service) summary(in *shown, v *channel.Visit, m *chime.Message, sender *messaging.Identity) *messaging.ChannelMessageSummary {
	in.content = m.Content
	in.status = messaging.ChannelMessageStatusStructure{Value: m.Status, Detail: m.Detail}
	in.summary = messaging.ChannelMessageSummary{
		MessageID: m.ID, Content: s.shownContent(&in.content), Metadata: m.Metadata, Type: m.Type,
		CreatedTimestamp: m.Created.OptionalIn(&in.created), LastEditedTimestamp: m.Edited.OptionalIn(&in.edited),
		LastUpdatedTimestamp: m.Updated.OptionalIn(&in.updated), Sender: sender, Redacted: m.Redacted,
		Status: &in.status, MessageAttributes: attributes(m), ContentType: m.ContentType, Target: target(v, m),
	}
	return &in.summary
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
	all := make(map[string]messaging.MessageAttributeValue, len(m.Attributes))
	for name, values := range m.Attributes {
		all[name] = messaging.MessageAttributeValue{StringValues: values}
	}
	return all
}

func target(v *channel.Visit, m *chime.Message) []messaging.Target {
	if m.Target == "" {
		return nil
	}
	arn := v.RefARN(m.Target)
	return []messaging.Target{{MemberARN: &arn}}
}
