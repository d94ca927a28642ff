//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
)

// hasGrown compares a node whose store has grown with one whose store is empty, and a channel of many
// members with itself when it was small.
func (b *bench) hasGrown(ctx context.Context) error {
	empty, err := b.stage(ctx, "growth-empty", 1)
	if err != nil {
		return err
	}
	defer func() { _ = empty.Stop() }()
	grown, app, err := b.grow(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = grown.Stop() }() // of the node that runs then

	// What callers and readers wait for.
	of := fmt.Sprintf("%d messages, %d channels, %d memberships", b.sizes.messages, b.sizes.channels, b.memberships())
	err = b.against(ctx, "growth", "signed durable sends with "+of, "server CPU of such a send", grown.job(b.seconds, 1, 40_000),
		"an empty store", empty.job(b.seconds, 1, 40_000), grownLeast)
	if err != nil {
		return err
	}
	pages := [2]loadJob{grown.job(b.seconds, 0, 20_000), empty.job(b.seconds, 0, 20_000)}
	for i := range pages {
		pages[i].Page = historyPage
	}
	err = b.against(ctx, "growth", fmt.Sprintf("pages of %d messages with as much", historyPage), "server CPU of such a page", pages[0],
		"an empty store", pages[1], grownLeast)
	if err != nil {
		return err
	}

	// A start after a death in the middle of sends.
	if _, err := ask[loadResult](ctx, "load", grown.job(b.seconds, 0, 40_000)); err != nil {
		return err
	}
	if err := grown.Kill(); err != nil {
		return err
	}
	if grown.node, err = startNode(ctx, b.program, grown.data, b.args...); err != nil {
		return err
	}
	b.add(figure("growth", "kill to ready again, with as much", "s", []float64{grown.ready.Seconds()}).aims(valueAtMost(3)))
	return b.crowdedChannel(ctx, grown, app)
}

// grownLeast is what is left of a speed when the store has grown, at least.
const grownLeast = 0.8

func (b *bench) memberships() int { return b.sizes.channels * channelMembers }

const (
	channelMembers = 10 // of each channel of a store that has grown
	growthUsers    = 2000
)

// grow makes a node whose store has grown.
func (b *bench) grow(ctx context.Context) (s scene, app string, err error) {
	data := filepath.Join(b.dir, "growth-full")
	if s.node, err = startNode(ctx, b.program, data, b.args...); err != nil {
		return s, "", err
	}
	calls := rig.NewAPI(s.Addr)
	defer calls.Close()
	users := min(growthUsers, max(channelMembers, b.sizes.crowded))
	if app, err = calls.MakeApp(ctx); err == nil {
		s.users, err = calls.MakeUsers(ctx, app, users)
	}
	if err == nil {
		s.channel, err = calls.MakeChannel(ctx, app, "growth", s.users[:1])
	}
	if err := errors.Join(err, s.Stop()); err != nil {
		return s, app, err
	}

	filled, err := ask[fillResult](ctx, "fill", fillJob{
		Data: data, App: app, Users: s.users, Channels: b.sizes.channels, Members: channelMembers, Messages: b.sizes.messages,
	})
	if err != nil {
		return s, app, err
	}
	bytes, err := folderBytes(data)
	if err != nil {
		return s, app, err
	}
	b.add(figure("growth", "filling, for each message", "us", []float64{filled.Seconds * 1e6 / float64(b.sizes.messages)}),
		figure("growth", fmt.Sprintf("disk for each message of %d random letters, with its part of all else", textSize), "B",
			[]float64{bytes / float64(b.sizes.messages)}))
	s.node, err = startNode(ctx, b.program, data, b.args...)
	return s, app, err
}

func folderBytes(dir string) (sum float64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			sum += float64(info.Size())
		}
		return err
	})
	return sum, err
}

// crowdedChannel measures the calls on one channel while it gets many members.
func (b *bench) crowdedChannel(ctx context.Context, s scene, app string) error {
	calls := rig.NewAPI(s.Addr)
	defer calls.Close()
	users, err := calls.MakeUsers(ctx, app, b.sizes.crowded)
	if err != nil {
		return err
	}

	// Members in batches; the first and the last tenth of them are compared.
	var took []float64
	var channel string
	for from := 0; from < len(users); from += rig.BatchMembers {
		batch := users[from:min(from+rig.BatchMembers, len(users))]
		if from == 0 {
			if channel, err = calls.MakeChannel(ctx, app, "crowded", batch); err != nil {
				return err
			}
			continue
		}
		begun := time.Now()
		if err := calls.AddMembers(ctx, channel, users[0], batch); err != nil {
			return err
		}
		took = append(took, millis(begun))
	}
	tenth := max(1, len(took)/10)
	b.add(figure("growth", fmt.Sprintf("a batch of %d members, the last tenth of %d", rig.BatchMembers, len(users)), "ms", took[len(took)-tenth:]).
		against("the first tenth", took[:tenth]).aims(ratioAtMost(1.2)))

	// Calls on the full channel and on a small one, in turns.
	little, err := calls.MakeChannel(ctx, app, "little", users[:littleMembers])
	if err != nil {
		return err
	}
	for _, call := range []struct {
		name  string
		times int
		do    func(channel string, i int) error
	}{
		{"DescribeChannel", crowdedCalls, func(channel string, _ int) error {
			return calls.Call(ctx, http.MethodGet, "/channels/"+lab.Escape(channel), users[0], nil, nil)
		}},
		{"ListChannelMemberships", crowdedCalls, func(channel string, _ int) error {
			return calls.Call(ctx, http.MethodGet, "/channels/"+lab.Escape(channel)+"/memberships?max-results=10", users[0], nil, nil)
		}},
		{"SendChannelMessage", crowdedCalls, func(channel string, i int) error {
			return calls.Say(ctx, channel, users[0], fmt.Sprint("crowded-", i), "text")
		}},
		{"DeleteChannelMembership", littleMembers - 1, func(channel string, i int) error {
			return calls.Call(ctx, http.MethodDelete, "/channels/"+lab.Escape(channel)+"/memberships/"+lab.Escape(users[1+i]), users[0], nil, nil)
		}},
	} {
		var many, few []float64
		for i := range call.times {
			for _, one := range []struct {
				channel string
				took    *[]float64
			}{{channel, &many}, {little, &few}} {
				begun := time.Now()
				if err := call.do(one.channel, i); err != nil {
					return fmt.Errorf("%s: %w", call.name, err)
				}
				*one.took = append(*one.took, millis(begun))
			}
		}
		b.add(figure("growth", fmt.Sprintf("%s on a channel of %d members", call.name, len(users)), "ms", []float64{rig.Median(many)}).
			against(fmt.Sprintf("a channel of %d", littleMembers), []float64{rig.Median(few)}))
	}

	begun := time.Now()
	err = calls.Call(ctx, http.MethodDelete, "/channels/"+lab.Escape(channel), users[0], nil, nil)
	b.add(figure("growth", fmt.Sprintf("DeleteChannel of %d members", len(users)), "ms", []float64{millis(begun)}))
	return err
}

const (
	crowdedCalls  = 50
	littleMembers = 10
)

func millis(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }
