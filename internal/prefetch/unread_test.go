package prefetch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// unread is the unread count in the details of a channel.
func (w *world) unread(user, channel string) int {
	w.t.Helper()
	for _, at := range w.places(user, "") {
		if at.ChannelID == channel {
			d, _ := w.details(user, at, true)
			return *d.UnreadCount
		}
	}
	w.t.Fatalf("%s is not in %s", user, channel)
	return 0
}

// The details say how many messages are unread, and up to when the member has read.
func TestDetailsHaveTheUnreadCount(t *testing.T) {
	onEach(t, "ann bob", func(w *world) {
		w.AddChannel("ann", "c")
		w.AddMember("ann", "c", "bob", standard)
		w.Say("ann", "c", "1")
		w.Say("ann", "c", "2")
		w.Say("bob", "c", "my own")
		w.expect("unread", w.unread("bob", "c"), 2)
		w.expect("read marker", w.first("bob").ReadMarkerTimestamp, "")
		w.Read("bob", "c")
		marker := w.Now.Format("2006-01-02T15:04:05.000Z")
		w.Say("ann", "c", "3")
		w.expect("unread after reading", w.unread("bob", "c"), 1)
		w.expect("read marker", w.first("bob").ReadMarkerTimestamp, marker)
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
				w.Say("ann", "other", "never read")
				w.Send(w.Text("ann", "c", "before"))
				for i, by := range set {
					w.Now = w.Now.Add(by)
					for range 2 {
						w.Send(w.Text("ann", "c", "hello"))
					}
					w.Read("bob", "c")
					w.expect("unread after reading", w.unread("bob", "c"), 0)
					if ordered {
						w.expect("listed as unread", w.ListedUnread("bob", "c"), 0)
					}
					w.expect("channels, what is unread first", w.list("bob", ""), "other c")
					for n := range 3 {
						w.Send(w.Text("ann", "c", "news")) // in the moment of the marker
						w.expect("unread", w.unread("bob", "c"), n+1)
						if ordered {
							w.expect("listed as unread", w.ListedUnread("bob", "c"), n+1)
						}
					}
					w.Read("bob", "other")
					w.expect("channels, what is unread first", w.list("bob", ""), "c other")
					w.Now = w.Now.Add(time.Millisecond)
					w.Say("ann", "other", fmt.Sprint("never read ", i))
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
