package message

import (
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/lockorder"
	"github.com/carillon-chat/carillon/internal/store"
)

// newest keeps the newest pages of channels as JSON, as REST shows them to every caller that may read the
// channel: it is what a client asks for when it opens a channel. Whether a page still holds is asked of the
// store in the moment that it is for, so what was changed or removed is not shown whatever is kept. Pages of
// engines that cannot say are not kept.
type newest struct {
	limit int // bytes of now, from which on it becomes before

	mu          lockorder.Mutex[lockorder.Leaf]
	now, before map[opening]keptPage
	size        int // of now
}

// opening is which newest page is asked for.
type opening struct {
	channel, sub string // UID and id
	messages     int
}

type keptPage struct {
	made Versions
	encoded
}

// newestBytes is enough for the newest pages of some hundreds of channels, twice.
const newestBytes = 16 << 20

func newNewest(limit int) newest { return newest{limit: limit, now: make(map[opening]keptPage)} }

// openingOf is the newest page that a request asks for; ok is false when it asks for another page.
func openingOf(v *channel.Visit, req *messaging.ListChannelMessagesRequest) (at opening, ok bool) {
	if req.NextToken != nil || req.NotBefore != nil || req.NotAfter != nil || req.SortOrder == messaging.SortOrderAscending {
		return at, false
	}
	at = opening{channel: v.Channel.UID, sub: v.Sub, messages: store.DefaultPage}
	if req.MaxResults != nil {
		at.messages = *req.MaxResults
	}
	return at, true
}

// find returns the page in this state.
func (n *newest) find(at opening, now Versions) (page encoded, found bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	kept, found := n.now[at]
	if !found {
		if kept, found = n.before[at]; found && kept.made == now {
			n.set(at, kept)
		}
	}
	return kept.encoded, found && kept.made == now
}

func (n *newest) put(at opening, kept keptPage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.set(at, kept)
}

// set keeps a page. The caller holds mu.
func (n *newest) set(at opening, kept keptPage) {
	n.size += len(kept.text) - len(n.now[at].text)
	n.now[at] = kept
	delete(n.before, at)
	if n.size > n.limit {
		n.now, n.before, n.size = make(map[opening]keptPage), n.now, 0
	}
}

// forget drops what is kept of a channel from which content was removed, so that no memory has it.
func (n *newest) forget(uid string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for at, kept := range n.now {
		if at.channel == uid {
			n.size -= len(kept.text)
			delete(n.now, at)
		}
	}
	for at := range n.before {
		if at.channel == uid {
			delete(n.before, at)
		}
	}
}
