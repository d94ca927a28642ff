package presence

import (
	"maps"
	"slices"
	"sync"

	"github.com/carillon-chat/carillon/internal/chime"
)

// letter is an event for the sessions of one user.
type letter struct {
	user  chime.Ref
	event *chime.Event
}

// held are the letters that wait until a change of their channel has been delivered. The zero value is
// ready.
type held struct {
	mu      sync.Mutex
	letters map[chime.Topic][]letter
}

func (h *held) add(topic chime.Topic, l letter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.letters == nil {
		h.letters = make(map[chime.Topic][]letter)
	}
	h.letters[topic] = append(h.letters[topic], l)
}

func (h *held) take(topic chime.Topic) []letter {
	h.mu.Lock()
	defer h.mu.Unlock()
	letters := h.letters[topic]
	delete(h.letters, topic)
	return letters
}

func (h *held) takeAll() []letter {
	h.mu.Lock()
	defer h.mu.Unlock()
	letters := slices.Concat(slices.Collect(maps.Values(h.letters))...)
	h.letters = nil
	return letters
}
