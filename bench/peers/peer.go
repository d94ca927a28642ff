//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

// peer is a kind of server that is measured.
type peer interface {
	name() string // in the table

	// start starts a server that keeps its data in an empty folder, and returns when it takes requests. Its
	// processes stay on the processors of the caller's thread, and end with ctx at the latest.
	start(ctx context.Context, dir string) (server, error)
}

// server is a peer that runs.
type server interface {
	addr() string         // of HTTP and WebSocket
	pids() ([]int, error) // of all its processes

	// populate creates the channels, each with its users. It is called once.
	populate(ctx context.Context, channels [][]int) error

	// Requests are prepared before they are measured: the answer to a send says that the server has taken
	// the message, a page answers the latest messages of a channel.
	send(channel int, text string) ([]byte, error)
	page(channel, messages int) ([]byte, error)

	// entry is how a user opens a WebSocket that gets what is sent to the user's channels.
	entry(user int) (entry, error)

	kill() error // without a chance to clean up
	stop() error
}

// entry is a WebSocket to be opened.
type entry struct {
	request []byte // for the upgrade
	hello   []byte // text that is sent after it; empty for none
}

// open opens a WebSocket and waits for the first text of the server, by which the user is online.
func (e entry) open(addr, source string) (*rig.Socket, error) {
	s, err := rig.DialSocket(addr, source, nil)
	if err != nil {
		return nil, err
	}
	if _, err = s.Write(e.request); err == nil {
		err = s.Switched()
	}
	if err == nil && len(e.hello) > 0 {
		err = s.WriteText(e.hello)
	}
	if err == nil {
		_, err = s.Text()
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, s.Established()
}

// usage is what a server has used of the processors until now.
func usage(s server) (used time.Duration, err error) {
	pids, err := s.pids()
	for _, pid := range pids {
		cpu, gone := rig.CPUTime(pid)
		if gone == nil { // a process that ended meanwhile is left out
			used += cpu
		}
	}
	return used, err
}
