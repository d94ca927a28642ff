package pebble

import "github.com/carillon-chat/carillon/internal/store"

// recent keeps the latest values of entries that are read again and again, as the latest transaction
// has left them. It belongs to the leader of the groups: the one writer needs no lock for it, and
// nothing in it can be stale.
type recent struct {
	now, before map[string][]byte // by path; nil: there is no entry
	size        int               // bytes of now, about
	limit       int               // of size, from which on now becomes before
}

// recentTables are those of records that a send reads.
var recentTables = func() (is [256]bool) {
	for _, table := range [...]store.TableID{
		store.AppInstances.ID, store.Users.ID, store.Bots.ID, store.Admins.ID, store.Channels.ID, store.Memberships.ID,
		store.Moderators.ID, store.Bans.ID, store.Activities.ID, store.MemberSubChannels.ID, store.SubChannels.ID, store.Flows.ID, store.Counts.ID,
	} {
		is[table] = true
	}
	return is
}()

const (
	recentEntry = 96 // bytes of an entry without its key and value, about
	recentValue = 4 << 10
	recentShare = 8 // of the cache of blocks, which now and before have each
)

func newRecent(limit int) *recent { return &recent{now: make(map[string][]byte), limit: limit} }

// keeps reports whether values of the table with the path are kept.
func (c *recent) keeps(path []byte) bool { return recentTables[path[0]] }

// find returns the value under the path, nil when there is no entry; known reports whether it is here.
func (c *recent) find(path []byte) (value []byte, known bool) {
	if value, known = c.now[string(path)]; known {
		return value, true
	}
	if value, known = c.before[string(path)]; known {
		c.put(path, value)
	}
	return value, known
}

// put notes what is under the path, nil for nothing. It keeps the value.
func (c *recent) put(path, value []byte) {
	if len(value) > recentValue {
		delete(c.now, string(path))
		delete(c.before, string(path))
		return
	}
	old, known := c.now[string(path)]
	if !known {
		c.size += recentEntry + len(path)
	}
	c.size += len(value) - len(old)
	c.now[string(path)] = value
	if c.size > c.limit {
		c.before, c.now, c.size = c.now, make(map[string][]byte), 0
	}
}

// forget drops everything.
func (c *recent) forget() { c.now, c.before, c.size = make(map[string][]byte), nil, 0 }
