package unread

import (
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Total counts the unread messages of a user in all its channels, at most so many.
func (c *Counter) Total(r store.Reader, app string, user chime.Ref, most uint64) (total uint64, err error) {
	err = store.MembershipsOf.Each(r, store.Prefix(store.K(app, string(user))), func(_ store.Key, at chime.ChannelEntry) (bool, error) {
		v, err := c.channels.VisitAt(r, app, user, at)
		if err != nil || v == nil {
			return true, err
		}
		n, err := c.count(r, v, most-total)
		total += n
		return total < most, err
	})
	return total, err
}
