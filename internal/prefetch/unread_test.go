package prefetch_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/unread"
)

func (w *world) unread(user, channel string) int {
	w.t.Helper()
	for _, at := range w.places(user, "") {
		if at.ChannelID != channel {
			continue
		}
		now, err := w.counted(user, at)
		w.must(nil, err)
		w.expect("position", now.Position, w.position())
		d, _ := w.details(user, at, true)
		w.expect("unread count of the details", *d.UnreadCount, now.Count)
		shown := ""
		if now.Marker != 0 {
			shown = now.Marker.Time().Format("2006-01-02T15:04:05.000Z")
		}
		w.expect("read marker of the details", d.ReadMarkerTimestamp, shown)
		return int(now.Count)
	}
	w.t.Fatalf("%s is not in %s", user, channel)
	return 0
}

// counted is what a Counter of its own says.
func (w *world) counted(user string, at chime.Place) (now unread.Reading, err error) {
	err = w.Store.View(ctx, w.AppID(), func(r store.Reader) (err error) {
		now, err = unread.NewCounter(w.Channels, w.Messages).Read(r, app(w.World), chime.UserRef(user), at)
		return err
	})
	return now, err
}

func (w *world) position() (position uint64) {
	w.must(nil, w.Store.View(ctx, w.AppID(), func(r store.Reader) (err error) {
		position, err = r.Position()
		return err
	}))
	return position
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
			{"a message", func() { ids = append(ids, w.say("ann", "c", "1")) }, 1, 1, 1},
			{"bob's own", func() { ids = append(ids, w.say("bob", "c", "2")) }, 1, 2, 2},
			{"one for cy alone", func() { w.say("ann", "c", "3", w.to("cy")) }, 1, 3, 2},
			{"one of bob for cy", func() { w.say("bob", "c", "4", w.to("cy")) }, 1, 4, 2},
			{"a control message", func() { w.say("ann", "c", "5", control) }, 1, 4, 2},
			{"one that is not kept", func() {
				w.say("ann", "c", "6", func(r *messaging.SendChannelMessageRequest) {
					r.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
				})
			}, 1, 4, 2},
			{"an edit", func() {
				w.must(w.API.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{
					ChannelARN: w.Channel("c"), MessageID: ids[0], Content: "1a", ChimeBearer: w.User("ann")}))
			}, 1, 4, 2},
			{"a redaction", func() { w.redact("ann", "c", ids[0]) }, 0, 3, 1},
			{"two more", func() { ids = append(ids, w.say("ann", "c", "7"), w.say("ann", "c", "8")) }, 2, 5, 3},
			{"a deletion", func() { w.delete("c", ids[3]) }, 1, 4, 2},
			{"bob and the hidden one read", func() { w.read("bob", "c"); w.read("spy", "c") }, 0, 4, 0},
			{"a message in the moment of reading", func() { w.Send(w.Text("ann", "c", "9")) }, 1, 5, 1},
			{"a message just after it", func() { w.Now = w.Now.Add(time.Millisecond); w.Send(w.Text("ann", "c", "10")) }, 2, 6, 2},
			{"one that a flow fails", func() { w.failing("c"); w.say("ann", "c", "11") }, 2, 6, 2},
			{"bob leaves and comes back", func() { w.remove("bob", "c", "bob"); w.AddMember("ann", "c", "bob", standard) }, 3, 6, 2},
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
				w.read("bob", "c")
			}
		}
		for _, tc := range []struct{ days, want int }{{2, 3}, {1, 2}, {4, 3}} {
			w.retain(tc.days)
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
				w.delete("c", ids[i])
				ids = append(ids[:i], ids[i+1:]...)
			case n < 3 && len(ids) > 0:
				w.API.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ // of others it is refused
					ChannelARN: w.Channel("c"), MessageID: ids[rnd.IntN(len(ids))], ChimeBearer: w.User(who)})
			case n < 5:
				w.read(who, "c")
			case n < 8:
				ids = append(ids, w.Send(w.Text(who, "c", "x")))
			case n < 10:
				req := w.Text(who, "c", "x")
				control(req)
				ids = append(ids, w.Send(req))
			default:
				req := w.Text(who, "c", "x")
				w.to(other)(req)
				ids = append(ids, w.Send(req))
			}
			w.expect("unread messages of "+other, w.unread(other, "c"), w.listed(other))
		}
	})
}

// TestReadStaysReadWhateverTheClockDoes: setting the clock of the machine neither makes unread what
// was read nor hides what comes after it, and what comes after it is also later than the marker.
func TestReadStaysReadWhateverTheClockDoes(t *testing.T) {
	for name, set := range map[string][]time.Duration{
		"not at all":         {0},
		"an hour back":       {-time.Hour},
		"a day on":           {24 * time.Hour},
		"a day back":         {-24 * time.Hour},
		"a day on and back":  {24 * time.Hour, -24 * time.Hour},
		"ten years and back": {87600 * time.Hour, -87600 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			// Times tell what is read, too, unless some were so wrong that they are not followed.
			ordered := set[len(set)-1] >= -time.Hour
			onEach(t, "ann bob", func(w *world) {
				for _, channel := range []string{"c", "other"} {
					w.AddChannel("ann", channel)
					w.AddMember("ann", channel, "bob", standard)
				}
				w.say("ann", "other", "never read")
				w.Send(w.Text("ann", "c", "before"))
				for i, by := range set {
					w.Now = w.Now.Add(by)
					for range 2 {
						w.Send(w.Text("ann", "c", "hello"))
					}
					w.read("bob", "c")
					w.expect("unread after reading", w.unread("bob", "c"), 0)
					if ordered {
						w.expect("listed as unread", w.listed("bob"), 0)
					}
					w.expect("channels, what is unread first", w.list("bob", ""), "other c")
					for n := range 3 {
						w.Send(w.Text("ann", "c", "news")) // in the moment of the marker
						w.expect("unread", w.unread("bob", "c"), n+1)
						if ordered {
							w.expect("listed as unread", w.listed("bob"), n+1)
						}
					}
					w.read("bob", "other")
					w.expect("channels, what is unread first", w.list("bob", ""), "c other")
					w.Now = w.Now.Add(time.Millisecond)
					w.say("ann", "other", fmt.Sprint("never read ", i))
				}
			})
		})
	}
}

// A channel that was written to while the clock was wrong gives right times as soon as it is right,
// keeps its order, and its messages are found by the times that they show.
func TestTimesAfterAWildClock(t *testing.T) {
	onEach(t, "ann bob", func(w *world) {
		w.AddChannel("ann", "c")
		right := w.Now
		w.Send(w.Text("ann", "c", "1"))
		w.Now = right.Add(24 * time.Hour)
		w.Send(w.Text("ann", "c", "2"))
		w.Now = right.Add(time.Minute)
		w.Send(w.Text("ann", "c", "3"))
		w.Now = right.Add(30 * time.Second) // a small step back: times stay in order
		w.Send(w.Text("ann", "c", "4"))
		list := func(from, to time.Time) (text string) {
			resp, err := w.API.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{
				ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann"), SortOrder: messaging.SortOrderAscending, NotBefore: &from, NotAfter: &to})
			w.must(nil, err)
			for _, m := range resp.ChannelMessages {
				text += fmt.Sprint(*m.Content, " at ", m.CreatedTimestamp.Sub(right), "; ")
			}
			return text
		}
		w.expect("all", list(right.Add(-time.Hour), right.Add(48*time.Hour)), "1 at 0s; 2 at 24h0m0s; 3 at 1m0s; 4 at 1m0s; ")
		w.expect("until a moment ago", list(right, right.Add(time.Minute-time.Millisecond)), "1 at 0s; ")
		w.expect("one minute", list(right.Add(time.Second), right.Add(time.Minute)), "3 at 1m0s; 4 at 1m0s; ")
		w.expect("tomorrow", list(right.Add(time.Hour), right.Add(48*time.Hour)), "2 at 24h0m0s; ")
	})
}

// listed counts the unread messages of a member in the list of the channel's messages.
func (w *world) listed(user string) (n int) {
	me := w.User(user)
	membership, err := w.API.DescribeChannelMembershipForAppInstanceUser(ctx, &messaging.DescribeChannelMembershipForAppInstanceUserRequest{
		ChannelARN: w.Channel("c"), AppInstanceUserARN: me, ChimeBearer: me})
	w.must(nil, err)
	marker := membership.ChannelMembership.AppInstanceUserMembershipSummary.ReadMarkerTimestamp
	req := &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("c"), ChimeBearer: me}
	for {
		resp, err := w.API.ListChannelMessages(ctx, req)
		w.must(nil, err)
		for _, m := range resp.ChannelMessages {
			if m.Type == messaging.ChannelMessageTypeStandard && !m.Redacted && m.Sender.ARN != me &&
				(marker == nil || m.CreatedTimestamp.After(*marker)) {
				n++
			}
		}
		if resp.NextToken == "" {
			return n
		}
		req.NextToken = &resp.NextToken
	}
}
