package channel_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// TestThirdMemberOverATargetOfTwo is check 16 of spec C.5: the third member divides the channel,
// the moved one alone is told; and when the new sub-channel goes, its messages go with it, and a
// moderator in it is told why.
func TestThirdMemberOverATargetOfTwo(t *testing.T) {
	w := servicetest.New(t, "ann", "u1", "u2", "u3")
	w.AddChannel("ann", "c", servicetest.Elastic(2, 2, 40))
	w.Log()
	for _, u := range []string{"u1", "u2", "u3"} {
		if _, outcome := join(w, "ann", u, nil); outcome != "ok" {
			t.Fatal(u, outcome)
		}
	}
	expect(t, "three join", w.Events(), []string{
		"CREATE_CHANNEL_MEMBERSHIP to members: U1 @s1 +u1",
		"CREATE_CHANNEL_MEMBERSHIP to members: U2 @s1 +u2",
		"UPDATE_CHANNEL_MEMBERSHIP to u2: U2 @s2 +u2",
		"CREATE_CHANNEL_MEMBERSHIP to members: U3 @s1 +u3",
	})
	expect(t, "divided", w.SubChannels("ann", "c"), []string{"s1:2", "s2:1"})

	if _, outcome := join(w, "ann", "ann", w.SubID("s2")); outcome != "ok" {
		t.Fatal(outcome)
	}
	w.Send(inSub(w, "u2", "s2", "gone with s2"))
	w.Send(inSub(w, "u1", "s1", "kept"))
	w.Events()
	if got := leave(w, "u2", "u2", nil); got != "ok" {
		t.Fatal(got)
	}
	expect(t, "u2 leaves", w.Events(), []string{
		"DELETE_CHANNEL_MEMBERSHIP to members: U2 @s2 -u2",
		"DELETE_CHANNEL_MEMBERSHIP to ann: ANN @s2 -ann because subchannel_DELETED",
	})
	expect(t, "one again", w.SubChannels("ann", "c"), []string{"s1:2"})
	expect(t, "the moderator", places(t, w, "ann"), nil)
	expect(t, "messages", stored(t, w), []string{"kept"})
}

// stored are the messages that the store has.
func stored(t testing.TB, w *servicetest.World) (contents []string) {
	err := w.Store.View(ctx, w.AppID(), func(r store.Reader) error {
		return store.Messages.Each(r, store.Range{}, func(_ store.Key, m chime.Message) (bool, error) {
			contents = append(contents, m.Content)
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return contents
}

// TestDivisionOfThree: two of three move, as the new sub-channel needs two, and it is then the
// fullest with room. The one that stays is too few, and joins the others when one of them goes.
func TestDivisionOfThree(t *testing.T) {
	w := servicetest.New(t, "ann", "u1", "u2", "u3", "u4")
	w.AddChannel("ann", "c", servicetest.Elastic(2, 3, 40))
	for _, u := range []string{"u1", "u2", "u3", "u4"} {
		if _, outcome := join(w, "ann", u, nil); outcome != "ok" {
			t.Fatal(u, outcome)
		}
	}
	w.Log()
	expect(t, "divided", w.SubChannels("ann", "c"), []string{"s1:1", "s2:3"})
	expect(t, "s1", membersIn(w, "ann", w.SubID("s1")), []string{"U1"})
	if got := leave(w, "u4", "u4", nil); got != "ok" {
		t.Fatal(got)
	}
	expect(t, "events", w.Events(), []string{
		"DELETE_CHANNEL_MEMBERSHIP to members: U4 @s2 -u4", "UPDATE_CHANNEL_MEMBERSHIP to u1: U1 @s2 +u1"})
	expect(t, "one again", w.SubChannels("ann", "c"), []string{"s2:3"})
}

// TestSmallTargets fills elastic channels one by one and empties them again, with every small
// target and every minimum.
func TestSmallTargets(t *testing.T) {
	const most = 3 // sub-channels
	for target := 2; target <= 5; target++ {
		users := make([]string, most*target)
		for i := range users {
			users[i] = fmt.Sprint("u", i)
		}
		for percent := 1; percent <= 40; percent++ {
			w := servicetest.New(t, append(users, "ann")...)
			w.AddChannel("ann", "c", servicetest.Elastic(most, target, percent))
			subs := 1
			for i, u := range users {
				if _, outcome := join(w, "ann", u, nil); outcome != "ok" {
					t.Fatalf("target %d, %d %%: %s joins: %s", target, percent, u, outcome)
				}
				now := counts(t, w, target, percent)
				if len(now) > subs && now[subs] < (target*percent+99)/100 || len(now) != i/target+1 {
					t.Errorf("target %d, %d %%: after %d joined: %v", target, percent, i+1, now)
				}
				subs = len(now)
			}
			if percent%2 == 0 {
				slices.Reverse(users) // who comes first does not always leave first
			}
			for _, u := range users {
				if got := leave(w, "ann", u, nil); got != "ok" {
					t.Fatalf("target %d, %d %%: %s leaves: %s", target, percent, u, got)
				}
				counts(t, w, target, percent)
			}
		}
	}
}

// counts are the numbers of members of the sub-channels, oldest first, which are in balance.
func counts(t testing.TB, w *servicetest.World, target, percent int) (members []int) {
	t.Helper()
	resp, err := w.Channels.ListSubChannels(ctx, &messaging.ListSubChannelsRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")})
	if err != nil {
		t.Fatal(err)
	}
	if wrong := unbalanced(resp.SubChannels, target, percent); wrong != "" {
		t.Errorf("target %d, %d %%: %s", target, percent, wrong)
	}
	for _, sub := range resp.SubChannels {
		members = append(members, sub.MembershipCount)
	}
	return members
}

// TestFormerElasticChannel: a data folder has the numbers of members in the records of the sub-channels,
// and members are found in a range, when it was written before either was kept apart. Both are answered,
// and balancing goes on, in however many transactions the numbers are moved.
func TestFormerElasticChannel(t *testing.T) {
	for _, piece := range []int{1, 2, channel.DefaultPiece} {
		t.Run(fmt.Sprint(piece), func(t *testing.T) { formerElasticChannel(t, piece) })
	}
}

func formerElasticChannel(t *testing.T, piece int) {
	w := crowd(t, 9) // s1: 4, s2: 3, s3: 2
	w.Channels = channel.New(channel.Options{Store: w.Store, Site: w.Site, Now: w.Clock, Random: w.Random, Jobs: w.Jobs, Piece: piece})
	expect(t, "before", w.SubChannels("ann", "c"), []string{"s1:4", "s2:3", "s3:2"})
	makeFormer(t, w)
	expect(t, "as it was written", w.SubChannels("ann", "c"), []string{"s1:4", "s2:3", "s3:2"})
	if _, outcome := join(w, "ann", "u6", nil); outcome != "ok" { // as it is
		t.Fatal(outcome)
	}
	expect(t, "a member again", places(t, w, "u6"), []string{"s3"})

	w.AddUser("new")
	if _, outcome := join(w, "ann", "new", nil); outcome != "ok" {
		t.Fatal(outcome)
	}
	expect(t, "the fullest with room", w.SubChannels("ann", "c"), []string{"s1:4", "s2:4", "s3:2"})
	if got := leave(w, "ann", "u6", nil); got != "ok" { // of s3
		t.Fatal(got)
	}
	if got := leave(w, "ann", "u1", nil); got != "ok" {
		t.Fatal(got)
	}
	expect(t, "merged", w.SubChannels("ann", "c"), []string{"s1:4", "s2:4"})
}

// makeFormer writes the channel with nine members as it was before occupancy was kept apart.
func makeFormer(t *testing.T, w *servicetest.World) {
	t.Helper()
	err := w.Store.Update(ctx, w.AppID(), func(tx store.Tx) error {
		members := []int{4, 3, 2}
		app := store.K(w.AppID())
		var keys []store.Key
		var subs []chime.SubChannel
		err := store.SubChannels.Each(tx, store.Prefix(app), func(key store.Key, sub chime.SubChannel) (bool, error) {
			keys, subs = append(keys, slices.Clone(key)), append(subs, sub)
			return true, nil
		})
		for i := 0; i < len(subs) && err == nil; i++ {
			subs[i].Members, subs[i].Number = members[subs[i].Number-1], 0
			err = store.SubChannels.Put(tx, keys[i], subs[i])
		}
		for _, table := range []store.TableID{store.Counts.ID, store.SubChannelNumbers.ID, store.Occupancies.ID, store.MemberSubChannels.ID} {
			if err == nil {
				err = tx.DeleteRange(table, store.Prefix(app))
			}
		}
		if err != nil {
			return err
		}
		c, _, err := store.Channels.Get(tx, app.Str("c"))
		if err != nil {
			return err
		}
		c.Elastic.Indexed, c.Elastic.Adopted = false, false
		return store.Channels.Put(tx, app.Str("c"), c)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFormerElasticChannelOfADeletedUser: a user whose deletion is the first change of the channel leaves it.
func TestFormerElasticChannelOfADeletedUser(t *testing.T) {
	w := crowd(t, 9)
	makeFormer(t, w)
	w.Channels = channel.New(channel.Options{Store: w.Store, Site: w.Site, Now: w.Clock, Random: w.Random, Jobs: w.Jobs, Piece: 1})
	if err := w.Channels.RemoveUser(ctx, w.AppID(), chime.UserRef("u1"), 1<<62); err != nil { // of s1
		t.Fatal(err)
	}
	expect(t, "afterwards", w.SubChannels("ann", "c"), []string{"s1:3", "s2:3", "s3:2"})
}

// TestInterruptedRebalancing: a division and a merger that the end of the process cuts short are finished
// by the next, and the call that is repeated answers as usual.
func TestInterruptedRebalancing(t *testing.T) {
	for _, tc := range []struct {
		name    string
		members int
		call    func(*servicetest.World) string
		want    []string
	}{
		{"division", 8, func(w *servicetest.World) string { _, got := join(w, "ann", "u9", nil); return got }, []string{"s1:5", "s2:4"}},
		{"merger", 9, func(w *servicetest.World) string { return leave(w, "ann", "u8", nil) }, []string{"s1:8"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for after := 1; cutShort(t, after, tc.members, tc.call, tc.want); after++ {
			}
		})
	}
}

// cutShort makes a call of which all but the first transactions fail, as many as that, in an elastic
// channel of two sub-channels of up to eight members, four at least. It returns false when none failed.
func cutShort(t *testing.T, after, members int, call func(*servicetest.World) string, want []string) bool {
	t.Helper()
	st := memstore.New()
	defer st.Close()
	cutting := false
	w := servicetest.Over(t, faulty.New(st, func(c faulty.Call) error {
		if !cutting || c.Op != faulty.Update {
			return nil
		}
		if after == 0 {
			return errors.New("the process has ended")
		}
		after--
		return nil
	}), "ann", "u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9")
	w.Channels = channel.New(channel.Options{Store: w.Store, Site: w.Site, Now: w.Clock, Random: w.Random, Jobs: w.Jobs, Piece: 1})
	w.AddChannel("ann", "c", servicetest.Elastic(2, 8, 40))
	for i := range members {
		w.AddMember("ann", "c", fmt.Sprint("u", i+1), dflt)
	}

	cutting = true
	outcome := call(w)
	cutting = false
	if outcome != "ok" {
		if err := w.Jobs.TryAll(ctx); err != nil {
			t.Fatal(err)
		}
		counts(t, w, 8, 40)
		if got := call(w); got != "ok" {
			t.Errorf("again: %s", got)
		}
	}
	expect(t, "in the end", w.SubChannels("ann", "c"), want)
	return outcome != "ok"
}
