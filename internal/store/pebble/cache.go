package pebble

import (
	"hash/maphash"
	"sync"

	"github.com/carillon-chat/carillon/internal/store"
)

// cache keeps values that are read again and again: of callers, their roles, channels and members. A value
// is the latest under its key, since the commit that it notes. A commit replaces the values of what it
// writes before it is in any moment, so a View at the noted commit or a later one reads the same as from its
// snapshot, and an earlier View does not use it. Transactions, of which one runs at a time, use the latest.
type cache struct {
	shards [cacheShards]cacheShard
	limit  int // of the size of a shard, from which on now becomes before
}

const cacheShards = 64

type cacheShard struct {
	mu          sync.RWMutex
	now, before map[string]cacheEntry // by path
	size        int                   // bytes of now, about
	changed     uint64                // number of the latest commit that wrote to a key of the shard
}

type cacheEntry struct {
	value []byte // nil: there is no entry
	since uint64 // number of a commit
}

// cachedTables are those of small records that many calls read and few change.
var cachedTables = func() (is [256]bool) {
	for _, table := range [...]store.TableID{
		store.AppInstances.ID, store.Users.ID, store.Bots.ID, store.Admins.ID, store.Channels.ID, store.Memberships.ID,
		store.Moderators.ID, store.Bans.ID, store.Activities.ID, store.MemberSubChannels.ID,
		store.SubChannels.ID, store.Flows.ID, store.Counts.ID, store.Tags.ID, store.TableLogs,
	} {
		is[table] = true
	}
	return is
}()

const (
	cachedEntry = 96 // bytes of an entry without its key and value, about
	cachedValue = 4 << 10
	cacheShare  = 4 // of the size of the cache of blocks
)

// newCache makes a cache that takes twice the limit at most, in bytes.
func newCache(limit int64) *cache { return &cache{limit: int(limit / cacheShards)} }

func (c *cache) shard(path []byte) *cacheShard {
	return &c.shards[maphash.Bytes(seed, path)%cacheShards]
}

// find returns the value under the path at the commit; known reports whether it is here.
func (c *cache) find(path []byte, commit uint64) (value []byte, known bool) {
	s := c.shard(path)
	s.mu.RLock()
	found, known := s.now[string(path)]
	older := !known
	if older {
		found, known = s.before[string(path)]
	}
	s.mu.RUnlock()

	if !known || found.since > commit {
		return nil, false
	}
	if older {
		c.renew(s, path)
	}
	return found.value, true
}

// renew takes what is under the path over from before, unless it left meanwhile.
func (c *cache) renew(s *cacheShard, path []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, known := s.before[string(path)]; known {
		s.set(path, found, c.limit)
	}
}

// put notes what was read under the path at the commit, unless it was changed since. It keeps the value.
func (c *cache) put(path, value []byte, commit uint64) {
	if len(value) > cachedValue {
		return
	}
	s := c.shard(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed > commit {
		return
	}

	s.set(path, cacheEntry{value, commit}, c.limit)
}

// set puts a value into now. The caller holds mu.
func (s *cacheShard) set(path []byte, v cacheEntry, limit int) {
	if s.now == nil {
		s.now = make(map[string]cacheEntry)
	}
	if old, known := s.now[string(path)]; known {
		s.size -= len(old.value)
	} else {
		s.size += cachedEntry + len(path)
	}
	s.size += len(v.value)
	s.now[string(path)] = v
	if s.size > limit {
		s.before, s.now, s.size = s.now, nil, 0
	}
}

// write notes the value that a commit is about to put under the path, nil for none. It keeps the value.
func (c *cache) write(path, value []byte, number uint64) {
	s := c.shard(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = number
	if len(value) <= cachedValue {
		s.set(path, cacheEntry{value, number}, c.limit)
		return
	}
	if old, known := s.now[string(path)]; known {
		s.size -= cachedEntry + len(path) + len(old.value)
		delete(s.now, string(path))
	}
	delete(s.before, string(path))
}

// forget drops everything for a commit.
func (c *cache) forget(number uint64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.changed, s.now, s.before, s.size = number, nil, nil, 0
		s.mu.Unlock()
	}
}
