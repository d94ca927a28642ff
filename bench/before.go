//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

// before compares this build with another build of the program, when one is given: what a client
// waits for, and what a message and a session cost.
func (b *bench) before(ctx context.Context) error {
	if b.other == "" {
		return nil
	}
	for _, compare := range []func(*bench, context.Context) error{
		(*bench).sendsBefore, (*bench).deliveriesBefore, (*bench).connectsBefore, (*bench).memoryBefore,
	} {
		if err := compare(b, ctx); err != nil {
			return err
		}
	}
	return nil
}

// builds starts a node of this build and one of the other, with a channel of so many members each.
func (b *bench) builds(ctx context.Context, name string, members int, args ...string) (now, old scene, err error) {
	if now, err = b.stage(ctx, name+"-now", members, args...); err != nil {
		return now, old, err
	}
	if old, err = b.stageOf(ctx, b.other, name+"-before", members, members, args...); err != nil {
		err = errors.Join(err, now.Stop())
	}
	return now, old, err
}

// sendsBefore compares sends, what they write, and pages of the history that they make.
func (b *bench) sendsBefore(ctx context.Context) error {
	now, old, err := b.builds(ctx, "one", 1)
	if err != nil {
		return err
	}
	defer func() { _, _ = now.Stop(), old.Stop() }()

	var mine, theirs written
	if err := errors.Join(mine.begin(ctx, now.node), theirs.begin(ctx, old.node)); err != nil {
		return err
	}
	err = b.against(ctx, "before", "signed durable sends of this build", "server CPU of such a send", now.job(b.seconds, 1, 40_000),
		"of "+b.other, old.job(b.seconds, 1, 40_000), 0.95)
	if err := errors.Join(err, mine.end(ctx, now.node), theirs.end(ctx, old.node)); err != nil {
		return err
	}
	b.add(figure("before", "bytes of the write-ahead log for a send", "B", []float64{mine.each()}).
		against("of "+b.other, []float64{theirs.each()}).aims(ratioAtMost(1)))

	pages := [2]loadJob{now.job(b.seconds, 0, 10_000), old.job(b.seconds, 0, 10_000)}
	for i := range pages {
		pages[i].Page = historyPage
	}
	return b.against(ctx, "before", fmt.Sprintf("pages of %d messages of this build", historyPage), "server CPU of such a page", pages[0],
		"of "+b.other, pages[1], 0.95)
}

// historyPage is how many messages ListChannelMessages answers at most.
const historyPage = 50

// written is what a node's store wrote in some time.
type written struct{ bytes, commits float64 }

func (w *written) begin(ctx context.Context, n *node) error {
	at, err := writtenSoFar(ctx, n)
	w.bytes, w.commits = -at.bytes, -at.commits
	return err
}

func (w *written) end(ctx context.Context, n *node) error {
	at, err := writtenSoFar(ctx, n)
	w.bytes, w.commits = w.bytes+at.bytes, w.commits+at.commits
	return err
}

// each is how many bytes a commit has; all of them are sends but for a few in a minute.
func (w *written) each() float64 { return w.bytes / w.commits }

func writtenSoFar(ctx context.Context, n *node) (w written, err error) {
	if w.bytes, err = n.metric(ctx, "carillon_store_log_bytes_total"); err != nil {
		return w, err
	}
	w.commits, err = n.metric(ctx, "carillon_store_commits_total")
	return w, err
}

// deliveriesBefore compares deliveries to a channel whose members are all online.
func (b *bench) deliveriesBefore(ctx context.Context) error {
	members := b.sizes.channel
	now, old, err := b.builds(ctx, "many", members, "--ws-queue-bytes", "8MiB")
	if err != nil {
		return err
	}
	measured, compared, err := b.inTurns(ctx, now.job(b.seconds, members, 20_000), old.job(b.seconds, members, 20_000))
	if err := errors.Join(err, now.Stop(), old.Stop()); err != nil {
		return err
	}
	of := fmt.Sprintf("%d members, saturated", members)
	b.add(figure("before", "deliveries of this build, "+of, "/s", each(measured, loadResult.framesPerSecond)).
		against("of "+b.other, each(compared, loadResult.framesPerSecond)).aims(ratioAtLeast(0.95)),
		figure("before", "server CPU of a delivery, sends included", "us", each(measured, loadResult.cpuPerFrame)).
			against("of "+b.other, each(compared, loadResult.cpuPerFrame)))
	return nil
}

// connectsBefore compares connects that wait for all CHANNEL_DETAILS.
func (b *bench) connectsBefore(ctx context.Context) error {
	users := min(b.sizes.storm, connectUsers)
	now, err := b.stormScene(ctx, b.program, "connect-now", users)
	if err != nil {
		return err
	}
	defer now.Stop()
	old, err := b.stormScene(ctx, b.other, "connect-before", users)
	if err != nil {
		return err
	}
	defer old.Stop()

	var rates, costs [2][]float64
	for round := range b.rounds {
		for i := range 2 {
			which := (i + round) % 2
			s := [2]scene{now, old}[which]
			result, err := ask[connectResult](ctx, "connect", connectJob{
				Addr: s.Addr, PID: s.PID(), Users: s.users[:users], Details: stormChannels, Seconds: b.seconds,
			})
			if err != nil {
				return err
			}
			rates[which] = append(rates[which], result.Connects/result.Seconds)
			costs[which] = append(costs[which], float64(result.CPU.Microseconds())/result.Connects)
		}
	}
	b.add(figure("before", fmt.Sprintf("connects with %d CHANNEL_DETAILS of this build", stormChannels), "/s", rates[0]).
		against("of "+b.other, rates[1]).aims(ratioAtLeast(0.95)),
		figure("before", "server CPU of such a connect", "us", costs[0]).against("of "+b.other, costs[1]))
	return nil
}

// connectUsers is how many users connect again and again.
const connectUsers = 200

// connectJob is one round of connects with prefetch, for the role "connect".
type connectJob struct {
	Addr    string
	PID     int // whose processor time is counted
	Users   []string
	Details int // CHANNEL_DETAILS that each session gets
	Seconds float64
}

type connectResult struct {
	Connects, Seconds float64
	CPU               time.Duration // of the server
}

// connectCallers connect at once.
const connectCallers = 16

// runConnect is the role "connect": users connect, wait for their CHANNEL_DETAILS and leave.
func runConnect(job connectJob) (result connectResult, err error) {
	before, err := rig.CPUTime(job.PID)
	if err != nil {
		return result, err
	}
	d := rig.Door{Addr: job.Addr, Prefetch: true}
	start := time.Now()
	var connects atomic.Int64
	err = rig.Parallel(connectCallers, connectCallers, func(caller int) error {
		for i := caller; time.Since(start).Seconds() < job.Seconds; i += connectCallers {
			if err := prefetch(d, job.Users[i%len(job.Users)], job.Details); err != nil {
				return err
			}
			connects.Add(1)
		}
		return nil
	})
	result.Connects, result.Seconds = float64(connects.Load()), time.Since(start).Seconds()
	after, failed := rig.CPUTime(job.PID)
	result.CPU = after - before
	return result, errors.Join(err, failed)
}

// prefetch opens a WebSocket, waits for so many events after the first, and closes it.
func prefetch(d rig.Door, user string, details int) error {
	s, err := d.Connect(user)
	if err != nil {
		return err
	}
	defer s.Close()
	s.Grow(rig.LongestAnswer)
	_ = s.SetDeadline(time.Now().Add(20 * time.Second))
	for {
		s.Frames(func(op byte, _ []byte) {
			if op == rig.OpText {
				details--
			}
		})
		if details <= 0 {
			return nil
		}
		if err := s.FillUp(); err != nil {
			return err
		}
	}
}

// memoryBefore compares the memory of an idle session.
func (b *bench) memoryBefore(ctx context.Context) error {
	sockets := min(b.sizes.idle, 8000)
	user, _, err := b.idleSockets(ctx, b.program, "now", sockets, false)
	if err != nil {
		return err
	}
	compared, _, err := b.idleSockets(ctx, b.other, "before", sockets, false)
	if err != nil {
		return err
	}
	b.add(figure("before", fmt.Sprintf("heap and stacks of an idle session of %d", sockets), "KB", user).
		against("of "+b.other, compared).aims(ratioAtMost(1.05)))
	return nil
}
