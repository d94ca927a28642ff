//go:build linux

package main

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/carillon-chat/carillon/bench/rig"
)

const (
	joinChannels = 50 // of a user
	joinMessages = 20 // of each channel
	joinMembers  = 30 // of each channel
	joinBuffer   = 4 << 20
)

// join measures users that open a WebSocket and get the latest messages of all their channels: when
// all channels have a new message since the user was there, and when none has. Peers that send no members with a join
// have less to do, so it is measured once more with channels of the user alone: what is more with others is
// what the members cost. Then Carillon is compared with itself for clients that take compressed texts.
func (b *bench) join(ctx context.Context, name string) error {
	for _, c := range []struct {
		members int
		goal    goal
	}{{joinMembers, atMost(8)}, {1, ratioAtMost(1)}} {
		joins, err := b.joins(ctx, fmt.Sprintf("%s-%d", name, c.members), b.peers, c.members)
		if err != nil {
			return err
		}
		of := fmt.Sprintf("%d × %d × %d", joinChannels, joinMessages, c.members)
		for pass, kind := range joinPasses {
			b.add(name, fmt.Sprintf("server CPU of a join with %s, %s", of, kind), "ms", joins[pass], joinCPU, c.goal)
			b.add(name, "its time", "ms", joins[pass], func(o outcome) float64 { return 1000 * o.seconds / o.done }, goal{})
			b.add(name, "its bytes", "KB", joins[pass], joinSize, goal{})
		}
	}

	plain, compressed := b.carillon, b.carillon
	plain.label, compressed.label, compressed.compresses = "plain", "compressed", true
	joins, err := b.joins(ctx, name+"-compressed", []peer{compressed, plain}, joinMembers)
	if err != nil {
		return err
	}
	for pass, kind := range joinPasses {
		r := comparison{kind, compressed.label, plain.label, joins[pass]}
		b.addItself(name, "bytes of a join, "+kind, "KB", r, joinSize, ratioAtMost(0.9))
		b.addItself(name, "server CPU of a join, "+kind, "ms", r, joinCPU, goal{})
	}
	return nil
}

// joinPasses are the passes of each round: the first finds new messages, the second none.
var joinPasses = [...]string{"a message in each channel", "nothing new"}

func joinCPU(o outcome) float64  { return o.cpu() / 1000 }          // milliseconds
func joinSize(o outcome) float64 { return o.bytes / o.done / 1000 } // KB

// joins measures joins to channels of so many members, of every peer in each pass.
func (b *bench) joins(ctx context.Context, name string, peers []peer, members int) (of [len(joinPasses)]map[string][]outcome, err error) {
	channels := b.joinChannels(members)
	s, err := b.raise(ctx, name, peers, channels)
	if err != nil {
		return of, err
	}
	defer s.lower()
	for _, running := range s.servers {
		if err := b.fill(ctx, running, len(channels), joinMessages); err != nil {
			return of, err
		}
	}

	for pass := range of {
		of[pass] = map[string][]outcome{}
	}
	for n := range b.rounds {
		for i := range s.servers {
			which := (i + n) % len(s.servers)
			peer := s.peers[which].name()
			if err := b.fill(ctx, s.servers[which], len(channels), 1); err != nil {
				return of, err
			}
			for pass := range of {
				if err := s.rest(ctx); err != nil {
					return of, err
				}
				o, err := b.joinAll(ctx, s.servers[which])
				if err != nil {
					return of, fmt.Errorf("%s: %w", peer, err)
				}
				of[pass][peer] = append(of[pass][peer], o)
			}
		}
	}
	return of, nil
}

// joinChannels are fifty for each user that joins, and for no other that does; the rest of the members
// is the same in all.
func (b *bench) joinChannels(members int) (channels [][]int) {
	for user := range b.sizes.joiners {
		for range joinChannels {
			list := []int{user}
			for n := range members - 1 {
				list = append(list, b.sizes.joiners+n)
			}
			channels = append(channels, list)
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
				messages += countMarkers(inflated(payload))
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

// inflated is a text as it was before it was compressed for itself (RFC 7692), if it was: what is compressed does not
// begin as JSON does, because its first block is not its last.
func inflated(text []byte) []byte {
	if len(text) == 0 || text[0] == '{' {
		return text
	}
	whole, _ := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(text), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
	return whole // one that is not has too few messages
}
