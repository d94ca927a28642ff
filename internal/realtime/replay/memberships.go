package replay

import (
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Memberships lists the channels and sub-channels that a user is a member of.
func Memberships(r store.Reader, app string, user chime.Ref) (topics []chime.Topic, err error) {
	err = store.MembershipsOf.Each(r, store.Prefix(store.K(app, string(user))),
		func(_ store.Key, at chime.ChannelEntry) (bool, error) {
			topics = append(topics, chime.Topic{App: app, Channel: at.UID, Sub: at.Sub})
			return true, nil
		})
	return topics, err
}

// memberships are the channels and sub-channels that the user is in at some position. A whole channel
// counts its sub-channels.
type memberships map[chime.Topic]int

func (m memberships) has(topic chime.Topic) bool { return topic.Channel == "" || m[topic] > 0 }

func (m memberships) join(topic chime.Topic) {
	if m[topic] > 0 {
		return
	}
	m[topic] = 1
	if topic.Sub != "" {
		m[topic.Whole()]++
	}
}

// part takes off a channel with all its sub-channels, or one sub-channel.
func (m memberships) part(topic chime.Topic) {
	if topic.Sub == "" {
		for other := range m {
			if other.Whole() == topic {
				delete(m, other)
			}
		}
		return
	}
	if m[topic] == 0 {
		return
	}
	delete(m, topic)
	if whole := topic.Whole(); m[whole] == 1 {
		delete(m, whole)
	} else {
		m[whole]--
	}
}
