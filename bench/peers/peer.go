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

	// send prepares a request over HTTP whose answer says that the server has taken the message.
	send(channel int, text string) ([]byte, error)

	// reader opens a connection on which a user reads history in the peer's own way; page prepares a
	// request over it for the latest messages of a channel, whose first user is the reader.
	reader(user int) (rig.Conn, error)
	page(channel, messages int) ([]byte, error)

	// entry is how a user opens a WebSocket that gets what is sent to the user's channels.
	entry(user int) (entry, error)

	// texts are those of all messages of a channel that the server has.
	texts(ctx context.Context, channel int) ([]string, error)

	// join is how a user opens a WebSocket and gets the latest messages of all of the user's channels, with
	// the number of texts in which they come. The channels have to have them already.
	join(ctx context.Context, user int) (e entry, texts int, err error)

	// again starts the server on what is left of its data, after stop or kill, which is without a chance
	// to clean up.
	again(ctx context.Context) error
	stop() error
	kill() error
}

// entry is a WebSocket to be opened.
type entry struct {
	request []byte // for the upgrade
	hello   []byte // text that is sent after it; empty for none
}

// open opens a WebSocket and waits for the first text of the server, by which the user is online.
func (e entry) open(addr string) (*rig.Socket, error) {
	s, err := e.dial(addr)
	if err != nil {
		return nil, err
	}
	if _, err = s.Text(); err != nil {
		s.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, s.Established()
}

// dial opens a WebSocket, on which nothing was read yet.
func (e entry) dial(addr string) (*rig.Socket, error) {
	s, err := rig.DialSocket(addr, "", nil)
	if err != nil {
		return nil, err
	}
	if _, err = s.Write(e.request); err == nil {
		err = s.Switched()
	}
	if err == nil && len(e.hello) > 0 {
		err = s.WriteText(e.hello)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return s, nil
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

// footprint is the memory of a server's processes in bytes.
func footprint(s server) (bytes float64, err error) {
	pids, err := s.pids()
	for _, pid := range pids {
		size, gone := rig.ProportionalBytes(pid)
		if gone == nil {
			bytes += size
		}
	}
	return bytes, err
}
