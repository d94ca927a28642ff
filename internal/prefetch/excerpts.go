package prefetch

import (
	"bytes"

	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
	"github.com/carillon-chat/carillon/internal/store"
)

// excerpt is what the members of a channel see alike, as it was at a position of the log.
type excerpt struct {
	app  string
	at   uint64
	text []byte
}

// excerpts keeps excerpts by the UID of their channel, because the members of a channel come back
// together after a restart. Whether one still holds is read from the traces beside the log, in the
// moment that it is for.
type excerpts struct {
	limit int // bytes of all texts

	mu   lockorder.Mutex[lockorder.Leaf]
	by   map[string]excerpt
	size int
	// removed is the position of the latest removal of content in each app instance: what was read
	// before is not kept.
	removed map[string]uint64
}

func newExcerpts(limit int) excerpts {
	return excerpts{limit: limit, by: make(map[string]excerpt), removed: make(map[string]uint64)}
}

// find is the excerpt of a channel if it holds for the caller at the position of the log that r
// reads, else nil.
func (e *excerpts) find(r store.Reader, v *channel.Visit, now uint64) ([]byte, error) {
	e.mu.Lock()
	kept, found := e.by[v.Channel.UID]
	e.mu.Unlock()
	if !found {
		return nil, nil
	}
	same, err := store.Unchanged(r, v.Topic().Whole(), v.Actor.Ref, kept.at, now)
	if err != nil || !same {
		return nil, err
	}
	return kept.text, nil
}

// put keeps an excerpt in place of an older one of its channel, and drops any others for which
// there is no space.
func (e *excerpts) put(uid string, made excerpt) {
	made.text = bytes.Clone(made.text) // without the room behind it
	e.mu.Lock()
	defer e.mu.Unlock()

	if old, found := e.by[uid]; found {
		if old.at >= made.at {
			return
		}
		e.drop(uid)
	}
	if len(made.text) > e.limit || made.at < e.removed[made.app] {
		return
	}

	for other := range e.by {
		if e.size+len(made.text) <= e.limit {
			break
		}
		e.drop(other)
	}
	e.by[uid] = made
	e.size += len(made.text)
}

// forget drops what may hold the content that the event removes. None of it would be sent any more.
func (e *excerpts) forget(removal *chime.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.removed[removal.App] = removal.Position
	for uid, kept := range e.by {
		if removal.Withdraws(&chime.Event{Type: chime.EventChannelDetails, Topic: chime.Topic{App: kept.app, Channel: uid, Sub: removal.Sub}}) {
			e.drop(uid)
		}
	}
}

// forgetApp drops all of an app instance whose events are not delivered any more.
func (e *excerpts) forgetApp(app string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.removed, app)
	for uid, kept := range e.by {
		if kept.app == app {
			e.drop(uid)
		}
	}
}

func (e *excerpts) drop(uid string) {
	e.size -= len(e.by[uid].text)
	delete(e.by, uid)
}
