//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
)

// side is a node over a store that was filled.
type side struct {
	*node
	filled
}

// sides are a node whose store has grown, and one whose store has few channels that are as full.
type sides struct {
	*bench
	grown, little side
}

const (
	channelMembers  = 10   // of each channel
	userMemberships = 50   // of each user that is in channels
	littleChannels  = 2000 // of the store that has not grown, at most
	hotChannels     = 1000 // that are in use, at most
	joining         = 20   // members that join each of those at a time, and leave again
	wideChannels    = 20_000
)

// What is left of a speed when the store has grown, at least, and what a call costs then, at most.
const (
	grownLeast = 0.8
	grownMost  = 1 / grownLeast
)

// hasGrown compares calls on a store that has grown with those on one that has not, and those on a
// channel of many members with those on one of few.
func (b *bench) hasGrown(ctx context.Context) error {
	s := sides{bench: b}
	few := min(littleChannels, b.sizes.channels/2)
	for _, start := range []struct {
		side     *side
		data     string
		channels int
		others   int
	}{
		{&s.little, filepath.Join(b.dir, "growth-little"), few, joining * b.rounds},
		{&s.grown, b.grownFolder(), b.sizes.channels, max(b.sizes.crowded, joining*b.rounds)},
	} {
		var err error
		if start.side.filled, err = b.fill(ctx, start.data, b.crowdOf(start.channels, start.others)); err != nil {
			return err
		}
		if start.side.node, err = startNode(ctx, b.program, start.data, b.args...); err != nil {
			return err
		}
		defer func() { _ = start.side.Stop() }() // of the node that runs then
		if err := start.side.rest(ctx); err != nil {
			return err
		}
	}
	s.size()

	// Calls of few members, then those of many, then what the node holds and how it comes back.
	for _, step := range []func(context.Context) error{s.calls, s.buried, s.crowdedChannel, s.memories, s.killed} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// crowdOf is an app instance of so many channels, and of so many users that are in none of them.
func (b *bench) crowdOf(channels, others int) crowd {
	return crowd{
		Users: max(channels*channelMembers/userMemberships, channelMembers), Others: others,
		Channels: channels, Members: channelMembers, Messages: b.sizes.messages / b.sizes.channels * channels,
	}
}

// grownFolder is the data folder of the store that has grown.
func (b *bench) grownFolder() string {
	if b.kept != "" {
		return b.kept
	}
	return filepath.Join(b.dir, "growth-grown")
}

// fillOnly fills the folder of the store that has grown, when one is named.
func (b *bench) fillOnly(ctx context.Context) error {
	if b.kept == "" {
		return nil
	}
	_, err := b.fill(ctx, b.kept, b.crowdOf(b.sizes.channels, b.sizes.crowded))
	return err
}

// fill fills a folder, unless it is filled.
func (b *bench) fill(ctx context.Context, data string, with crowd) (filled, error) {
	f, found, err := readFilled(data)
	if err != nil || found {
		return f, err
	}
	return ask[filled](ctx, "fill", fillJob{Data: data, crowd: with})
}

// size is how much of the disk the store that has grown takes.
func (s *sides) size() {
	n := float64(s.grown.Messages)
	s.add(figure("growth", "filling, for each message with its part of all else", "us", []float64{s.grown.Seconds * 1e6 / n}))
	for _, of := range slices.Sorted(maps.Keys(s.grown.Disk)) {
		s.add(figure("growth", fmt.Sprintf("disk for each message of %d random letters: %s", textSize, of), "B", []float64{s.grown.Disk[of] / n}))
	}
}

// calls measures calls on channels of few members.
func (s *sides) calls(ctx context.Context) error {
	of := fmt.Sprintf("%d messages, %d channels, %d memberships", s.grown.Messages, s.grown.Channels, s.grown.Channels*s.grown.Members)
	pages := fmt.Sprintf("pages of %d messages", historyPage)

	// Deletions come last: no other call may meet a channel that is gone.
	for _, m := range []measurement{
		{fmt.Sprintf("sends to %d channels with %s", s.grown.hot(), of), loadJob{}, 0, hot},
		{fmt.Sprintf("sends to %d channels", len(wide(s.grown.filled, 0))), loadJob{}, 0, wide},
		{pages, loadJob{Page: historyPage}, 0, hot},
		{"DescribeChannel", loadJob{Call: "DescribeChannel"}, 0, hot},
		{"ListChannels", loadJob{Call: "ListChannels"}, 0, hot},
		{"ListChannelMemberships", loadJob{Call: "ListChannelMemberships"}, 0, hot},
		{"ListChannelMembershipsForAppInstanceUser", loadJob{Call: "ListChannelMembershipsForAppInstanceUser"}, 0, hot},
		{"CreateChannel", loadJob{Call: "CreateChannel"}, once, fresh},
		{"DeleteChannel", loadJob{Call: "DeleteChannel"}, once, fresh},
		{"CreateChannelMembership", loadJob{Call: "CreateChannelMembership"}, once, newMembers},
		{"DeleteChannelMembership", loadJob{Call: "DeleteChannelMembership"}, once, newMembers},
		{pages + " of channels not read before", loadJob{Page: historyPage}, first, cold},
		{"sends to channels not read before", loadJob{}, first, cold},
		{"DeleteChannel with its members and messages, not read before", loadJob{Call: "DeleteChannel"}, once | first, s.doomed},
	} {
		if err := s.measure(ctx, m); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// measurement is a call that is made on both sides.
type measurement struct {
	name string
	call loadJob
	often
	at func(f filled, round int) []room
}

// often says how often a call is made in a room: again and again unless it says otherwise, and once before it
// is measured, so that both sides have read what it needs.
type often uint8

const (
	once  often = 1 << iota // it cannot be repeated
	first                   // it is about what was not read before, and so reaches the disk: no aim
)

// mostCalls is how many calls of a kind a round may have in a second.
const mostCalls = 20_000

// measure makes calls on both sides in turns, neither always the first.
func (s *sides) measure(ctx context.Context, m measurement) error {
	both := [2]*side{&s.grown, &s.little}
	for i := range both {
		if m.often != 0 {
			break
		}
		if _, err := ask[loadResult](ctx, "load", s.eachOnce(both[i], m, s.rounds)); err != nil {
			return err
		}
	}

	// The rounds that count.
	var results [2][]loadResult
	for round := range s.rounds {
		for i := range both {
			which := (i + round) % 2
			job := s.jobOn(both[which], m, round)
			if m.often&once != 0 {
				job = s.eachOnce(both[which], m, round)
			}
			result, err := ask[loadResult](ctx, "load", job)
			if err != nil {
				return err
			}
			results[which] = append(results[which], result)
		}
	}
	s.compare(m, results[0], results[1])

	// Profiles of both, of what can be repeated.
	for i, suffix := range [...]string{"grown", "little"} {
		if m.often&once != 0 {
			break
		}
		file := strings.Map(letters, m.name) + "-" + suffix
		if err := s.profiled(ctx, scene{node: both[i].node}, file, s.jobOn(both[i], m, s.rounds)); err != nil {
			return err
		}
	}
	return nil
}

// rest waits until a node has caught up with what filling its store left to be done.
func (s *side) rest(ctx context.Context) error {
	const pause, idle = time.Second, 20 * time.Millisecond
	for {
		before, err := rig.CPUTime(s.PID())
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		after, err := rig.CPUTime(s.PID())
		if err != nil || after-before < idle {
			return err
		}
	}
}

// jobOn is one round of calls on a side.
func (s *sides) jobOn(on *side, m measurement, round int) loadJob {
	job := m.call
	job.Addr, job.PID, job.Keys, job.Rooms = on.Addr, on.PID(), lab.DevKeys(), m.at(on.filled, round)
	job.Seconds, job.Stock = s.seconds, int(s.seconds*mostCalls)
	return job
}

// eachOnce is one call in each room, however long they take.
func (s *sides) eachOnce(on *side, m measurement, round int) loadJob {
	job := s.jobOn(on, m, round)
	job.Seconds, job.Stock = onceSeconds, len(job.Rooms)
	return job
}

// letters leaves of a name what is good for a file.
func letters(r rune) rune {
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return r
	}
	return '-'
}

// onceSeconds is more than all calls take of which each is made once.
const onceSeconds = 120

// compare adds the rates and costs of calls.
func (s *sides) compare(m measurement, grown, little []loadResult) {
	const reference = "an empty store"
	rate := figure("growth", m.name, "/s", each(grown, loadResult.sendsPerSecond)).against(reference, each(little, loadResult.sendsPerSecond))
	cost := figure("growth", "server CPU of "+m.name, "us", each(grown, loadResult.cpuPerSend)).against(reference, each(little, loadResult.cpuPerSend))
	if m.often&first == 0 {
		rate, cost = rate.aims(ratioAtLeast(grownLeast)), cost.aims(ratioAtMost(grownMost))
	}
	s.add(rate, cost)
}

// hot are channels that are used again and again.
func hot(f filled, _ int) (rooms []room) {
	for i := range f.hot() {
		rooms = append(rooms, f.room(i))
	}
	return rooms
}

func (c crowd) hot() int { return min(hotChannels, c.Channels/2) }

// wide are channels from all over the store that are used again and again, cold such that were not used before.
func wide(f filled, _ int) []room { return spread(f, 0) }

func cold(f filled, round int) []room { return spread(f, 1+round) }

// spread are channels from all over the store, others for each n as long as there are enough.
func spread(f filled, n int) (rooms []room) {
	const stride = 48_271 // a prime
	alive := f.Channels - f.Gone
	for i := range min(wideChannels, alive) {
		rooms = append(rooms, f.room((i+n*wideChannels)*stride%alive))
	}
	return rooms
}

// fresh are channels that are made and then deleted.
func fresh(f filled, round int) (rooms []room) {
	for i := range f.hot() {
		rooms = append(rooms, room{Channel: fmt.Sprintf("%s/channel/made-%d-%d", f.App, round, i), Bearer: f.user(i)})
	}
	return rooms
}

// newMembers are some for each channel in use.
func newMembers(f filled, round int) (rooms []room) {
	for i := range f.hot() * joining {
		in := f.room(i % f.hot())
		in.Member = f.other(round*joining + i/f.hot())
		rooms = append(rooms, in)
	}
	return rooms
}

// doomed are channels to be deleted.
func (s *sides) doomed(f filled, round int) (rooms []room) {
	each := s.doomedAtOnce()
	for i := range each {
		rooms = append(rooms, f.room(f.Channels-f.Gone-1-round*each-i))
	}
	return rooms
}

func (s *sides) doomedAtOnce() int { return max(1, (s.little.Channels-s.little.hot())/s.rounds) }

// buried notes which channels are deleted, for the next measurement of the same folder.
func (s *sides) buried(context.Context) error {
	s.grown.Gone += s.doomedAtOnce() * s.rounds
	return s.grown.filled.write(s.grown.data)
}

// memories compares what the nodes hold after all that.
func (s *sides) memories(context.Context) error {
	var most [2][]float64
	for i, on := range []*side{&s.grown, &s.little} {
		bytes, err := rig.PeakBytes(on.PID())
		if err != nil {
			return err
		}
		most[i] = []float64{bytes / (1 << 20)}
	}
	s.add(figure("growth", "memory of the process at its most", "MiB", most[0]).against("an empty store", most[1]))
	return nil
}

// killed measures starts after a death in the middle of sends.
func (s *sides) killed(ctx context.Context) error {
	var took []float64
	for range s.rounds {
		if _, err := ask[loadResult](ctx, "load", s.jobOn(&s.grown, measurement{at: hot}, 0)); err != nil {
			return err
		}
		if err := s.grown.Kill(); err != nil {
			return err
		}
		again, err := startNode(ctx, s.program, s.grown.data, s.args...)
		if err != nil {
			return err
		}
		s.grown.node = again
		took = append(took, again.ready.Seconds())
	}
	s.add(figure("growth", "kill to ready again, with as much", "s", took).aims(valueAtMost(3)))
	return nil
}
