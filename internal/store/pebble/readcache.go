package pebble

import (
	"hash/maphash"
	"sync"

	"github.com/carillon-chat/carillon/internal/store"
)

// readCache keeps values that Views read again and again: of callers, their roles, channels and members. A
// value is what is under its key since the commit that it notes. It leaves with the commit that writes to
// the key, before that is in any moment, so a View at the noted commit or a later one reads the same as
// from its snapshot, and an earlier View does not use it.
type readCache struct {
	seed   maphash.Seed
	shards [cacheShards]cacheShard
	limit  int // of the size of a shard, from which on now becomes before
}

const cacheShards = 64

type cacheShard struct {
	mu          sync.RWMutex
	now, before map[string]cachedValue // by path
	size        int                    // bytes of now, about
	changed     uint64                 // number of the latest commit that wrote to a key of the shard
}

type cachedValue struct {
	value []byte // nil: there is no entry
	since uint64 // number of a commit
}

// cachedTables are those of small records that many calls read and few change.
var cachedTables = func() (is [256]bool) {
	for _, table := range [...]store.TableID{
		store.AppInstances.ID, store.Users.ID, store.Bots.ID, store.Admins.ID, store.Channels.ID, store.Memberships.ID,
		store.Moderators.ID, store.Bans.ID, store.Activities.ID, store.MemberSubChannels.ID, store.TableLogs,
	} {
		is[table] = true
	}
	return is
}()

// newReadCache makes a cache that takes twice the limit at most, in bytes.
func newReadCache(limit int) *readCache {
	return &readCache{seed: maphash.MakeSeed(), limit: limit / cacheShards}
}

func (c *readCache) shard(path []byte) *cacheShard {
	return &c.shards[maphash.Bytes(c.seed, path)%cacheShards]
}

// find returns the value under the path at the commit; known reports whether it is here.
func (c *readCache) find(path []byte, commit uint64) (value []byte, known bool) {
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
func (c *readCache) renew(s *cacheShard, path []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, known := s.before[string(path)]; known {
		s.set(path, found, c.limit)
	}
}

// put notes what was read under the path at the commit, unless it was changed since. It keeps the value.
func (c *readCache) put(path, value []byte, commit uint64) {
	if len(value) > recentValue {
		return
	}
	s := c.shard(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed > commit {
		return
	}

	s.set(path, cachedValue{value, commit}, c.limit)
}

// set puts a value into now. The caller holds mu.
func (s *cacheShard) set(path []byte, v cachedValue, limit int) {
	if s.now == nil {
		s.now = make(map[string]cachedValue)
	}
	if old, known := s.now[string(path)]; known {
		s.size -= len(old.value)
	} else {
		s.size += recentEntry + len(path)
	}
	s.size += len(v.value)
	s.now[string(path)] = v
	if s.size > limit {
		s.before, s.now, s.size = s.now, nil, 0
	}
}

func (s *cacheShard) drop(path []byte, number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = number
	if old, known := s.now[string(path)]; known {
		s.size -= recentEntry + len(path) + len(old.value)
		delete(s.now, string(path))
	}
	delete(s.before, string(path))
}

// forget drops everything for a commit.
func (c *readCache) forget(number uint64) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.changed, s.now, s.before, s.size = number, nil, nil, 0
		s.mu.Unlock()
	}
}
