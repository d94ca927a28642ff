package message

import (
	"slices"

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
	now, before map[history][]keptPage
	size        int // of now
}

// history is where messages are: a channel by its UID, and a sub-channel of an elastic one.
type history struct{ channel, sub string }

// opening is which newest page is asked for.
type opening struct {
	history
	messages int
}

// keptPage is a newest page. A history has few, since clients ask for one number of messages.
type keptPage struct {
	messages int // that were asked for
	made     Versions
	encoded
}

// newestBytes is enough for the newest pages of some hundreds of channels, twice.
const newestBytes = 16 << 20

// pageOverhead is how many bytes a page takes beside its text, about.
const pageOverhead = 320

func newNewest(limit int) newest { return newest{limit: limit, now: make(map[history][]keptPage)} }

// openingOf is the newest page that a request asks for; ok is false when it asks for another page.
func openingOf(v *channel.Visit, req *messaging.ListChannelMessagesRequest) (at opening, ok bool) {
	if req.NextToken != nil || req.NotBefore != nil || req.NotAfter != nil || req.SortOrder == messaging.SortOrderAscending {
		return at, false
	}
	at = opening{history{v.Channel.UID, v.Sub}, store.DefaultPage}
	if req.MaxResults != nil {
		at.messages = *req.MaxResults
	}
	return at, true
}

// find returns the page in this state.
func (n *newest) find(at opening, now Versions) (page encoded, found bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := at.among(n.now[at.history]); i >= 0 {
		kept := &n.now[at.history][i]
		return kept.encoded, kept.made == now
	}

	i := at.among(n.before[at.history])
	if i < 0 {
		return page, false
	}
	kept := n.before[at.history][i]
	if kept.made != now {
		return page, false
	}
	n.set(at.history, kept)
	return kept.encoded, true
}

// among is the place of the page, -1 when it is not there.
func (o *opening) among(pages []keptPage) int {
	return slices.IndexFunc(pages, func(p keptPage) bool { return p.messages == o.messages })
}

func (n *newest) put(at opening, made Versions, page encoded) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.set(at.history, keptPage{at.messages, made, page})
}

// set keeps a page. The caller holds mu.
func (n *newest) set(in history, kept keptPage) {
	pages, at := n.now[in], opening{in, kept.messages}
	if i := at.among(pages); i >= 0 {
		n.size += len(kept.text) - len(pages[i].text)
		pages[i] = kept
	} else {
		n.size += len(kept.text) + pageOverhead
		n.now[in] = append(pages, kept)
	}
	if n.size > n.limit {
		n.now, n.before, n.size = make(map[history][]keptPage), n.now, 0
	}
}

// forget drops what is kept of a history from which content was removed, so that no memory has it.
func (n *newest) forget(in history) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, kept := range n.now[in] {
		n.size -= len(kept.text) + pageOverhead
	}
	delete(n.now, in)
	delete(n.before, in)
}
