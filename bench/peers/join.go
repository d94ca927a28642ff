//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/carillon-chat/carillon/bench/rig"
)

const (
	joinChannels = 50 // of a user
	joinMessages = 20 // of each channel
	joinMembers  = 30 // of each channel
	joinBuffer   = 4 << 20
)

// join measures users that open a WebSocket and get the latest messages of all their channels: when
// all channels have a new message since the user was there, and when none has.
func (b *bench) join(ctx context.Context, name string) error {
	channels := b.joinChannels()
	s, err := b.raise(ctx, name, b.peers, channels)
	if err != nil {
		return err
	}
	defer s.lower()
	for _, running := range s.servers {
		if err := b.fill(ctx, running, len(channels), joinMessages); err != nil {
			return err
		}
	}

	// Each round has two passes: the first finds new messages, the second none.
	passes := map[string][2][]outcome{}
	for n := range b.rounds {
		for i := range s.servers {
			which := (i + n) % len(s.servers)
			peer := s.peers[which].name()
			if err := b.fill(ctx, s.servers[which], len(channels), 1); err != nil {
				return err
			}
			both := passes[peer]
			for pass := range both {
				if err := s.rest(ctx); err != nil {
					return err
				}
				o, err := b.joinAll(ctx, s.servers[which])
				if err != nil {
					return fmt.Errorf("%s: %w", peer, err)
				}
				both[pass] = append(both[pass], o)
			}
			passes[peer] = both
		}
	}

	for pass, kind := range []string{"a message in each channel", "nothing new"} {
		outcomes := map[string][]outcome{}
		for peer, both := range passes {
			outcomes[peer] = both[pass]
		}
		b.add(name, fmt.Sprintf("server CPU of a join with %d × %d × %d, %s", joinChannels, joinMessages, joinMembers, kind), "ms", outcomes,
			func(o outcome) float64 { return o.cpu() / 1000 }, atMost(8))
		b.add(name, "its time", "ms", outcomes, func(o outcome) float64 { return 1000 * o.seconds / o.done }, goal{})
		b.add(name, "its bytes", "KB", outcomes, func(o outcome) float64 { return o.bytes / o.done / 1000 }, goal{})
	}
	return nil
}

// joinChannels are fifty for each user that joins, and for no other that does; the rest of the members
// is the same in all.
func (b *bench) joinChannels() (channels [][]int) {
	for user := range b.sizes.joiners {
		for range joinChannels {
			members := []int{user}
			for n := range joinMembers - 1 {
				members = append(members, b.sizes.joiners+n)
			}
			channels = append(channels, members)
		}
	}
	return channels
}

// joinAll lets the users join, one after the other.
func (b *bench) joinAll(ctx context.Context, s server) (o outcome, err error) {
	type joining struct {
		entry
		texts int
	}
	users := make([]joining, b.sizes.joiners)
	for i := range users {
		if users[i].entry, users[i].texts, err = s.join(ctx, i); err != nil {
			return o, err
		}
	}

	c, err := b.startClock(s)
	if err != nil {
		return o, err
	}
	for _, u := range users {
		got, err := u.await(s.addr(), u.texts)
		if err != nil {
			return o, err
		}
		o.done++
		o.bytes += float64(got)
	}
	o.spent, err = c.stop()
	return o, err
}

// await opens a WebSocket and waits for so many texts, which have to have all messages. It returns
// their bytes.
func (e entry) await(addr string, texts int) (size int, err error) {
	s, err := e.dial(addr)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	s.Grow(joinBuffer)

	// The channels come in one text or in many, as the peer has it.
	messages := 0
	for {
		s.Frames(func(op byte, payload []byte) {
			if op == rig.OpText && !bytes.Equal(payload, heartbeat) {
				texts--
				size += len(payload)
				messages += countMarkers(payload)
			}
		})
		if texts <= 0 {
			break
		}
		if err := s.FillUp(); err != nil {
			return size, fmt.Errorf("%d texts of a join are missing: %w", texts, err)
		}
	}
	if want := joinChannels * joinMessages; messages != want {
		err = fmt.Errorf("a join had %d messages instead of %d", messages, want)
	}
	return size, err
}
