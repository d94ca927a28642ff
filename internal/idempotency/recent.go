package idempotency

import "sync"

// Recent is Call for calls that write nothing: it remembers their
// answers in memory, for the window at most, and forgets early rather than grow. The zero
// value is ready.
type Recent struct {
	mu                sync.Mutex
	current, previous map[recentKey]recentReply
	since             int64 // when current began, in milliseconds of store time
}

// recentKey is the hash of a scope: a key of store.Replies without its bucket.
type recentKey [keyLen - columnLen]byte

type recentReply struct {
	request [hashLen]byte
	value   string
	expires int64
	within  within
}

const maxRecent = 1 << 15 // answers in one of the two maps

// Do remembers the answer of a call, or finds the answer of an earlier one with the token.
// Other parameters than that call had are a ConflictException.
func (r *Recent) Do(c *Call, value string) (answer string, repeated bool, err error) {
	if !c.token {
		return value, false, nil
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	now := c.tokens.now()
	if now >= r.since+c.tokens.window() || len(r.current) >= maxRecent || r.current == nil {
		r.previous, r.current, r.since = r.current, make(map[recentKey]recentReply), now
	}

	key := recentKey(c.replyKey[columnLen:])
	for _, replies := range [...]map[recentKey]recentReply{r.current, r.previous} {
		reply, found := replies[key]
		if !found || reply.expires <= now || reply.within != c.within {
			continue
		}
		if reply.request != c.request {
			return "", false, errOtherParameters
		}
		return reply.value, true, nil
	}

	r.current[key] = recentReply{c.request, value, now + c.tokens.window(), c.within}
	return value, false, nil
}
