package prefetch

import (
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/store"
)

// part is a part of the details of a channel that its members see alike, and that changes by itself.
type part uint8

const (
	latestMessages part = iota
	firstMembers
)

var parts = [...]part{latestMessages, firstMembers}

// table is what the part is made of.
func (p part) table() store.TableID {
	if p == firstMembers {
		return store.MembersInOrder.ID
	}
	return store.Messages.ID
}

// place is where an excerpt belongs: a channel by its UID, and a part.
type place struct {
	channel string
	part    part
}

// excerpt is what the members of a channel see alike, as it was at a position of the log and, where the
// engine knows them, at some versions.
type excerpt struct {
	app       string
	at        uint64
	versions  message.Versions
	versioned bool
	common    bool // all members see it so
	text      []byte
	latest    message.Latest // of messages: they lie in text
}

// size is how many bytes an excerpt takes, about.
func (e *excerpt) size() int { return len(e.text) + excerptOverhead }

// excerptOverhead is what an excerpt takes beside its text, with the pieces of twenty messages.
const excerptOverhead = 768

// excerpts keeps excerpts, because the members of a channel come back together after a restart. Whether one
// still holds is asked of the store in the moment that it is for: of the versions, or else of the traces
// beside the log.
type excerpts struct {
	limit int // bytes of all excerpts

	mu   lockorder.Mutex[lockorder.Leaf]
	by   map[place]excerpt
	size int
	// removed is the position of the latest removal of content in each app instance: what was read
	// before is not kept.
	removed map[string]uint64
}

func newExcerpts(limit int) excerpts {
	return excerpts{limit: limit, by: make(map[place]excerpt), removed: make(map[string]uint64)}
}

// find returns what is kept. holds reports whether it holds for the caller now, in the moment that r reads.
func (e *excerpts) find(r store.Reader, v *channel.Visit, at place, now excerpt) (kept excerpt, holds bool, err error) {
	e.mu.Lock()
	kept, found := e.by[at]
	e.mu.Unlock()
	switch {
	case !found:
	case now.versioned && kept.versioned:
		holds = now.versions == kept.versions
	default:
		holds, err = store.Unchanged(r, v.Topic().Whole(), v.Actor.Ref, kept.at, now.at)
	}
	return kept, holds, err
}

// put keeps an excerpt in place of an older one of its channel, and drops any others for which
// there is no space.
func (e *excerpts) put(at place, made excerpt) {
	e.mu.Lock()
	defer e.mu.Unlock()

	if old, found := e.by[at]; found {
		if old.at > made.at {
			return
		}
		e.drop(at)
	}
	if made.size() > e.limit || made.at < e.removed[made.app] {
		return
	}

	for other := range e.by {
		if e.size+made.size() <= e.limit {
			break
		}
		e.drop(other)
	}
	e.by[at] = made
	e.size += made.size()
}

// forget drops what may hold the content that the event removes. None of it would be sent any more.
func (e *excerpts) forget(removal *chime.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.removed[removal.App] = removal.Position
	if removal.Channel == "" { // of many channels
		for at := range e.by {
			e.withdraw(removal, at)
		}
		return
	}
	for _, part := range parts {
		e.withdraw(removal, place{removal.Channel, part})
	}
}

// withdraw drops an excerpt that may hold the content that the event removes. The caller holds mu.
func (e *excerpts) withdraw(removal *chime.Event, at place) {
	kept, found := e.by[at]
	if found && removal.Withdraws(&chime.Event{Type: chime.EventChannelDetails, Topic: chime.Topic{App: kept.app, Channel: at.channel, Sub: removal.Sub}}) {
		e.drop(at)
	}
}

// forgetApp drops all of an app instance whose events are not delivered any more.
func (e *excerpts) forgetApp(app string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.removed, app)
	for at, kept := range e.by {
		if kept.app == app {
			e.drop(at)
		}
	}
}

// drop takes out an excerpt that is there. The caller holds mu.
func (e *excerpts) drop(at place) {
	kept := e.by[at]
	e.size -= kept.size()
	delete(e.by, at)
}
