//go:build linux

package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/carillon-chat/carillon/bench/rig"
)

// sizes are how large the measurements are: in members or sockets, where nothing else is said.
type sizes struct {
	channel, large, broadcast int // online in one channel, in the measurements of push
	slow                      int // the same with readers that stop
	idle, secure              int // sockets of one node, plaintext and with TLS
	nodes, each               int // nodes at once, and sockets of each
	storm                     int // sessions that come back
	rate                      int // sends a second meanwhile
	strangers                 int // junk connections, and junk upgrades a second
	messages, channels        int // in a store that has grown
	crowded                   int // members of a channel that has grown
	backlog                   int // events that wait for a sink
	aged                      int // messages that go by retention
}

var (
	full = sizes{channel: 100, large: 1000, broadcast: 10_000, slow: 200, idle: 17_000, secure: 5000, nodes: 5, each: 17_000, storm: 15_000, rate: 100, strangers: 1000,
		messages: 1_000_000, channels: 10_000, crowded: 20_000, backlog: 360_000, aged: 100_000}
	small = sizes{channel: 10, large: 30, broadcast: 50, slow: 20, idle: 80, secure: 40, nodes: 2, each: 40, storm: 60, rate: 50, strangers: 20,
		messages: 500, channels: 20, crowded: 300, backlog: 300, aged: 300}
)

// set changes sizes as a list such as "storm=5000,rate=50" says.
func (s *sizes) set(list string) error {
	named := map[string]struct {
		size        *int
		least, most int
	}{
		"channel": {&s.channel, 10, 10_000}, "large": {&s.large, 10, 10_000}, "broadcast": {&s.broadcast, 10, 17_800},
		"slow": {&s.slow, 2 * stoppedShare, 10_000}, "idle": {&s.idle, 4, 17_800}, "secure": {&s.secure, 4, 17_800},
		"nodes": {&s.nodes, 1, 100}, "each": {&s.each, 4, 17_800}, "storm": {&s.storm, 20, 17_800}, "rate": {&s.rate, 1, 10_000},
		"strangers": {&s.strangers, 1, 10_000}, "messages": {&s.messages, 1, 100_000_000}, "channels": {&s.channels, 1, 1_000_000},
		"crowded": {&s.crowded, 2 * rig.BatchMembers, 1_000_000}, "backlog": {&s.backlog, 1, 100_000_000}, "aged": {&s.aged, 1, 100_000_000},
	}

	// Each pair is a size by its name.
	for pair := range strings.SplitSeq(list, ",") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		known, found := named[name]
		n, err := strconv.Atoi(value)
		switch {
		case !found:
			return fmt.Errorf("-sizes: there is no size %q", name)
		case err != nil || n < known.least || n > known.most:
			return fmt.Errorf("-sizes: %s is %d to %d, not %q", name, known.least, known.most, value)
		}
		*known.size = n
	}
	return nil
}
