package channel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// balance is an elastic channel "c" of ann with a plain model of who is what in it, and the
// roster of its sub-channels as a follower of the log has it.
type balance struct {
	*servicetest.World
	rt                        *rapid.T
	maximum, target, percent  int
	member, moderator, banned map[string]bool
	cursor                    store.Cursor
	roster                    map[string]map[chime.Ref]bool // sub-channel -> who
	subs                      map[string]bool
	between                   bool // a step of another node, between the transactions of one
}

// percentages are those between which the minimum of a target of up to 5 is the same.
var percentages = []int{1, 20, 21, 25, 26, 33, 34, 40}

// TestBalance: whatever happens to an elastic channel, every member is in one sub-channel, none
// has more members than the target nor, when another has room for them, fewer than the minimum;
// and the events tell exactly what changed.
func TestBalance(t *testing.T) {
	users := make([]string, 12)
	for i := range users {
		users[i] = fmt.Sprint("u", i)
	}
	rapid.Check(t, func(rt *rapid.T) {
		b := newBalance(rt, servicetest.New(t, append(users, "ann")...), rapid.SampledFrom([]int{1, 2, 3, channel.DefaultPiece}).Draw(rt, "piece"))
		b.check(users)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			b.step(rapid.SampledFrom(users).Draw(rt, "user"))
			b.follow()
			b.check(users)
		}
	})
}

// newBalance makes the channel, with a service whose transactions write so many memberships at most.
func newBalance(rt *rapid.T, w *servicetest.World, piece int) *balance {
	b := &balance{
		World: w, rt: rt,
		maximum: rapid.IntRange(2, 4).Draw(rt, "sub-channels"), target: rapid.IntRange(2, 5).Draw(rt, "target"),
		percent: rapid.SampledFrom(percentages).Draw(rt, "percent"),
		member:  map[string]bool{}, moderator: map[string]bool{}, banned: map[string]bool{},
		roster: map[string]map[chime.Ref]bool{}, subs: map[string]bool{},
	}
	b.Channels = channel.New(channel.Options{Store: w.Store, Site: w.Site, Now: w.Clock, Random: w.Random, Jobs: w.Jobs, Piece: piece})
	var err error
	if b.cursor, err = b.Store.Follow(b.AppID(), 0); err != nil {
		rt.Fatal(err)
	}
	b.AddChannel("ann", "c", servicetest.Elastic(b.maximum, b.target, b.percent))
	b.follow()
	return b
}

// members is the number of members of the model.
func (b *balance) members() (n int) {
	for _, is := range b.member {
		if is {
			n++
		}
	}
	return n
}

// TestBalanceInPieces: what needs several transactions ends in balance, whatever other calls come between
// them.
func TestBalanceInPieces(t *testing.T) {
	users := make([]string, 12)
	for i := range users {
		users[i] = fmt.Sprint("u", i)
	}
	rapid.Check(t, func(rt *rapid.T) {
		st := memstore.New()
		defer st.Close()
		var between func()
		w := servicetest.Over(t, faulty.New(st, func(c faulty.Call) error {
			if c.Op == faulty.Update && between != nil {
				between()
			}
			return nil
		}), append(users, "ann")...)
		queue := func() *jobs.Queue {
			return jobs.New(jobs.Options{Store: w.Store, Log: slog.New(slog.DiscardHandler), Random: w.Random, Now: w.Clock})
		}
		w.Jobs = queue()
		b := newBalance(rt, w, 1)
		elsewhere := channel.New(channel.Options{Store: w.Store, Site: w.Site, Now: w.Clock, Random: w.Random, Piece: 1, Jobs: queue()})
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			user := rapid.SampledFrom(users).Draw(rt, "user")
			first := true
			between = func() {
				if first { // the transaction of the call itself
					first = false
					return
				}
				other := rapid.SampledFrom(users).Draw(rt, "other")
				if other == user || b.members()+1 >= b.maximum*b.target || !rapid.Bool().Draw(rt, "between") {
					return
				}
				again, here := between, b.Channels
				between, b.Channels, b.between = nil, elsewhere, true // on this node it would wait for the transaction
				b.step(other)
				between, b.Channels, b.between = again, here, false
			}
			b.step(user)
			between = nil
			b.follow()
			b.check(users)
		}
	})
}

// step does something with a user and compares how it went with the model.
func (b *balance) step(u string) {
	what := rapid.SampledFrom([]string{"join", "join", "join", "leave", "leave", "promote", "demote", "ban", "unban", "enter", "enter"}).Draw(b.rt, "what")
	want, got := "ok", ""
	c, arn, ann := b.Channel("c"), b.User(u), b.User("ann")
	switch what {
	case "join":
		switch {
		case b.banned[u]:
			want = "Forbidden"
		case b.moderator[u]:
			want = "BadRequest"
		case b.member[u]: // it stays where it is
		case b.members() == b.maximum*b.target:
			want = "ResourceLimitExceeded"
		default:
			b.member[u] = true
		}
		_, got = join(b.World, "ann", u, nil)
	case "enter": // a moderator, any sub-channel
		all := sortedKeys(b.subs)
		sub := rapid.SampledFrom(all).Draw(b.rt, "sub-channel")
		switch {
		case b.banned[u]:
			want = "Forbidden"
		case !b.moderator[u]:
			want = "BadRequest"
		}
		if _, got = join(b.World, "ann", u, &sub); got == "NotFound" && b.between && want == "ok" {
			want = got // its members are on their way to another one
		}
	case "leave":
		got = leave(b.World, u, u, nil)
		if b.banned[u] {
			want = "Forbidden"
		}
		b.member[u] = false
	case "promote":
		_, err := b.Channels.CreateChannelModerator(ctx, &messaging.CreateChannelModeratorRequest{ChannelARN: c, ChannelModeratorARN: arn, ChimeBearer: ann})
		got = servicetest.Outcome(err)
		switch {
		case b.banned[u]:
			want = "Forbidden"
		case b.moderator[u]:
			want = "Conflict"
		default:
			b.moderator[u], b.member[u] = true, false
		}
	case "demote":
		_, err := b.Channels.DeleteChannelModerator(ctx, &messaging.DeleteChannelModeratorRequest{ChannelARN: c, ChannelModeratorARN: arn, ChimeBearer: ann})
		got = servicetest.Outcome(err)
		b.moderator[u] = false
	case "ban":
		_, err := b.Channels.CreateChannelBan(ctx, &messaging.CreateChannelBanRequest{ChannelARN: c, MemberARN: arn, ChimeBearer: ann})
		got = servicetest.Outcome(err)
		switch {
		case b.moderator[u]:
			want = "Forbidden"
		case b.banned[u]:
			want = "Conflict"
		default:
			b.banned[u], b.member[u] = true, false
		}
	case "unban":
		_, err := b.Channels.DeleteChannelBan(ctx, &messaging.DeleteChannelBanRequest{ChannelARN: c, MemberARN: arn, ChimeBearer: ann})
		got = servicetest.Outcome(err)
		b.banned[u] = false
	}
	if got != want {
		b.rt.Fatalf("%s of %s: %s, want %s", what, u, got, want)
	}
}

// follow keeps the roster as the events say.
func (b *balance) follow() {
	done, cancel := context.WithCancel(ctx)
	cancel()
	for {
		events, err := b.cursor.Next(done)
		if err != nil {
			return
		}
		for _, e := range events {
			b.apply(e)
		}
	}
}

func (b *balance) apply(e *chime.Event) {
	switch e.Type {
	case chime.EventCreateSubChannel:
		b.subs[e.Sub], b.roster[e.Sub] = true, map[chime.Ref]bool{}
	case chime.EventDeleteSubChannel:
		if len(b.roster[e.Sub]) > 0 {
			b.rt.Fatalf("a sub-channel is deleted with %v in it", b.roster[e.Sub])
		}
		delete(b.subs, e.Sub)
		delete(b.roster, e.Sub)
	case chime.EventUpdateMembership:
		if len(e.Join) != 1 || !slices.Equal(e.Only, e.Join) {
			b.rt.Fatalf("a move of %v is told to %v", e.Join, e.Only)
		}
	}
	if e.MessageType != "" {
		var shown struct{ SubChannelId string }
		if err := json.Unmarshal(e.Payload, &shown); err != nil || shown.SubChannelId != e.Sub {
			b.rt.Fatalf("%s in %s shows %s", e.Type, e.Sub, e.Payload)
		}
	}
	for _, ref := range e.Join {
		if !b.subs[e.Sub] || b.roster[e.Sub][ref] {
			b.rt.Fatalf("%s: %s comes to where it is, or to nowhere", e.Type, ref)
		}
		b.roster[e.Sub][ref] = true
	}
	for _, ref := range e.Leave {
		if !b.roster[e.Sub][ref] {
			b.rt.Fatalf("%s: %s leaves where it is not", e.Type, ref)
		}
		delete(b.roster[e.Sub], ref)
	}
}

// check compares what the API answers with the model and the roster.
func (b *balance) check(users []string) {
	resp, err := b.Channels.ListSubChannels(ctx, &messaging.ListSubChannelsRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User("ann")})
	if err != nil {
		b.rt.Fatal(err)
	}
	subs := resp.SubChannels
	if len(subs) == 0 || len(subs) > b.maximum || len(subs) != len(b.subs) {
		b.rt.Fatalf("%d sub-channels; %d by the events", len(subs), len(b.subs))
	}
	for _, sub := range subs {
		n := 0
		for ref := range b.roster[sub.SubChannelID] {
			if !b.moderator[ref.ID()] {
				n++
			}
		}
		if !b.subs[sub.SubChannelID] || sub.MembershipCount != n {
			b.rt.Fatalf("a sub-channel says it has %d members; %d by the events", sub.MembershipCount, n)
		}
	}
	if wrong := unbalanced(subs, b.target, b.percent); wrong != "" {
		b.rt.Fatal(wrong)
	}
	total := 0
	for _, u := range users {
		total += b.checkUser(u)
	}
	if all := membersIn(b.World, "ann", nil); len(all) != total {
		b.rt.Fatalf("%d members are listed, %d memberships", len(all), total)
	}
}

// unbalanced says which sub-channel is too full, or too empty though another has room for all
// its members; "" when none is.
func unbalanced(subs []messaging.SubChannelSummary, target, percent int) string {
	least := (target*percent + 99) / 100
	for i, sub := range subs {
		if sub.MembershipCount > target {
			return fmt.Sprintf("%d members are more than %d: %v", sub.MembershipCount, target, subs)
		}
		for j, other := range subs {
			if i != j && sub.MembershipCount < least && other.MembershipCount+sub.MembershipCount <= target {
				return fmt.Sprintf("%d members are fewer than %d though another has room: %v", sub.MembershipCount, least, subs)
			}
		}
	}
	return ""
}

// checkUser compares the memberships of a user with the roster and the model.
func (b *balance) checkUser(u string) (n int) {
	mine, err := b.Channels.ListChannelMembershipsForAppInstanceUser(ctx, &messaging.ListChannelMembershipsForAppInstanceUserRequest{ChimeBearer: b.User(u)})
	if err != nil {
		b.rt.Fatal(err)
	}
	for _, m := range mine.ChannelMemberships {
		if sub := m.AppInstanceUserMembershipSummary.SubChannelID; !b.roster[sub][chime.UserRef(u)] {
			b.rt.Fatalf("%s is in a sub-channel that it did not come to", u)
		}
	}
	n = len(mine.ChannelMemberships)
	inRoster := 0
	for _, members := range b.roster {
		if members[chime.UserRef(u)] {
			inRoster++
		}
	}
	if n != inRoster || b.member[u] && n != 1 || !b.member[u] && !b.moderator[u] && n != 0 {
		b.rt.Fatalf("%s has %d memberships, %d by the events; member: %v", u, n, inRoster, b.member[u])
	}
	return n
}

func sortedKeys(m map[string]bool) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
