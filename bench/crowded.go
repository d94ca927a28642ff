//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
)

const (
	littleMembers = 400 // of the channel that a crowded one is compared with, at most
	leavingAtOnce = 100 // members that leave a channel, and join it again, in a round at most
)

// gathering is a channel whose members are the first users of its app instance.
type gathering struct {
	channel string // ARN
	members int
}

// crowdedChannel measures the calls on a channel with very many members, in the store that has grown,
// beside those on a small one in the other store.
func (s *sides) crowdedChannel(ctx context.Context) error {
	many, few := s.sizes.crowded, min(littleMembers, s.little.total()/2)
	crowded, took, err := s.grown.gather(ctx, "crowded", many)
	if err != nil {
		return err
	}
	little, _, err := s.little.gather(ctx, "little", few)
	if err != nil {
		return err
	}
	tenth := max(1, len(took)/10)
	s.add(figure("growth", fmt.Sprintf("a batch of %d members, the last tenth of %d", rig.BatchMembers, many), "ms", took[len(took)-tenth:]).
		against("the first tenth", took[:tenth]).aims(ratioAtMost(grownMost)))

	// What its members do, when the store has caught up.
	if err := s.grown.rest(ctx); err != nil {
		return err
	}
	in := func(f filled) gathering {
		if f.App == s.grown.App {
			return crowded
		}
		return little
	}
	at := func(f filled, _ int) []room { return []room{{Channel: in(f).channel, Bearer: f.user(0)}} }
	leaving := max(1, min(leavingAtOnce, few/2/s.rounds))
	leavers := func(f filled, round int) (rooms []room) {
		for i := range leaving {
			rooms = append(rooms, room{in(f).channel, f.user(0), f.anyone(in(f).members - 1 - round*leaving - i)})
		}
		return rooms
	}
	for _, m := range []measurement{
		{"sends", loadJob{}, 0, at},
		{fmt.Sprintf("pages of %d messages", historyPage), loadJob{Page: historyPage}, 0, at},
		{"DescribeChannel", loadJob{Call: "DescribeChannel"}, 0, at},
		{"ListChannelMemberships", loadJob{Call: "ListChannelMemberships"}, 0, at},
		{"DeleteChannelMembership", loadJob{Call: "DeleteChannelMembership"}, once, leavers},
		{"CreateChannelMembership", loadJob{Call: "CreateChannelMembership"}, once, leavers},
	} {
		m.name += fmt.Sprintf(" in a channel of %d members", many)
		if err := s.measure(ctx, m); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return s.leaveCrowd(ctx, crowded)
}

// total is how many users there are.
func (c crowd) total() int { return c.Users + c.Others }

// gather makes a channel of the first users, in batches, and returns how long each took in milliseconds.
func (s *side) gather(ctx context.Context, id string, members int) (g gathering, took []float64, err error) {
	calls := rig.NewAPI(s.Addr)
	defer calls.Close()
	if g.channel, err = calls.MakeChannel(ctx, s.App, id, []string{s.user(0)}); err != nil {
		return g, nil, err
	}
	for g.members = 1; g.members < members; {
		var batch []string
		for n := g.members; n < min(members, g.members+rig.BatchMembers); n++ {
			batch = append(batch, s.anyone(n))
		}
		begun := time.Now()
		if err := calls.AddMembers(ctx, g.channel, s.user(0), batch); err != nil {
			return g, nil, err
		}
		took = append(took, millis(begun))
		g.members += len(batch)
	}
	return g, took, nil
}

// leaveCrowd lists all members of the channel and deletes it.
func (s *sides) leaveCrowd(ctx context.Context, g gathering) error {
	calls := rig.NewAPI(s.grown.Addr)
	defer calls.Close()
	path, by := "/channels/"+lab.Escape(g.channel), s.grown.user(0)

	// Every page has the same number of members, the last one perhaps less.
	var took []float64
	listed, next := 0, ""
	for first := true; first || next != ""; first = false {
		var page struct {
			ChannelMemberships []struct{}
			NextToken          string
		}
		begun := time.Now()
		target := fmt.Sprintf("%s/memberships?max-results=%d", path, listPage)
		if next != "" {
			target += "&next-token=" + url.QueryEscape(next)
		}
		if err := calls.Call(ctx, http.MethodGet, target, by, nil, &page); err != nil {
			return err
		}
		took = append(took, millis(begun))
		listed, next = listed+len(page.ChannelMemberships), page.NextToken
	}
	if listed != g.members {
		return fmt.Errorf("%w: %d of %d members", errNotAll, listed, g.members)
	}
	tenth := max(1, len(took)/10)
	s.add(figure("growth", fmt.Sprintf("a page of %d members, the last tenth of %d", listPage, g.members), "ms", []float64{rig.Median(took[len(took)-tenth:])}).
		against("the first tenth", []float64{rig.Median(took[:tenth])}).aims(ratioAtMost(grownMost)))

	begun := time.Now()
	err := calls.Call(ctx, http.MethodDelete, path, by, nil, nil)
	s.add(figure("growth", fmt.Sprintf("DeleteChannel of %d members", g.members), "ms", []float64{millis(begun)}))
	return err
}

var errNotAll = errors.New("the list does not have all")

func millis(since time.Time) float64 { return float64(time.Since(since).Microseconds()) / 1000 }
