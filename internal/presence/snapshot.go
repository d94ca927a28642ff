package presence

import (
	"maps"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/lockorder"
)

// snapshot is an event for the sessions of one user: all users that are online in a channel.
type snapshot struct {
	user  chime.Ref
	event *chime.Event
}

// held is the snapshots that wait until a change of their channel has been delivered. The zero value
// holds none.
type held struct {
	mu        lockorder.Mutex[lockorder.Leaf]
	snapshots map[chime.Topic][]snapshot
}

func (h *held) add(topic chime.Topic, s snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.snapshots == nil {
		h.snapshots = make(map[chime.Topic][]snapshot)
	}
	h.snapshots[topic] = append(h.snapshots[topic], s)
}

func (h *held) take(topic chime.Topic) []snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	snapshots := h.snapshots[topic]
	delete(h.snapshots, topic)
	return snapshots
}

func (h *held) takeAll() []snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	snapshots := slices.Concat(slices.Collect(maps.Values(h.snapshots))...)
	h.snapshots = nil
	return snapshots
}
