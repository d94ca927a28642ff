//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

const (
	stormHolders  = 3  // processes of sessions
	stormGroup    = 20 // users that share channels
	stormChannels = 3  // of a user
	stormMessages = 20 // of a channel
	stormTimeout  = 3 * time.Minute
)

// storm kills the node while all users are online and lets them all come back to the next: each
// with prefetch, in its own time, as AWS's JavaScript SDK does. Meanwhile messages are sent.
func (b *bench) storm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*stormTimeout)
	defer cancel()
	s, err := b.stormScene(ctx, b.program, "storm", b.sizes.storm)
	if err != nil {
		return err
	}
	defer func() { _ = s.Stop() }() // of the node that runs then
	crowds, err := startReturning(ctx, s)
	if err != nil {
		return err
	}
	defer crowds.stop()
	if err := crowds.arrived(); err != nil {
		return fmt.Errorf("before the storm: %w", err)
	}
	send := s.job(2*stormTimeout.Seconds(), 0, b.sizes.rate)
	send.Sender = s.users[len(s.users)-1]
	send.Rate, send.Fresh, send.Until = float64(b.sizes.rate), true, true
	quiet := send
	quiet.Seconds = b.seconds
	calm, err := ask[loadResult](ctx, "load", quiet)
	if err != nil {
		return err
	}
	before, err := rig.ResidentBytes(s.PID())
	if err != nil {
		return err
	}

	killed := time.Now()
	if err := s.Kill(); err != nil {
		return err
	}
	fresh, err := startNode(ctx, b.program, s.data, append([]string{"--listen", s.Addr, "--ops-listen", s.OpsAddr}, b.args...)...)
	if err != nil {
		return err
	}
	s.node = fresh
	ready := time.Now()
	send.PID = s.PID()
	sender, err := spawnRole(ctx, "load", send)
	if err != nil {
		return err
	}
	defer sender.stop()
	results, err := crowds.results()
	if err != nil {
		return err
	}
	_ = sender.in.Close()
	var during loadResult
	if err := errors.Join(json.NewDecoder(sender.out).Decode(&during), sender.Wait()); err != nil {
		return fmt.Errorf("sends during the storm: %w: %s", err, sender.errors.String())
	}
	peak, err := rig.PeakBytes(s.PID())
	if err != nil {
		return err
	}
	b.stormed(killed, ready, results, calm, during, before, peak)
	return s.holds(ctx, len(s.users)-1)
}

// stormed adds the figures.
func (b *bench) stormed(killed, ready time.Time, results []returnResult, calm, during loadResult, before, peak float64) {
	all := returnResult{}
	for _, r := range results {
		all.add(r)
	}
	of := fmt.Sprintf("%.0f sessions", all.Sessions)
	one := func(name, unit string, v float64) row { return figure("storm", name, unit, []float64{v}) }
	b.add(
		one("kill to ready again", "s", ready.Sub(killed).Seconds()),
		one("ready to the last SESSION_ESTABLISHED of "+of, "s", time.UnixMicro(all.LastEstablished).Sub(ready).Seconds()),
		one("ready to the last CHANNEL_DETAILS", "s", time.UnixMicro(all.LastDetails).Sub(ready).Seconds()),
		one("sessions that were back within 10 s, when AWS's JavaScript SDK gives up", "%", 100*all.InTime/all.Sessions),
		one("attempts that were refused with 503 or 429, for each session", "", all.Refused/all.Sessions),
		one("attempts that failed otherwise, for each session", "", all.Failed/all.Sessions),
		figure("storm", fmt.Sprintf("p99 of the answers to %d sends/s meanwhile", b.sizes.rate), "ms", []float64{during.AckP99 / 1000}).
			against("the same before, with all sessions idle", []float64{calm.AckP99 / 1000}),
		figure("storm", "most memory resident", "MiB", []float64{peak / (1 << 20)}).
			against("before, with all sessions idle", []float64{before / (1 << 20)}),
	)
}

// stormScene is a node whose users share channels in groups, with messages in all. The last user
// is alone in the channel that is sent to.
func (b *bench) stormScene(ctx context.Context, program, name string, count int) (s scene, err error) {
	if s.node, err = startNode(ctx, program, filepath.Join(b.dir, name), b.args...); err != nil {
		return s, err
	}

	calls := rig.NewAPI(s.Addr)
	defer calls.Close()
	err = func() error {
		app, err := calls.MakeApp(ctx)
		if err != nil {
			return err
		}
		if s.users, err = calls.MakeUsers(ctx, app, count+1); err != nil {
			return err
		}

		// Each group of users has the same channels, with messages for prefetch to find.
		groups := (count + stormGroup - 1) / stormGroup
		err = rig.Parallel(rig.SetupCallers, groups*stormChannels, func(i int) error {
			from := i / stormChannels * stormGroup
			users := s.users[from:min(count, from+stormGroup)]
			channel, err := calls.MakeChannel(ctx, app, fmt.Sprintf("group-%d", i), users)
			for m := 0; m < stormMessages && err == nil; m++ {
				err = calls.Say(ctx, channel, users[0], fmt.Sprintf("storm-%d-%d", i, m), padding)
			}
			return err
		})
		if err != nil {
			return err
		}

		// Sends go to a channel outside of the groups, so that they wake no session.
		sender := s.users[count:]
		s.channel, err = calls.MakeChannel(ctx, app, "sent", sender)
		return err
	}()

	if err != nil {
		return s, errors.Join(err, s.Stop())
	}
	return s, nil
}

// returning are processes in the role "return".
type returning struct{ children []*child }

func startReturning(ctx context.Context, s scene) (*returning, error) {
	r := &returning{}
	users := s.users[:len(s.users)-1]
	for n := range stormHolders {
		child, err := spawnRole(ctx, "return", returnJob{
			Addr: s.Addr, Source: source(n), Users: share(users, n, stormHolders), Details: stormChannels,
		})
		if err != nil {
			return nil, errors.Join(err, r.stop())
		}
		r.children = append(r.children, child)
	}
	return r, nil
}

// arrived waits until all are online for the first time.
func (r *returning) arrived() error {
	for _, c := range r.children {
		line := make([]byte, len(onlineLine))
		if _, err := io.ReadFull(c.out, line); err != nil {
			_ = c.stop()
			return fmt.Errorf("return: %w: %s", err, c.errors.String())
		}
	}
	return nil
}

// results waits until all have come back.
func (r *returning) results() (all []returnResult, err error) {
	for _, c := range r.children {
		var result returnResult
		if err := json.NewDecoder(c.out).Decode(&result); err != nil {
			_ = c.stop()
			return nil, fmt.Errorf("return: %w: %s", err, c.errors.String())
		}
		all = append(all, result)
	}
	return all, nil
}

func (r *returning) stop() error {
	for _, c := range r.children {
		_ = c.stop()
	}
	return nil
}
