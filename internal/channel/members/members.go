// Package members reads the list of members of a channel in pieces, for those that work off a channel of any
// size.
package members

import (
	"bytes"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Of is the part of the list that a topic is about: the members of a sub-channel, or those of the channel.
func Of(at chime.Topic) store.Key {
	if at.Sub != "" {
		return store.K(at.App, at.Channel, "sub "+at.Sub)
	}
	return store.K(at.App, at.Channel)
}

// Member is a place on the list.
type Member struct {
	Ref   chime.Ref
	Since uint64 // position of the log at which it became a member
	// Next is where Each goes on behind the member.
	Next store.Key
}

// Each calls f for the members of a channel that is not elastic, or of a sub-channel, hidden ones included,
// until f returns false. It begins at from, or at the beginning when that is nil.
func Each(r store.Reader, at chime.Topic, from store.Key, f func(Member) (more bool, err error)) error {
	list := store.Prefix(Of(at))
	if from != nil {
		list.From = from
	}
	return store.MembersInOrder.Each(r, list, func(key store.Key, ref chime.Ref) (bool, error) {
		columns, err := key.Columns()
		if err != nil {
			return false, err
		}
		since, _ := columns[len(columns)-2].(uint64) // before the Ref
		return f(Member{Ref: ref, Since: since, Next: append(bytes.Clone(key), 0)})
	})
}
