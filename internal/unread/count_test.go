package unread_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/unread"
)

var ctx = context.Background()

const hidden = messaging.ChannelMembershipTypeHidden

// world is an app instance whose unread messages are counted.
type world struct {
	*servicetest.World
	t       *testing.T
	counter *unread.Counter
}

// onEach runs a test over the model store and over Pebble. adm is an admin.
func onEach(t *testing.T, users string, test func(*world)) {
	servicetest.OnEach(t, users, func(t *testing.T, w *servicetest.World) {
		test(&world{w, t, unread.NewCounter(w.Channels, w.Messages)})
	})
}

// unread is the count of a member. It is true at the present position of the log.
func (w *world) unread(user, channel string) (count int) {
	w.t.Helper()
	err := w.Store.View(ctx, w.AppID(), func(r store.Reader) error {
		now, err := w.counter.Read(r, w.AppID(), chime.UserRef(user), w.entry(r, user, channel))
		if err != nil {
			return err
		}
		position, err := r.Position()
		w.expect("position", now.Position, position)
		count = int(now.Count)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return count
}

// entry finds a channel on the list of a user's memberships.
func (w *world) entry(r store.Reader, user, channel string) (entry chime.ChannelEntry) {
	w.t.Helper()
	list := store.Prefix(store.K(w.AppID(), string(chime.UserRef(user))))
	err := store.MembershipsOf.Each(r, list, func(_ store.Key, at chime.ChannelEntry) (bool, error) {
		entry = at
		return at.ChannelID != channel, nil
	})
	if err != nil || entry.ChannelID != channel {
		w.t.Fatalf("%s is not in %s: %v", user, channel, err)
	}
	return entry
}

func (w *world) expect(what string, got, want any) {
	w.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func (w *world) must(_ any, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestUnreadCount(t *testing.T) {
	onEach(t, "ann bob cy spy", func(w *world) {
		w.AddChannel("ann", "c")
		w.AddMember("ann", "c", "bob", standard)
		w.AddMember("ann", "c", "cy", standard)
		w.AddMember("ann", "c", "spy", hidden)
		var ids []string
		for _, step := range []struct {
			what         string
			do           func()
			bob, cy, spy int
		}{
			{"nothing", func() {}, 0, 0, 0},
			{"a message", func() { ids = append(ids, w.Say("ann", "c", "1")) }, 1, 1, 1},
			{"bob's own", func() { ids = append(ids, w.Say("bob", "c", "2")) }, 1, 2, 2},
			{"one for cy alone", func() { w.Say("ann", "c", "3", w.To("cy")) }, 1, 3, 2},
			{"one of bob for cy", func() { w.Say("bob", "c", "4", w.To("cy")) }, 1, 4, 2},
			{"a control message", func() { w.Say("ann", "c", "5", servicetest.Control) }, 1, 4, 2},
			{"one that is not kept", func() {
				w.Say("ann", "c", "6", func(r *messaging.SendChannelMessageRequest) {
					r.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
				})
			}, 1, 4, 2},
			{"an edit", func() {
				w.must(w.API.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{
					ChannelARN: w.Channel("c"), MessageID: ids[0], Content: "1a", ChimeBearer: w.User("ann")}))
			}, 1, 4, 2},
			{"a redaction", func() { w.Redact("ann", "c", ids[0]) }, 0, 3, 1},
			{"two more", func() { ids = append(ids, w.Say("ann", "c", "7"), w.Say("ann", "c", "8")) }, 2, 5, 3},
			{"a deletion", func() { w.Delete("adm", "c", ids[3]) }, 1, 4, 2},
			{"bob and the hidden one read", func() { w.Read("bob", "c"); w.Read("spy", "c") }, 0, 4, 0},
			{"a message in the moment of reading", func() { w.Send(w.Text("ann", "c", "9")) }, 1, 5, 1},
			{"a message just after it", func() { w.Now = w.Now.Add(time.Millisecond); w.Send(w.Text("ann", "c", "10")) }, 2, 6, 2},
			{"one that a flow fails", func() { w.failing("c"); w.Say("ann", "c", "11") }, 2, 6, 2},
			{"bob leaves and comes back", func() { w.Remove("bob", "c", "bob"); w.AddMember("ann", "c", "bob", standard) }, 3, 6, 2},
		} {
			step.do()
			got := fmt.Sprint(w.unread("bob", "c"), w.unread("cy", "c"), w.unread("spy", "c"))
			w.expect("after "+step.what, got, fmt.Sprint(step.bob, step.cy, step.spy))
		}
	})
}

// failing gives a channel a flow in which every message fails.
func (w *world) failing(channel string) {
	w.t.Helper()
	flow, err := w.Flows.CreateChannelFlow(ctx, &messaging.CreateChannelFlowRequest{
		AppInstanceARN: w.App, Name: "flow", ClientRequestToken: w.Token(),
		Processors: []messaging.Processor{{
			Name: "step", ExecutionOrder: 1, FallbackAction: messaging.FallbackActionAbort,
			Configuration: &messaging.ProcessorConfiguration{Lambda: &messaging.LambdaConfiguration{
				ResourceARN: "arn:aws:lambda:us-east-1:000000000000:function:f", InvocationType: messaging.InvocationTypeAsync,
			}},
		}},
	})
	w.must(nil, err)
	w.must(w.Flows.AssociateChannelFlow(ctx, &messaging.AssociateChannelFlowRequest{
		ChannelARN: w.Channel(channel), ChannelFlowARN: flow.ChannelFlowARN, ChimeBearer: w.User("ann"),
	}))
}

func TestUnreadCountWithRetention(t *testing.T) {
	onEach(t, "ann bob", func(w *world) {
		w.AddChannel("ann", "c")
		w.AddMember("ann", "c", "bob", standard)
		for i := range 5 {
			w.Now = w.Now.Add(24 * time.Hour)
			w.Send(w.Text("ann", "c", fmt.Sprint(i)))
			if i == 1 {
				w.Read("bob", "c")
			}
		}
		for _, tc := range []struct{ days, want int }{{2, 3}, {1, 2}, {4, 3}} {
			w.Retain(tc.days)
			w.expect(fmt.Sprint(tc.days, " days"), w.unread("bob", "c"), tc.want)
		}
	})
}

// However a channel came to be as it is, the count is what the member finds when it lists the
// messages.
func TestUnreadCountIsWhatTheListShows(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	onEach(t, "ann bob cy", func(w *world) {
		people := []string{"ann", "bob", "cy"}
		rnd := rand.New(rand.NewPCG(seed, 0))
		w.AddChannel("ann", "c")
		w.AddMember("ann", "c", "bob", standard)
		w.AddMember("ann", "c", "cy", standard)
		var ids []string
		for range 200 {
			w.Now = w.Now.Add(time.Duration(rnd.IntN(3)) * time.Millisecond)
			who, other := people[rnd.IntN(3)], people[rnd.IntN(3)]
			switch n := rnd.IntN(20); {
			case n == 0 && len(ids) > 0:
				i := rnd.IntN(len(ids))
				w.Delete("adm", "c", ids[i])
				ids = append(ids[:i], ids[i+1:]...)
			case n < 3 && len(ids) > 0:
				w.API.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ // of others it is refused
					ChannelARN: w.Channel("c"), MessageID: ids[rnd.IntN(len(ids))], ChimeBearer: w.User(who)})
			case n < 5:
				w.Read(who, "c")
			case n < 8:
				ids = append(ids, w.Send(w.Text(who, "c", "x")))
			case n < 10:
				req := w.Text(who, "c", "x")
				servicetest.Control(req)
				ids = append(ids, w.Send(req))
			default:
				req := w.Text(who, "c", "x")
				w.To(other)(req)
				ids = append(ids, w.Send(req))
			}
			w.expect("unread messages of "+other, w.unread(other, "c"), w.ListedUnread(other, "c"))
		}
	})
}

// A channel that the user has left or that is gone has no count, though one of the same id is there.
func TestNothingIsCountedWithoutAMembership(t *testing.T) {
	onEach(t, "ann bob", func(w *world) {
		channels := []string{"left", "banned", "deleted", "kept"}
		for _, id := range channels {
			w.AddChannel("ann", id)
			w.AddMember("ann", id, "bob", standard)
		}
		entries := map[string]chime.ChannelEntry{}
		view := func(f func(store.Reader)) {
			w.must(nil, w.Store.View(ctx, w.AppID(), func(r store.Reader) error { f(r); return nil }))
		}
		view(func(r store.Reader) {
			for _, id := range channels {
				entries[id] = w.entry(r, "bob", id)
			}
		})
		w.Remove("bob", "left", "bob")
		w.Ban("ann", "banned", "bob")
		w.must(w.API.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel("deleted"), ChimeBearer: w.User("ann")}))
		w.AddChannel("ann", "deleted") // under the same id
		w.AddMember("ann", "deleted", "bob", standard)
		view(func(r store.Reader) {
			for id, at := range entries {
				_, err := w.counter.Read(r, w.AppID(), "user/bob", at)
				w.expect(id+" has no count", errors.Is(err, unread.ErrNotMember), id != "kept")
			}
		})
	})
}
