package servicetest_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/retention"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// mostSteps is what a transaction may read and write: less than ten milliseconds of the engine.
const mostSteps = 4000

// TestNoTransactionIsLong makes the calls that change the most, with the largest input or one that takes
// several transactions: however much there is to do, each transaction is short.
func TestNoTransactionIsLong(t *testing.T) {
	st := memstore.New()
	defer st.Close()
	meter := &servicetest.Meter{Store: st}
	w := &heavy{World: servicetest.Over(t, meter, "owner", "adm"), t: t, meter: meter}
	w.MakeAdmin("adm")
	w.addUsers(1100)

	t.Run("standard channels", w.standardChannels)
	t.Run("ten thousand moderators", w.manyModerators)
	t.Run("elastic channels", w.elasticChannels)
	t.Run("a former elastic channel", w.formerElasticChannel)
	t.Run("users", w.users)
	t.Run("retention", w.retention)
	t.Run("expiry", w.expiry)
	t.Run("app instances", w.appInstances)
}

// heavy is a world with users u0, u1 and so on.
type heavy struct {
	*servicetest.World
	t     *testing.T
	meter *servicetest.Meter
}

func (w *heavy) addUsers(n int) {
	err := w.Store.Update(w.t.Context(), w.AppID(), func(tx store.Tx) error {
		for i := range n {
			id := fmt.Sprint("u", i)
			if err := store.Users.Put(tx, store.K(w.AppID(), id), chime.User{ID: id, Name: id}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// do makes a call and looks at the longest of its transactions.
func (w *heavy) do(t *testing.T, what string, call func(context.Context) error) {
	t.Helper()
	w.meter.Most()
	if err := call(t.Context()); err != nil {
		t.Fatal(what, ": ", err)
	}
	steps := w.meter.Most()
	if steps > mostSteps {
		t.Errorf("%s: a transaction has %d steps", what, steps)
	}
	t.Logf("%6d steps: %s", steps, what)
}

// batch makes members of a hundred users, from u followed by the number first.
func (w *heavy) batch(channel string, first int, kind messaging.ChannelMembershipType) func(context.Context) error {
	return func(ctx context.Context) error {
		var ids []string
		for i := range 100 {
			ids = append(ids, fmt.Sprint("u", first+i))
		}
		resp, err := w.API.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
			ChannelARN: w.Channel(channel), MemberARNs: w.Users(ids...), Type: kind, ChimeBearer: w.User("owner")})
		if err == nil && len(resp.Errors) > 0 {
			err = fmt.Errorf("refused: %v", resp.Errors)
		}
		return err
	}
}

func (w *heavy) fill(channel string, from, to int) {
	w.t.Helper()
	for first := from; first < to; first += 100 {
		if err := w.batch(channel, first, messaging.ChannelMembershipTypeDefault)(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *heavy) deleteChannel(id string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := w.API.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel(id), ChimeBearer: w.User("owner")})
		return err
	}
}

func (w *heavy) standardChannels(t *testing.T) {
	var ids []string
	for i := range 10 {
		ids = append(ids, fmt.Sprint("u", i))
	}
	w.do(t, "CreateChannel with ten members and moderators", func(context.Context) error {
		w.AddChannel("owner", "c", func(r *messaging.CreateChannelRequest) {
			r.MemberARNs, r.ModeratorARNs = w.Users(ids...), w.Users(ids...)
		})
		return nil
	})
	for i := 10; i < 300; i++ {
		w.MakeModerator("owner", "c", fmt.Sprint("u", i))
	}
	for i := 900; i < 1100; i++ {
		w.Ban("owner", "c", fmt.Sprint("u", i))
	}
	w.do(t, "BatchCreateChannelMembership", w.batch("c", 10, messaging.ChannelMembershipTypeDefault))
	w.do(t, "BatchCreateChannelMembership of hidden members", w.batch("c", 800, messaging.ChannelMembershipTypeHidden))
	w.fill("c", 110, 710)
	w.do(t, "SendChannelMessage", func(context.Context) error { w.Send(w.Text("owner", "c", "hello")); return nil })
	w.do(t, "DeleteChannel", w.deleteChannel("c"))
}

// manyModerators is about hidden members, whose events name all members that manage the channel.
func (w *heavy) manyModerators(t *testing.T) {
	w.AddChannel("owner", "m")
	uid := w.channelUID(t, "m")
	for first := 0; first < 10_000; first += 1000 {
		err := w.Store.Update(t.Context(), w.AppID(), func(tx store.Tx) error {
			for i := first; i < first+1000; i++ {
				ref := chime.UserRef(fmt.Sprint("many", i))
				if err := store.Moderators.Put(tx, store.K(w.AppID(), uid, string(ref)), chime.Moderator{Ref: ref}); err != nil {
					return err
				}
				if err := store.Memberships.Put(tx, store.MembershipKey(w.AppID(), uid, ref, ""), chime.Membership{Ref: ref, Type: messaging.ChannelMembershipTypeDefault}); err != nil {
					return err
				}
			}
			_, err := store.AddCount(tx, store.K(w.AppID(), uid, "moderators"), 1000)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	hidden := messaging.ChannelMembershipTypeHidden
	w.do(t, "CreateChannelMembership of a hidden member", func(context.Context) error { w.AddMember("owner", "m", "u500", hidden); return nil })
	w.do(t, "BatchCreateChannelMembership of hidden members", w.batch("m", 501, hidden))
	w.do(t, "DeleteChannelMembership of a hidden member", func(context.Context) error { w.leave(t, "m", "u501"); return nil })
	w.do(t, "CreateChannelBan of a hidden member", func(context.Context) error { w.Ban("owner", "m", "u502"); return nil })
	w.do(t, "DeleteAppInstanceUser of a hidden member", func(ctx context.Context) error {
		_, err := w.Identity.DeleteAppInstanceUser(ctx, &identityapi.DeleteAppInstanceUserRequest{AppInstanceUserARN: w.User("u503")})
		return err
	})
	w.addUsers(1100) // also u503, which was deleted
	w.do(t, "DeleteChannel", w.deleteChannel("m"))
}

func (w *heavy) channelUID(t *testing.T, id string) (uid string) {
	t.Helper()
	err := w.Store.View(t.Context(), w.AppID(), func(r store.Reader) error {
		c, _, err := store.Channels.Get(r, store.K(w.AppID(), id))
		uid = c.UID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

// formerElasticChannel has the numbers of members in the records of its sub-channels.
func (w *heavy) formerElasticChannel(t *testing.T) {
	w.AddChannel("owner", "former", servicetest.Elastic(1000, 2, 40))
	err := w.Store.Update(t.Context(), w.AppID(), func(tx store.Tx) error {
		key := store.K(w.AppID(), "former")
		c, _, err := store.Channels.Get(tx, key)
		if err != nil {
			return err
		}
		of := store.K(w.AppID(), c.UID)
		for _, table := range []store.TableID{store.SubChannels.ID, store.SubChannelsInOrder.ID, store.SubChannelNumbers.ID, store.Occupancies.ID, store.Counts.ID} {
			if err := tx.DeleteRange(table, store.Prefix(of)); err != nil {
				return err
			}
		}
		for i := range uint64(1000) {
			sub := chime.SubChannel{ID: fmt.Sprint("sub", i), Order: i + 1, Members: 2}
			if err := store.SubChannels.Put(tx, append(store.Key(nil), of...).Str(sub.ID), sub); err != nil {
				return err
			}
		}
		c.Elastic.Adopted = false
		return store.Channels.Put(tx, key, c)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.do(t, "UpdateChannel of one with a thousand sub-channels", func(ctx context.Context) error {
		name := "adopted"
		_, err := w.API.UpdateChannel(ctx, &messaging.UpdateChannelRequest{ChannelARN: w.Channel("former"), Name: &name, ChimeBearer: w.User("owner")})
		return err
	})
	w.do(t, "DeleteChannel", w.deleteChannel("former"))
}

func (w *heavy) elasticChannels(t *testing.T) {
	w.AddChannel("owner", "e", servicetest.Elastic(2, 900, 40))
	w.fill("e", 0, 900)
	w.do(t, "a batch that divides a sub-channel of 900", w.batch("e", 900, messaging.ChannelMembershipTypeDefault))
	s1, s2 := w.subs(t, "e")
	for i := range 150 { // a moderator chooses its sub-channels, and is not counted there
		who := fmt.Sprint("m", i)
		w.AddUser(who)
		w.MakeModerator("owner", "e", who)
		w.enter(t, "e", who, s2)
	}

	// The first has 640 members by now, the second 360, the fewest that it may have while there is room.
	for i := range 99 {
		w.leave(t, "e", fmt.Sprint("u", i))
	}
	w.do(t, "a member that leaves and causes a merger", func(context.Context) error { w.leave(t, "e", "u899"); return nil })
	if left, gone := w.subs(t, "e"); left != s1 || gone != "" {
		t.Error("the second is not merged into the first")
	}
	w.do(t, "DeleteChannel of an elastic channel", w.deleteChannel("e"))

	w.AddChannel("owner", "small", servicetest.Elastic(1000, 2, 40))
	w.do(t, "a batch that divides a channel fifty times", w.batch("small", 0, messaging.ChannelMembershipTypeDefault))

	w.fill("small", 100, 600)
	w.MakeModerator("owner", "small", "u1000")
	resp, err := w.API.ListSubChannels(t.Context(), &messaging.ListSubChannelsRequest{ChannelARN: w.Channel("small"), ChimeBearer: w.User("owner")})
	for err == nil {
		for _, sub := range resp.SubChannels {
			w.enter(t, "small", "u1000", sub.SubChannelID)
		}
		if resp.NextToken == "" {
			break
		}
		resp, err = w.API.ListSubChannels(t.Context(), &messaging.ListSubChannelsRequest{ChannelARN: w.Channel("small"), NextToken: &resp.NextToken, ChimeBearer: w.User("owner")})
	}
	if err != nil {
		t.Fatal(err)
	}
	w.do(t, "DeleteChannelModerator of one in three hundred sub-channels", func(ctx context.Context) error {
		_, err := w.API.DeleteChannelModerator(ctx, &messaging.DeleteChannelModeratorRequest{
			ChannelARN: w.Channel("small"), ChannelModeratorARN: w.User("u1000"), ChimeBearer: w.User("owner")})
		return err
	})
}

// subs are the first two sub-channels of a channel.
func (w *heavy) subs(t *testing.T, channel string) (first, second string) {
	t.Helper()
	resp, err := w.API.ListSubChannels(t.Context(), &messaging.ListSubChannelsRequest{ChannelARN: w.Channel(channel), ChimeBearer: w.User("owner")})
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.SubChannels) > 1 {
		second = resp.SubChannels[1].SubChannelID
	}
	return resp.SubChannels[0].SubChannelID, second
}

func (w *heavy) enter(t *testing.T, channel, who, sub string) {
	t.Helper()
	_, err := w.API.CreateChannelMembership(t.Context(), &messaging.CreateChannelMembershipRequest{
		ChannelARN: w.Channel(channel), MemberARN: w.User(who), Type: messaging.ChannelMembershipTypeDefault, SubChannelID: &sub, ChimeBearer: w.User("owner")})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *heavy) leave(t *testing.T, channel, who string) {
	t.Helper()
	_, err := w.API.DeleteChannelMembership(t.Context(), &messaging.DeleteChannelMembershipRequest{
		ChannelARN: w.Channel(channel), MemberARN: w.User(who), ChimeBearer: w.User("owner")})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *heavy) users(t *testing.T) {
	dflt, hidden := messaging.ChannelMembershipTypeDefault, messaging.ChannelMembershipTypeHidden
	for i := range 250 {
		id := fmt.Sprint("u1-", i)
		w.AddChannel("owner", id)
		switch {
		case i < 10:
			w.AddMember("owner", id, "u1", hidden)
		case i < 200:
			w.AddMember("owner", id, "u1", dflt)
		default:
			w.Ban("owner", id, "u1")
		}
		if i >= 10 && i < 200 {
			w.MakeModerator("owner", id, "u1")
		}
	}
	for i := range 100 {
		_, err := w.Identity.RegisterAppInstanceUserEndpoint(t.Context(), &identityapi.RegisterAppInstanceUserEndpointRequest{
			AppInstanceUserARN: w.User("u1"), Type: identityapi.AppInstanceUserEndpointTypeApns, ClientRequestToken: w.Token(),
			ResourceARN:        "arn:aws:mobiletargeting:us-east-1:000000000000:apps/a",
			EndpointAttributes: &identityapi.EndpointAttributes{DeviceToken: fmt.Sprint("device ", i)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.do(t, "DeleteAppInstanceUser", func(ctx context.Context) error {
		_, err := w.Identity.DeleteAppInstanceUser(ctx, &identityapi.DeleteAppInstanceUserRequest{AppInstanceUserARN: w.User("u1")})
		return err
	})
}

// eraser is an engine that leaves nothing on disk.
type eraser struct{}

func (eraser) Erase(context.Context, store.TableID, ...store.Range) error { return nil }

func (w *heavy) retention(t *testing.T) {
	const age = 10_000_000 // ms of store time
	err := w.Store.Update(t.Context(), "", func(tx store.Tx) error { return store.Counts.Put(tx, store.K("", "store time"), age) })
	if err != nil {
		t.Fatal(err)
	}
	clock, err := store.OpenClock(t.Context(), w.Store)
	if err != nil {
		t.Fatal(err)
	}
	err = w.Store.Update(t.Context(), w.AppID(), func(tx store.Tx) error {
		for i := range uint64(3000) { // of minutes in which a follower held the log, and of deleted channels
			if err := store.LogMarks.Put(tx, store.K(w.AppID()).Num(i), 100); err != nil {
				return err
			}
			if err := store.MarkRemoved(tx, w.AppID(), fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	cleaner := retention.New(retention.Options{Store: w.Store, Clock: clock, Eraser: eraser{}, Log: slog.New(slog.DiscardHandler)})
	w.do(t, "a pass of retention", cleaner.Clean)
}

// expiry removes what is old, all at once: messages, a channel and users.
func (w *heavy) expiry(t *testing.T) {
	w.AddChannel("owner", "old", expires(1, created))
	w.fill("old", 100, 700)
	w.AddChannel("owner", "talk")
	uid := w.channelUID(t, "talk")
	for first := 0; first < 6000; first += 1000 {
		err := w.Store.Update(t.Context(), w.AppID(), func(tx store.Tx) error {
			for i := first; i < first+1000; i++ {
				id := chime.MessageIDFrom(chime.At(w.Now), uint64(i))
				if err := store.Messages.Put(tx, store.K(w.AppID(), uid, id), chime.Message{ID: id, Created: chime.At(w.Now)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		createUser(t, w.World, fmt.Sprint("temp", i), 1)
		w.AddMember("owner", "talk", fmt.Sprint("temp", i), messaging.ChannelMembershipTypeDefault)
	}

	w.Retain(1)
	w.Now = w.Now.Add(40 * aDay)
	w.do(t, "a pass of expiry", expiry(t, w.World).Pass)
	if exists(t, w.World, "old") || len(left(t, w.Store, store.Messages.ID)) > 0 || userExists(t, w.World, "temp299") {
		t.Error("something old is left")
	}
	w.Retain(0)
}

func (w *heavy) appInstances(t *testing.T) {
	w.do(t, "DeleteAppInstance", func(ctx context.Context) error {
		_, err := w.Identity.DeleteAppInstance(ctx, &identityapi.DeleteAppInstanceRequest{AppInstanceARN: w.App})
		return err
	})
}
