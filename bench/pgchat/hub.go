package main

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	queueFrames  = 4096 // that may wait for one socket, before it is closed as too slow
	writeTimeout = 10 * time.Second
	pingInterval = 30 * time.Second
)

// hub has the members of channels and the sockets of users.
type hub struct {
	mu      sync.RWMutex
	members map[int][]int
	sockets map[int]map[*socket]struct{} // by user
}

// socket is one that is online.
type socket struct {
	conn  *websocket.Conn
	queue chan *websocket.PreparedMessage
}

func newHub() *hub { return &hub{members: map[int][]int{}, sockets: map[int]map[*socket]struct{}{}} }

// join adds members to a channel.
func (h *hub) join(channel int, users []int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members[channel] = append(h.members[channel], users...)
}

// isMember reports whether the user is in the channel.
func (h *hub) isMember(channel, user int) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, member := range h.members[channel] {
		if member == user {
			return true
		}
	}
	return false
}

// deliver queues an event for every socket of a channel's members. One whose queue is full is closed.
func (h *hub) deliver(channel int, event []byte) error {
	frame, err := websocket.NewPreparedMessage(websocket.TextMessage, event)
	if err != nil {
		return err
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, member := range h.members[channel] {
		for s := range h.sockets[member] {
			select {
			case s.queue <- frame:
			default:
				_ = s.conn.Close()
			}
		}
	}
	return nil
}

// serve writes what is queued for a socket until it ends. first are the texts that it gets before.
func (h *hub) serve(user int, conn *websocket.Conn, first [][]byte) {
	s := &socket{conn: conn, queue: make(chan *websocket.PreparedMessage, queueFrames)}
	h.mu.Lock()
	if h.sockets[user] == nil {
		h.sockets[user] = map[*socket]struct{}{}
	}
	h.sockets[user][s] = struct{}{}
	h.mu.Unlock()

	// Clients send nothing but answers to pings; reading handles these and notices the end.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	s.write(first, ended)
	_ = conn.Close()

	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets[user], s)
}

func (s *socket) write(first [][]byte, ended <-chan struct{}) {
	for _, text := range first {
		_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if s.conn.WriteMessage(websocket.TextMessage, text) != nil {
			return
		}
	}
	// The first ping is at any time of the interval, so that sockets that came together do not stay so.
	ping := time.NewTimer(rand.N(pingInterval))
	defer ping.Stop()
	for {
		select {
		case frame := <-s.queue:
			_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
			if s.conn.WritePreparedMessage(frame) != nil {
				return
			}
		case <-ping.C:
			if s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)) != nil {
				return
			}
			ping.Reset(pingInterval)
		case <-ended:
			return
		}
	}
}
