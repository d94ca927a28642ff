package throttle

import (
	"hash/maphash"
	"sync"
	"time"
)

// buckets keeps for each bucket when it will be full again, and nothing for one that is full. A
// call moves that moment by the interval of its rate; it is refused when the bucket would need
// longer than from empty to full. So a bucket is one number, and needs no timer to fill.
type buckets struct {
	seed   maphash.Seed // of this process, so that clients cannot make keys collide
	shards [shards]shard
}

const shards = 64

type shard struct {
	mu     sync.Mutex
	full   map[uint64]int64 // by key, in nanoseconds since the start
	sweep  int64            // when to look for what is full again
	filled int              // most entries since the map was made
	_      [64]byte         // shards do not share a cache line
}

// maxClaims is the most rates that one call falls under.
const maxClaims = 3

// claim is one call's need of one bucket.
type claim struct {
	rate rate
	key  uint64
}

func (c claim) shard() uint64 { return c.key % shards }

func newBuckets() *buckets {
	b := &buckets{seed: maphash.MakeSeed()}
	for i := range b.shards {
		b.shards[i].full = make(map[uint64]int64)
	}
	return b
}

func (b *buckets) claim(r rate, id, part string) claim {
	var h maphash.Hash
	h.SetSeed(b.seed)
	_ = h.WriteByte(r.number)
	_, _ = h.WriteString(id)
	_ = h.WriteByte(0) // no ARN holds one
	_, _ = h.WriteString(part)
	return claim{rate: r, key: h.Sum64()}
}

// take takes one call from the bucket of each claim, or none, and returns the rate of the bucket
// that lacks most and how long it lacks. The order of the claims may change.
func (b *buckets) take(now int64, claims []claim) (short rate, wait time.Duration) {
	b.lock(claims)
	defer b.unlock(claims)

	for _, c := range claims {
		least := b.shards[c.shard()].until(c.key, now) - c.rate.burst()
		if lacks := time.Duration(least + c.rate.interval - now); lacks > wait {
			short, wait = c.rate, lacks
		}
	}

	if wait > 0 {
		return short, wait
	}

	for _, c := range claims {
		s := &b.shards[c.shard()]
		s.tidy(now)
		s.full[c.key] = s.until(c.key, now) + c.rate.interval
	}
	return rate{}, 0
}

// reserve takes one call from a bucket although it may have none yet, and returns when it will have
// one: in wait, which is at most patience. Otherwise it takes nothing.
func (b *buckets) reserve(now int64, c claim, patience time.Duration) (wait time.Duration, reserved bool) {
	s := &b.shards[c.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()

	s.tidy(now)
	full := s.until(c.key, now) + c.rate.interval
	if wait = time.Duration(full - now - c.rate.burst()); wait > patience {
		return wait, false
	}
	s.full[c.key] = full
	return max(wait, 0), true
}

// lock locks the shards of the claims, in order of the shards, so that two calls never wait for
// each other.
func (b *buckets) lock(claims []claim) {
	for i := 1; i < len(claims); i++ {
		for j := i; j > 0 && claims[j].shard() < claims[j-1].shard(); j-- {
			claims[j], claims[j-1] = claims[j-1], claims[j]
		}
	}
	for i, c := range claims {
		if i == 0 || c.shard() != claims[i-1].shard() {
			b.shards[c.shard()].mu.Lock()
		}
	}
}

func (b *buckets) unlock(claims []claim) {
	for i, c := range claims {
		if i == 0 || c.shard() != claims[i-1].shard() {
			b.shards[c.shard()].mu.Unlock()
		}
	}
}

// giveBack undoes what was taken for the claim, unless calls wait for what the bucket will have.
func (b *buckets) giveBack(now int64, c claim) {
	s := &b.shards[c.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	if full, known := s.full[c.key]; known && full-now <= c.rate.burst() {
		s.full[c.key] = full - c.rate.interval
	}
}

// has reports whether anything is known of the bucket.
func (b *buckets) has(key uint64) bool {
	s := &b.shards[key%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.full[key]
	return known
}

// until is when the bucket is full, which is at the earliest now.
func (s *shard) until(key uint64, now int64) int64 { return max(s.full[key], now) }

// tidy forgets the buckets that are full, which is no loss: an unknown bucket is full. It sweeps
// no more often than any bucket takes to fill, so that each entry costs a look or two. A map
// never shrinks, so one that was much larger is made again.
func (s *shard) tidy(now int64) {
	if now < s.sweep {
		return
	}
	s.sweep = now + burstSeconds*int64(time.Second)
	s.filled = max(s.filled, len(s.full))
	for key, full := range s.full {
		if full <= now {
			delete(s.full, key)
		}
	}

	if len(s.full) >= s.filled/4 {
		return
	}
	kept := make(map[uint64]int64, len(s.full))
	for key, full := range s.full {
		kept[key] = full
	}
	s.full, s.filled = kept, len(kept)
}
