package idempotency

import (
	"sync"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
)

// Recent does for calls that write nothing what Call does for the others: it remembers their
// answers in memory, for the window at most, and forgets early rather than grow. The zero
// value is ready.
type Recent struct {
	mu                sync.Mutex
	current, previous map[string]recentReply
	since             chime.Millis // when current began
}

type recentReply struct {
	request [requestHashLen]byte
	value   string
	expires chime.Millis
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
	if c.now >= r.since+(c.expires-c.now) || len(r.current) >= maxRecent || r.current == nil {
		r.previous, r.current, r.since = r.current, make(map[string]recentReply), c.now
	}
	key := string(c.current[bucketLen:])
	for _, replies := range [...]map[string]recentReply{r.current, r.previous} {
		reply, found := replies[key]
		if !found || reply.expires <= c.now {
			continue
		}
		if reply.request != c.request {
			return "", false, api.Conflict("ClientRequestToken was used before with other parameters")
		}
		return reply.value, true, nil
	}
	r.current[key] = recentReply{c.request, value, c.expires}
	return value, false, nil
}
