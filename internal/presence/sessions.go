package presence

import (
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
	"github.com/carillon-chat/carillon/internal/realtime"
)

// sessions is the users of app instances with presence that are online on this node.
type sessions struct {
	hub *realtime.Watcher

	mu     lockorder.Mutex[lockorder.Leaf]
	online map[string]map[chime.Ref]struct{} // by app instance
	moved  map[string]map[chime.Ref]struct{} // users whose memberships an event may have changed
}

// news is what has become of users of an app instance. The memberships of those that are online have to
// be read again.
type news map[chime.Ref]status

// status is what has become of one user since the last news of it.
type status struct {
	online bool
	opened bool // a session began that gets presence
	left   bool // the last of its former sessions has ended
}

func watch(hub *realtime.Watcher) *sessions {
	return &sessions{hub: hub, online: make(map[string]map[chime.Ref]struct{}), moved: make(map[string]map[chime.Ref]struct{})}
}

// follow notes the users whose memberships an event of the log changes. Those of a user that is offline
// are read when it comes online.
func (s *sessions) follow(e *chime.Event) {
	if len(e.Join)+len(e.Leave) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, refs := range [...][]chime.Ref{e.Join, e.Leave} {
		for _, ref := range refs {
			if _, online := s.online[e.App][ref]; online {
				add(s.moved, e.App, ref)
			}
		}
	}
}

// take returns the news since the last call, by app instance.
func (s *sessions) take() map[string]news {
	all := make(map[string]news)
	put := func(app string, user chime.Ref, is status) {
		if all[app] == nil {
			all[app] = make(news)
		}
		all[app][user] = is
	}
	changes := s.hub.Take()
	s.mu.Lock()
	defer s.mu.Unlock()

	// Memberships first: those of a user that has gone are not read.
	for app, users := range s.moved {
		for user := range users {
			put(app, user, status{online: true})
		}
	}
	clear(s.moved)

	for _, c := range changes {
		if c.Online && c.Allowed&chime.ExtraPresence != 0 {
			add(s.online, c.App, c.User)
			put(c.App, c.User, status{online: true, opened: c.Wants&chime.ExtraPresence != 0, left: c.Left})
		} else if _, was := s.online[c.App][c.User]; was {
			remove(s.online, c.App, c.User)
			put(c.App, c.User, status{left: true})
		}
	}
	return all
}

func add[K comparable](sets map[K]map[chime.Ref]struct{}, key K, user chime.Ref) {
	set := sets[key]
	if set == nil {
		set = make(map[chime.Ref]struct{})
		sets[key] = set
	}
	set[user] = struct{}{}
}

// remove keeps no empty sets.
func remove[K comparable](sets map[K]map[chime.Ref]struct{}, key K, user chime.Ref) {
	delete(sets[key], user)
	if len(sets[key]) == 0 {
		delete(sets, key)
	}
}
