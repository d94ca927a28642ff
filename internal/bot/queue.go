package bot

import (
	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow/lanes"
	"github.com/carillon-chat/carillon/internal/store"
)

// Bounds of what a node has in memory. Messages that are not persistent are not answered beyond them.
const (
	maxQueued = 10_000
	maxLive   = 1_000
)

// turn is what a bot has to do, on this node.
type turn struct {
	chime.BotTurn
	app string
	key store.Key // of the record; nil for a message that is not persistent
	// said is the message of a turn without record.
	said *said
}

// name is one of the turn alone.
func (t turn) name() string {
	if t.key != nil {
		return string(t.key)
	}
	return t.Session + " " + t.Message
}

// Queue holds the turns that are to be taken, by conversation. It is safe for concurrent use.
type Queue struct {
	lanes *lanes.Queue[string, turn]
	live  chan chime.Event // messages that are not persistent
}

// NewQueue makes a Queue.
func NewQueue() *Queue {
	return &Queue{live: make(chan chime.Event, maxLive), lanes: lanes.New(lanes.Options[string, turn]{
		Most: maxQueued, Key: turn.name,
		Lane:   func(t turn) string { return t.Session },
		Stored: func(t turn) bool { return t.key != nil },
	})}
}

// Listen returns a publisher that notes what bots may have to answer of what it hands on.
func (q *Queue) Listen(to bus.Publisher) bus.Publisher { return listener{to, q} }

type listener struct {
	bus.Publisher
	queue *Queue
}

// Publish implements bus.Publisher.
func (l listener) Publish(app string, after uint64, events ...chime.Event) {
	l.Publisher.Publish(app, after, events...)
	for i := range events {
		if !asks(&events[i]) {
			continue
		}
		select {
		case l.queue.live <- events[i]:
		default: // one that is not persistent may be lost
		}
	}
}
