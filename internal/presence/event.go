package presence

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
)

// maxNames bounds the users that one event names.
const maxNames = 100

// payload is the payload of CHANNEL_PRESENCE.
type payload struct {
	ChannelArn   string
	SubChannelId string   `json:",omitempty"`
	OnlineCount  int      // of all users that are shown online now
	Online       []string // users that came, up to 100; with Complete all that are online
	Offline      []string // users that went, up to 100
	Complete     bool
}

func (s *Service) payload(b *board, topic chime.Topic, channelID string, online, offline map[chime.Ref]struct{}) payload {
	return payload{
		ChannelArn: s.o.Site.ChannelARN(topic.App, channelID), SubChannelId: topic.Sub, OnlineCount: len(b.shown[topic]),
		Online: s.names(topic.App, online), Offline: s.names(topic.App, offline),
	}
}

// names are the ARNs of the first maxNames users.
func (s *Service) names(app string, refs map[chime.Ref]struct{}) []string {
	sorted := slices.Sorted(maps.Keys(refs))
	names := make([]string, 0, min(len(sorted), maxNames))
	for _, ref := range sorted[:min(len(sorted), maxNames)] {
		names = append(names, s.o.Site.RefARN(app, ref))
	}
	return names
}

// event makes an event that follows the log up to where memberships were read.
func (s *Service) event(b *board, topic chime.Topic, p payload) chime.Event {
	text, _ := json.Marshal(p) // cannot fail
	return chime.Event{
		Position: b.position, Ephemeral: true, Time: chime.At(s.o.Now()), Type: chime.EventChannelPresence, Topic: topic,
		MessageType: chime.MessageTypeSystem, Payload: text,
	}
}
