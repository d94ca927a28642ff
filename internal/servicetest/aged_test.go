package servicetest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/retention"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/unread"
)

// kept are the contents of all messages that the store has, in order of their keys.
func kept(t *testing.T, w *servicetest.World) string {
	t.Helper()
	var contents []string
	err := w.Store.View(t.Context(), w.AppID(), func(r store.Reader) error {
		contents = nil
		return store.Messages.Each(r, store.Range{}, func(_ store.Key, m chime.Message) (bool, error) {
			contents = append(contents, m.Content)
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(contents, " ")
}

// seen is what a user lists of a channel, the newest first.
func seen(t *testing.T, w *servicetest.World, by, channel string) string {
	t.Helper()
	resp, err := w.API.ListChannelMessages(t.Context(), &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel(channel), ChimeBearer: w.User(by)})
	if err != nil {
		t.Fatal(err)
	}
	var contents []string
	for _, m := range resp.ChannelMessages {
		contents = append(contents, *m.Content)
	}
	return strings.Join(contents, " ")
}

// Messages go 30 days after the setting, which until then may show them again, and from then on as they
// age. Nothing is announced.
func TestMessagesAreRemovedAfterTheGracePeriod(t *testing.T) {
	servicetest.OnEach(t, "ann bob", func(t *testing.T, w *servicetest.World) {
		w.AddChannel("ann", "c")
		w.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
		say := func(contents ...string) { // one each day
			for _, content := range contents {
				w.Send(w.Text("ann", "c", content))
				w.Now = w.Now.Add(aDay)
			}
		}
		say("0", "1", "2", "3")
		w.Retain(2)
		w.Log()
		expect := func(what string, d time.Duration, wantSeen, wantKept string) {
			t.Helper()
			after(t, w, d)
			if got := seen(t, w, "bob", "c"); got != wantSeen {
				t.Errorf("%s: bob sees %q, want %q", what, got, wantSeen)
			}
			if got := kept(t, w); got != wantKept {
				t.Errorf("%s: the store has %q, want %q", what, got, wantKept)
			}
		}
		expect("at once", 0, "3 2", "0 1 2 3")
		w.Now = w.Now.Add(20 * aDay)
		say("24", "25", "26")
		expect("in the grace period", 0, "26 25", "0 1 2 3 24 25 26")
		w.Retain(26)
		expect("with more days", 0, "26 25 24 3 2 1", "0 1 2 3 24 25 26")
		w.Retain(2)
		expect("in another grace period", 30*aDay-time.Minute, "", "0 1 2 3 24 25 26")
		w.Retain(0)
		expect("without a setting", 30*aDay, "26 25 24 3 2 1 0", "0 1 2 3 24 25 26")
		w.Retain(80)
		expect("in a third", 30*aDay-time.Minute, "", "0 1 2 3 24 25 26")
		expect("after it", time.Minute, "", "")
		say("new", "newer")
		expect("as they age", 79*aDay, "newer", "newer")
		w.Retain(0)
		expect("what is gone stays gone", 0, "newer", "newer")
		for _, line := range w.Log() {
			if !strings.HasPrefix(line, "PUT_APP_INSTANCE_RETENTION_SETTINGS") && !strings.HasPrefix(line, "CREATE_CHANNEL_MESSAGE") {
				t.Errorf("an event is %s", line)
			}
		}
	})
}

// What other records say of removed messages stays, and what is kept of them in memory goes.
func TestARemovalByAgeLeavesTheRestAsItIs(t *testing.T) {
	servicetest.OnEach(t, "owner ann bob cy", func(t *testing.T, w *servicetest.World) {
		counter := unread.NewCounter(w.Channels, w.Messages)
		w.AddChannel("ann", "c")
		w.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
		w.AddMember("ann", "c", "cy", messaging.ChannelMembershipTypeDefault)
		w.AddChannel("owner", "e", servicetest.Elastic(2, 3, 40))
		w.AddMember("owner", "e", "cy", messaging.ChannelMembershipTypeDefault)
		w.Say("ann", "c", "read")
		w.Read("bob", "c")
		w.Say("ann", "c", "old")
		w.Say("cy", "e", "in a sub-channel", func(r *messaging.SendChannelMessageRequest) { r.SubChannelID = subOf(t, w, "e") })
		w.AddChannel("ann", "quiet")
		w.Say("ann", "quiet", "long ago")
		last := describe(t, w, "quiet").LastMessageTimestamp
		page := func() string {
			p, err := w.Messages.EncodeChannelMessages(t.Context(), &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("bob")})
			if err != nil {
				t.Fatal(err)
			}
			return string(p.AppendJSON(nil, 0))
		}
		if !strings.Contains(page(), "old") {
			t.Error("the newest page has no message")
		}
		w.Retain(30)
		w.Now = w.Now.Add(31 * aDay)
		w.Say("ann", "c", "new")
		after(t, w, 0)
		if got := kept(t, w); got != "new" {
			t.Errorf("the store has %q", got)
		}
		w.Retain(0)
		if got := page(); strings.Contains(got, "old") || !strings.Contains(got, "new") {
			t.Errorf("the newest page is %s", got)
		}
		if got := describe(t, w, "quiet").LastMessageTimestamp; got == nil || !got.Equal(*last) {
			t.Errorf("the last message was at %v, want %v", got, last)
		}
		for user, want := range map[string]int{"bob": 1, "cy": 1} {
			if got := countUnread(t, w, counter, user, "c"); got != want || got != w.ListedUnread(user, "c") {
				t.Errorf("%s has %d unread messages, want %d", user, got, want)
			}
		}
	})
}

func describe(t *testing.T, w *servicetest.World, channel string) *messaging.Channel {
	t.Helper()
	resp, err := w.API.DescribeChannel(t.Context(), &messaging.DescribeChannelRequest{ChannelARN: w.Channel(channel), ChimeBearer: w.User("adm")})
	if err != nil {
		t.Fatal(err)
	}
	return resp.Channel
}

func countUnread(t *testing.T, w *servicetest.World, counter *unread.Counter, user, id string) (n int) {
	t.Helper()
	err := w.Store.View(t.Context(), w.AppID(), func(r store.Reader) error {
		v, err := channel.Enter(r, w.Site, w.User(user), w.Channel(id))
		if err != nil {
			return err
		}
		count, err := counter.Count(r, v)
		n = int(count)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// marks notes of which channels an engine is asked to erase messages.
type marks struct{ asked int }

func (m *marks) Erase(_ context.Context, table store.TableID, ranges ...store.Range) error {
	if table == store.Messages.ID {
		m.asked += len(ranges)
	}
	return nil
}

// What was removed by age is erased from the disk as what a call removed. A pass that is cut off at any
// commit goes on where it ended.
func TestRemovalByAgeOutlivesCrashes(t *testing.T) {
	for fails := 1; fails < 6; fails++ {
		commits, failing := 0, false
		st := faulty.New(memstore.New(), func(c faulty.Call) error {
			if failing && c.Op == faulty.Commit {
				if commits++; commits == fails {
					return store.ErrUnavailable
				}
			}
			return nil
		})
		w := servicetest.Over(t, st, "ann", "adm")
		w.MakeAdmin("adm")
		for i := range 3 {
			id := fmt.Sprint("c", i)
			w.AddChannel("ann", id)
			w.Say("ann", id, "old")
		}
		w.Retain(1)
		w.Now = w.Now.Add(31 * aDay)
		w.Send(w.Text("ann", "c1", "new"))
		position := w.Log()

		failing = true
		_ = expiry(t, w).Pass(t.Context())
		failing = false
		after(t, w, 0)
		if got := kept(t, w); got != "new" {
			t.Errorf("after a failure of commit %d the store has %q", fails, got)
		}
		if events := w.Log(); len(position) == 0 || len(events) > 0 {
			t.Errorf("events are %q", events)
		}

		clock, err := store.OpenClock(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		e := new(marks)
		if err := retention.New(retention.Options{Store: st, Clock: clock, EventRetention: time.Hour, Eraser: e}).EraseRemoved(t.Context()); err != nil || e.asked != 3 {
			t.Errorf("%d channels are erased, want 3; %v", e.asked, err)
		}
		st.Close()
	}
}

// A setting that is put while a pass is under way is the one that counts.
func TestTheSettingOfTheMomentCounts(t *testing.T) {
	var during func() // is done before the next transaction begins
	st := faulty.New(memstore.New(), func(c faulty.Call) error {
		if do := during; c.Op == faulty.Update && do != nil {
			during = nil
			do()
		}
		return nil
	})
	t.Cleanup(func() { st.Close() })
	w := servicetest.Over(t, st, "ann", "adm")
	w.MakeAdmin("adm")
	w.AddChannel("ann", "c", expires(5, created))
	createUser(t, w, "temp", 5)
	w.Send(w.Text("ann", "c", "old"))
	w.Retain(1)
	w.Now = w.Now.Add(40 * aDay)
	date := chime.At(w.Now)

	for _, days := range []int{0, 90, 1} {
		during = func() { w.Retain(days) }
		if err := w.Messages.RemoveAged(t.Context(), w.AppID(), date); err != nil || during != nil || kept(t, w) != "old" {
			t.Errorf("with %d days the store has %q, %v", days, kept(t, w), err)
		}
		w.Now = w.Now.Add(-40 * aDay)
		w.Retain(0) // or what was hidden stays hidden
		w.Retain(1) // whose grace period is over by the date
		w.Now = w.Now.Add(40 * aDay)
	}

	// So does the clock of the moment, when it shows messages again.
	during = func() { w.Now = w.Now.Add(-40 * aDay) }
	if err := w.Messages.RemoveAged(t.Context(), w.AppID(), date); err != nil || during != nil || kept(t, w) != "old" {
		t.Errorf("with a clock that was set back the store has %q, %v", kept(t, w), err)
	}
	w.Now = w.Now.Add(40 * aDay)

	var due []store.Expiring
	err := st.View(t.Context(), "", func(r store.Reader) (err error) {
		due, _, err = store.Due(r, date, nil, 10)
		return err
	})
	if err != nil || len(due) != 2 {
		t.Fatal(due, err)
	}
	for _, at := range due {
		expirer, put := retention.Expirer(w.Channels), func() { setExpiry(t, w, "c", 90, created) }
		if _, is := at.Channel(); !is {
			expirer, put = w.Identity, func() { setUserExpiry(t, w, "temp", 90) }
		}
		during = put
		if expired, err := expirer.Expire(t.Context(), at, date); expired || err != nil {
			t.Errorf("%s expired: %v, %v", at.Ref, expired, err)
		}
	}
	after(t, w, 49*aDay)
	if !exists(t, w, "c") || !userExists(t, w, "temp") {
		t.Error("settings that were put meanwhile do not count")
	}
	after(t, w, 2*aDay)
	if exists(t, w, "c") || userExists(t, w, "temp") {
		t.Error("settings that were put meanwhile are forgotten")
	}
}
