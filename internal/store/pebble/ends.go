package pebble

import (
	"sync"

	"github.com/carillon-chat/carillon/internal/store"
)

// ends remembers where the logs end that were written to since the store was opened, so that no commit
// has to write it and few reads have to look for it.
type ends struct {
	mu sync.RWMutex
	by map[string]end // by app instance
}

// end is where a log ends.
type end struct {
	position uint64 // of the latest event, since the commit
	commit   uint64
	synced   uint64 // position of the latest event that is on disk and published
}

func newEnds() *ends { return &ends{by: make(map[string]end)} }

func (e *ends) find(app string) (found end, ok bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	found, ok = e.by[app]
	return found, ok
}

// found notes a log that was not written to since the store was opened, all of which is on disk. A log that
// was written to meanwhile is known already. One that never had an event is not noted, so that names of app
// instances that do not exist take no memory.
func (e *ends) found(app string, position, commit uint64) {
	if position == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.by[app]; !known {
		e.by[app] = end{position, commit, position}
	}
}

// grew notes that a commit will have put events at the end of a log.
func (e *ends) grew(app string, position, commit uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.by[app] = end{position, commit, e.by[app].synced}
}

// published notes that the events up to the position are on disk.
func (e *ends) published(app string, position uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := e.by[app]
	at.synced = position
	e.by[app] = at
}

// of is the position of the latest event of the reader's log in its snapshot, which was taken before.
func (e *ends) of(r *reader) (uint64, error) {
	known, ok := e.find(r.app)
	if !ok {
		// Every later View of the log would look for it again.
		position, err := store.LogEnd(r, r.app)
		if err == nil && r.cache != nil {
			e.found(r.app, position, r.commits)
		}
		return position, err
	}

	commits := r.commits
	if r.cache == nil {
		last, err := readLast(r.from)
		if err != nil {
			return 0, err
		}
		commits = last.commits
	}
	if known.commit <= commits {
		return known.position, nil
	}
	return store.LogEnd(r, r.app)
}
