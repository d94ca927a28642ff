package servicetest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// left lists the keys of every table but the log with its traces, the client request tokens, which go by
// themselves, the names of the deleted, which stay, and the marks of what is to be erased; or of some tables.
func left(t *testing.T, st store.Store, tables ...store.TableID) (keys []string) {
	t.Helper()
	err := st.View(t.Context(), "", func(r store.Reader) error {
		for table := store.AppInstances.ID; table <= store.Expirations.ID; table++ {
			if table == store.Replies.ID || table == store.FormerNames.ID || table == store.Removals.ID || table == store.TableTraces {
				continue
			}
			if len(tables) > 0 && !slices.Contains(tables, table) {
				continue
			}
			err := r.Scan(table, store.Range{}, func(key store.Key, _ []byte) (bool, error) {
				columns, err := key.Columns()
				keys = append(keys, fmt.Sprint(table, " ", columns))
				return true, err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// crowd gives a user or bot everything that it can have, as owner, and things of its own.
func crowd(t *testing.T, w *servicetest.World, arn, id string) {
	t.Helper()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(id, ": ", err)
		}
	}
	ctx, owner := t.Context(), w.User("owner")
	_, err := w.Identity.CreateAppInstanceAdmin(ctx, &identity.CreateAppInstanceAdminRequest{AppInstanceARN: w.App, AppInstanceAdminARN: arn})
	do(err)
	_, err = w.Identity.TagResource(ctx, &identity.TagResourceRequest{ResourceARN: arn, Tags: []identity.Tag{{Key: "k", Value: "v"}}})
	do(err)
	for _, channel := range []string{"plain", "moderated", "elastic"} {
		_, err = w.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{
			ChannelARN: w.Channel(channel), MemberARN: arn, Type: messaging.ChannelMembershipTypeDefault, ChimeBearer: owner,
		})
		do(err)
	}
	for _, channel := range []string{"moderated", "run"} {
		_, err = w.Channels.CreateChannelModerator(ctx, &messaging.CreateChannelModeratorRequest{
			ChannelARN: w.Channel(channel), ChannelModeratorARN: arn, ChimeBearer: owner,
		})
		do(err)
	}
	w.Events()
	_, err = w.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{
		ChannelARN: w.Channel("run"), MemberARN: arn, Type: messaging.ChannelMembershipTypeDefault, ChimeBearer: owner,
		SubChannelID: subOf(t, w, "run"),
	})
	do(err)
	_, err = w.Channels.UpdateChannelReadMarker(ctx, &messaging.UpdateChannelReadMarkerRequest{ChannelARN: w.Channel("plain"), ChimeBearer: arn})
	do(err)
	_, err = w.Identity.DeleteAppInstanceAdmin(ctx, &identity.DeleteAppInstanceAdminRequest{AppInstanceARN: w.App, AppInstanceAdminARN: arn})
	do(err)
	_, err = w.Channels.CreateChannelBan(ctx, &messaging.CreateChannelBanRequest{ChannelARN: w.Channel("shut"), MemberARN: arn, ChimeBearer: owner})
	do(err)
	_, err = w.Identity.CreateAppInstanceAdmin(ctx, &identity.CreateAppInstanceAdminRequest{AppInstanceARN: w.App, AppInstanceAdminARN: arn})
	do(err)
}

func subOf(t *testing.T, w *servicetest.World, channel string) *string {
	t.Helper()
	resp, err := w.Channels.ListSubChannels(t.Context(), &messaging.ListSubChannelsRequest{ChannelARN: w.Channel(channel), ChimeBearer: w.User("owner")})
	if err != nil {
		t.Fatal(err)
	}
	return &resp.SubChannels[0].SubChannelID
}

func scene(t *testing.T) *servicetest.World {
	w := servicetest.New(t, "owner")
	for _, id := range []string{"plain", "moderated", "shut"} {
		w.AddChannel("owner", id)
	}
	w.Send(w.Text("owner", "plain", "begun")) // or the first read marker begins the activity
	w.AddChannel("owner", "elastic", servicetest.Elastic(3, 2, 40))
	w.AddChannel("owner", "run", servicetest.Elastic(3, 2, 40))
	return w
}

func newBot(t *testing.T, w *servicetest.World) string {
	t.Helper()
	locale := "en_US"
	resp, err := w.Identity.CreateAppInstanceBot(t.Context(), &identity.CreateAppInstanceBotRequest{
		AppInstanceARN: w.App, ClientRequestToken: w.Token(), Configuration: &identity.Configuration{Lex: &identity.LexConfiguration{
			LexBotAliasARN: "arn:aws:lex:us-east-1:000000000000:bot-alias/AAAAAAAAAA/BBBBBBBBBB", LocaleID: &locale,
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return resp.AppInstanceBotARN
}

func TestNothingIsLeftOfWhatWasDeleted(t *testing.T) {
	for name, remove := range map[string]func(*testing.T, *servicetest.World) error{
		"a user": func(t *testing.T, w *servicetest.World) error {
			w.AddUser("guest")
			crowd(t, w, w.User("guest"), "guest")
			_, err := w.Identity.RegisterAppInstanceUserEndpoint(t.Context(), &identity.RegisterAppInstanceUserEndpointRequest{
				AppInstanceUserARN: w.User("guest"), Type: identity.AppInstanceUserEndpointTypeApns, ClientRequestToken: w.Token(),
				ResourceARN:        "arn:aws:mobiletargeting:us-east-1:000000000000:apps/a",
				EndpointAttributes: &identity.EndpointAttributes{DeviceToken: "d"},
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Identity.DeleteAppInstanceUser(t.Context(), &identity.DeleteAppInstanceUserRequest{AppInstanceUserARN: w.User("guest")})
			return err
		},
		"a bot": func(t *testing.T, w *servicetest.World) error {
			bot := newBot(t, w)
			crowd(t, w, bot, "bot")
			_, err := w.Identity.DeleteAppInstanceBot(t.Context(), &identity.DeleteAppInstanceBotRequest{AppInstanceBotARN: bot})
			return err
		},
		"channels": func(t *testing.T, w *servicetest.World) error {
			flow := newFlow(t, w)
			for _, change := range []func(*messaging.CreateChannelRequest){
				func(*messaging.CreateChannelRequest) {}, servicetest.Elastic(3, 2, 40),
			} {
				w.AddUser("guest")
				w.AddUser("outcast")
				w.AddChannel("owner", "new", change, func(r *messaging.CreateChannelRequest) { r.Tags = []messaging.Tag{{Key: "k", Value: "v"}} })
				w.AddMember("owner", "new", "guest", messaging.ChannelMembershipTypeDefault)
				w.MakeModerator("owner", "new", "guest")
				w.Ban("owner", "new", "outcast")
				_, err := w.Flows.AssociateChannelFlow(t.Context(), &messaging.AssociateChannelFlowRequest{ChannelARN: w.Channel("new"), ChannelFlowARN: flow, ChimeBearer: w.User("owner")})
				if err != nil {
					t.Fatal(err)
				}
				_, err = w.Channels.DeleteChannel(t.Context(), &messaging.DeleteChannelRequest{ChannelARN: w.Channel("new"), ChimeBearer: w.User("owner")})
				if err != nil {
					t.Fatal(err)
				}
				for _, id := range []string{"guest", "outcast"} {
					_, err := w.Identity.DeleteAppInstanceUser(t.Context(), &identity.DeleteAppInstanceUserRequest{AppInstanceUserARN: w.User(id)})
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			_, err := w.Flows.DeleteChannelFlow(t.Context(), &messaging.DeleteChannelFlowRequest{ChannelFlowARN: flow})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := scene(t)
			before := left(t, w.Store)
			if err := remove(t, w); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, left(t, w.Store)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func newFlow(t *testing.T, w *servicetest.World) string {
	t.Helper()
	resp, err := w.Flows.CreateChannelFlow(t.Context(), &messaging.CreateChannelFlowRequest{
		AppInstanceARN: w.App, Name: "f", ClientRequestToken: w.Token(), Tags: []messaging.Tag{{Key: "k", Value: "v"}},
		Processors: []messaging.Processor{{Name: "p", ExecutionOrder: 1, FallbackAction: messaging.FallbackActionContinue,
			Configuration: &messaging.ProcessorConfiguration{Lambda: &messaging.LambdaConfiguration{
				ResourceARN: "arn:aws:lambda:us-east-1:000000000000:function:f", InvocationType: messaging.InvocationTypeAsync,
			}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return resp.ChannelFlowARN
}

func TestNothingIsLeftOfADeletedAppInstance(t *testing.T) {
	w := scene(t)
	bot := newBot(t, w)
	crowd(t, w, bot, "bot")
	newFlow(t, w)
	w.Send(w.Text("owner", "plain", "hello"))
	if _, err := w.Identity.DeleteAppInstance(t.Context(), &identity.DeleteAppInstanceRequest{AppInstanceARN: w.App}); err != nil {
		t.Fatal(err)
	}
	if keys := left(t, w.Store); len(keys) > 0 {
		t.Error(keys)
	}
}

// A channel with many members goes in several commits. One that fails leaves the rest to a task,
// and what is done meanwhile to those who were members keeps their numbers right.
func TestALargeChannelGoesInSteps(t *testing.T) {
	var failing bool
	updates := 0
	st := faulty.New(memstore.New(), func(c faulty.Call) error {
		if c.Op == faulty.Update {
			if updates++; failing && updates == 3 {
				return store.ErrUnavailable
			}
		}
		return nil
	})
	t.Cleanup(func() { st.Close() })
	w := servicetest.Over(t, st, "owner")
	var guests []string
	for i := range 1600 {
		guests = append(guests, fmt.Sprint("guest", i))
		w.AddUser(guests[i])
	}
	w.AddChannel(guests[1500], "other")
	fill := func() {
		w.AddChannel("owner", "large")
		for i := 0; i < len(guests); i += 100 {
			_, err := w.Channels.BatchCreateChannelMembership(t.Context(), &messaging.BatchCreateChannelMembershipRequest{
				ChannelARN: w.Channel("large"), ChimeBearer: w.User("owner"), MemberARNs: w.Users(guests[i : i+100]...),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func() error {
		_, err := w.Channels.DeleteChannel(t.Context(), &messaging.DeleteChannelRequest{ChannelARN: w.Channel("large"), ChimeBearer: w.User("owner")})
		return err
	}
	before := left(t, st)
	fill()
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, left(t, st)); diff != "" {
		t.Error(diff)
	}

	fill()
	failing, updates = true, 0
	if err := remove(); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	failing = false
	if cmp.Equal(before, left(t, st)) {
		t.Fatal("nothing was left to do")
	}
	gone := guests[999] // the last in the order of ids, so still on the lists
	if _, err := w.Identity.DeleteAppInstanceUser(t.Context(), &identity.DeleteAppInstanceUserRequest{AppInstanceUserARN: w.User(gone)}); err != nil {
		t.Fatal(err)
	}
	for _, user := range append(guests[990:999:999], guests[1500]) { // the latter alone is a member of something
		resp, err := w.Channels.ListChannelMembershipsForAppInstanceUser(t.Context(), &messaging.ListChannelMembershipsForAppInstanceUserRequest{ChimeBearer: w.User(user)})
		if err != nil || (len(resp.ChannelMemberships) == 1) != (user == guests[1500]) {
			t.Errorf("%s is a member of %v, %v", user, resp.ChannelMemberships, err)
		}
	}
	if err := remove(); servicetest.Outcome(err) != "Forbidden" {
		t.Errorf("deleting it again: %v", err)
	}
	w.AddUser(gone)
	w.AddMember(guests[1500], "other", gone, messaging.ChannelMembershipTypeDefault)
	for range 2 {
		if err := w.Jobs.TryAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.ContainsFunc(left(t, st), func(key string) bool { return strings.HasSuffix(key, " user/"+gone+" memberships]") }) {
		t.Error("the user who came again has a membership that is not counted")
	}
	_, err := w.Channels.DeleteChannelMembership(t.Context(), &messaging.DeleteChannelMembershipRequest{ChannelARN: w.Channel("other"), MemberARN: w.User(gone), ChimeBearer: w.User(gone)})
	if err != nil {
		t.Fatal(err)
	}
	same := func(keys []string) []string { // the user who came again has another place in the list of users
		return slices.DeleteFunc(keys, func(key string) bool { return strings.HasPrefix(key, fmt.Sprint(store.UsersInOrder.ID, " ")) })
	}
	if diff := cmp.Diff(same(before), same(left(t, st))); diff != "" {
		t.Error(diff)
	}
}
