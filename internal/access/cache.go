package access

import (
	"hash/maphash"
	"sync/atomic"
)

// cache is a table of a fixed number of entries, in sets of a few, that is read and written
// without a lock. A newcomer pushes out the oldest of its set. Two writers of one set may lose
// an entry, which costs looking it up again and nothing else. Entries are never changed.
type cache[T any] struct {
	seed maphash.Seed
	sets [][ways]atomic.Pointer[T] // a power of two
}

const ways = 4

func newCache[T any](sets int) cache[T] {
	return cache[T]{maphash.MakeSeed(), make([][ways]atomic.Pointer[T], sets)}
}

func (c *cache[T]) hash(text string) uint64 { return maphash.String(c.seed, text) }

// find gives the entry of the hash's set that fits, nil when there is none. It allocates nothing.
func (c *cache[T]) find(hash uint64, fits func(*T) bool) *T {
	set := &c.sets[hash&uint64(len(c.sets)-1)]
	for i := range set {
		if entry := set[i].Load(); entry != nil && fits(entry) {
			return entry
		}
	}
	return nil
}

func (c *cache[T]) put(hash uint64, entry *T) {
	set := &c.sets[hash&uint64(len(c.sets)-1)]
	for i := range set {
		if entry = set[i].Swap(entry); entry == nil {
			return
		}
	}
}
