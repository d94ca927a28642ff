package channel_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

var ctx = context.Background()

const (
	dflt     = messaging.ChannelMembershipTypeDefault
	isHidden = messaging.ChannelMembershipTypeHidden
)

func expect(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestCreateChannel(t *testing.T) {
	w := servicetest.New(t, "ann", "bob", "cy")
	w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) {
		meta := `{"k":1}`
		r.Metadata = &meta
		r.MemberARNs = w.Users("bob", "ann", "bob")
		r.ModeratorARNs = w.Users("cy")
		r.Tags = []messaging.Tag{{Key: "team", Value: "red"}}
		r.ExpirationSettings = &messaging.ExpirationSettings{ExpirationDays: 3, ExpirationCriterion: messaging.ExpirationCriterionCreatedTimestamp}
	})
	expect(t, "events", w.Events(), []string{
		"CREATE_CHANNEL_MEMBERSHIP to ann: ANN +ann",
		"CREATE_CHANNEL_MEMBERSHIP to bob: BOB +bob",
	})
	resp, err := w.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("bob")})
	if err != nil {
		t.Fatal(err)
	}
	c := resp.Channel
	if c.Mode != messaging.ChannelModeUnrestricted || c.Privacy != messaging.ChannelPrivacyPublic || c.Metadata != `{"k":1}` ||
		c.CreatedBy.Name != "ANN" || !c.CreatedTimestamp.Equal(w.Now) || !c.LastUpdatedTimestamp.Equal(w.Now) ||
		c.LastMessageTimestamp != nil || c.ExpirationSettings.ExpirationDays != 3 {
		t.Errorf("the channel is %+v", c)
	}
	expect(t, "members", members(w, "ann", dflt), []string{"ANN", "BOB"})
}

func members(w *servicetest.World, by string, kind messaging.ChannelMembershipType) (names []string) {
	req := &messaging.ListChannelMembershipsRequest{ChannelARN: w.Channel("c"), Type: kind, ChimeBearer: w.User(by)}
	resp, err := w.Channels.ListChannelMemberships(ctx, req)
	if err != nil {
		return []string{servicetest.Outcome(err)}
	}
	for _, m := range resp.ChannelMemberships {
		names = append(names, m.Member.Name)
	}
	return names
}

func TestCreateChannelRefusals(t *testing.T) {
	w := servicetest.New(t, "ann")
	limits := channel.Limits{SubChannelsPerChannel: 1000, MembersPerSubChannel: 10_000}
	w.Channels = channel.New(channel.Options{Store: w.Store, Site: w.Site, Now: w.Clock, Random: w.Random, Limits: limits, Jobs: w.Jobs})
	w.AddChannel("ann", "taken")
	id := func(s string) *string { return &s }
	for name, tc := range map[string]struct {
		change func(*messaging.CreateChannelRequest)
		want   string
	}{
		"id taken":             {func(r *messaging.CreateChannelRequest) { r.ChannelID = id("taken") }, "Conflict"},
		"unknown member":       {func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users("nobody") }, "Forbidden"},
		"unknown moderator":    {func(r *messaging.CreateChannelRequest) { r.ModeratorARNs = w.Users("nobody") }, "Forbidden"},
		"member is a channel":  {func(r *messaging.CreateChannelRequest) { r.MemberARNs = []string{w.Channel("taken")} }, "BadRequest"},
		"app is a channel":     {func(r *messaging.CreateChannelRequest) { r.AppInstanceARN = w.Channel("taken") }, "BadRequest"},
		"another app instance": {func(r *messaging.CreateChannelRequest) { r.AppInstanceARN = w.App + "0" }, "Forbidden"},
		"unknown bearer":       {func(r *messaging.CreateChannelRequest) { r.ChimeBearer = w.User("nobody") }, "UnauthorizedClient"},
		"elastic and UNRESTRICTED": {func(r *messaging.CreateChannelRequest) {
			servicetest.Elastic(2, 2, 1)(r)
			r.Mode = messaging.ChannelModeUnrestricted
		}, "BadRequest"},
		"elastic with members": {func(r *messaging.CreateChannelRequest) {
			servicetest.Elastic(2, 2, 1)(r)
			r.MemberARNs = w.Users("ann")
		}, "BadRequest"},
		"elastic for more than a million":       {servicetest.Elastic(1000, 1001, 1), "BadRequest"},
		"elastic for more than can be counted":  {servicetest.Elastic(math.MaxInt, math.MaxInt, 1), "BadRequest"},
		"elastic of more than 1000":             {servicetest.Elastic(1001, 2, 1), "ResourceLimitExceeded"},
		"elastic with parts of more than 10000": {servicetest.Elastic(2, 10_001, 1), "ResourceLimitExceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			req := &messaging.CreateChannelRequest{AppInstanceARN: w.App, Name: "n", ChimeBearer: w.User("ann"), ClientRequestToken: w.Token()}
			tc.change(req)
			_, err := w.Channels.CreateChannel(ctx, req)
			if got := servicetest.Outcome(err); got != tc.want {
				t.Errorf("%s (%v), want %s", got, err, tc.want)
			}
		})
	}
	resp, err := w.Channels.ListChannels(ctx, &messaging.ListChannelsRequest{AppInstanceARN: w.App, ChimeBearer: w.User("ann")})
	if err != nil || len(resp.Channels) != 1 {
		t.Errorf("after refusals there are %v channels, %v", resp.Channels, err)
	}
}

func TestCreateChannelTwiceWithOneToken(t *testing.T) {
	w := servicetest.New(t, "ann")
	req := messaging.CreateChannelRequest{AppInstanceARN: w.App, Name: "n", ChimeBearer: w.User("ann"), ClientRequestToken: "tok"}
	first, err := w.Channels.CreateChannel(ctx, &req)
	if err != nil {
		t.Fatal(err)
	}
	w.Events()
	again := req
	second, err := w.Channels.CreateChannel(ctx, &again)
	if err != nil || second.ChannelARN != first.ChannelARN {
		t.Errorf("the second call gave %v, %v", second, err)
	}
	expect(t, "events of the second call", w.Events(), nil)
	other := req
	other.Name = "other"
	if _, err := w.Channels.CreateChannel(ctx, &other); servicetest.Outcome(err) != "Conflict" {
		t.Errorf("other parameters: %v", err)
	}
}

func TestUpdateChannelIsPartial(t *testing.T) {
	w := servicetest.New(t, "ann")
	w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) { r.Metadata = ptr("meta") })
	w.Events()
	w.Now = w.Now.Add(time.Second)
	update := func(change func(*messaging.UpdateChannelRequest)) *messaging.Channel {
		t.Helper()
		req := &messaging.UpdateChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")}
		change(req)
		if _, err := w.Channels.UpdateChannel(ctx, req); err != nil {
			t.Fatal(err)
		}
		resp, err := w.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Channel
	}
	if c := update(func(r *messaging.UpdateChannelRequest) {}); c.LastUpdatedTimestamp.Equal(w.Now) {
		t.Error("an empty update changed the channel")
	}
	expect(t, "events of an empty update", w.Events(), nil)
	c := update(func(r *messaging.UpdateChannelRequest) { r.Name = ptr("new") })
	if c.Name != "new" || c.Metadata != "meta" || !c.LastUpdatedTimestamp.Equal(w.Now) {
		t.Errorf("the channel is %+v", c)
	}
	c = update(func(r *messaging.UpdateChannelRequest) {
		r.Metadata, r.Mode = ptr(""), messaging.ChannelModeRestricted
	})
	if c.Name != "new" || c.Metadata != "" || c.Mode != messaging.ChannelModeRestricted {
		t.Errorf("the channel is %+v", c)
	}
	expect(t, "events", w.Events(), []string{"UPDATE_CHANNEL to members: new", "UPDATE_CHANNEL to members: new"})
}

func ptr[T any](v T) *T { return &v }

func TestChannelMadeAgainInheritsNothing(t *testing.T) {
	w := servicetest.New(t, "ann", "bob")
	w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) {
		r.MemberARNs, r.ModeratorARNs = w.Users("bob"), w.Users("bob")
	})
	w.Send(w.Text("ann", "c", "old"))
	if _, err := w.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("bob")}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")})
	if got := servicetest.Outcome(err); got != "Forbidden" {
		t.Errorf("deleting twice: %s", got)
	}
	expect(t, "bob's channels", channelsOf(t, w, "bob"), nil)
	w.AddChannel("ann", "c")
	expect(t, "members", members(w, "ann", dflt), []string{"ANN"})
	expect(t, "bob's channels", channelsOf(t, w, "bob"), nil)
	list, err := w.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")})
	if err != nil || len(list.ChannelMessages) != 0 {
		t.Errorf("messages %v, %v", list, err)
	}
	if _, err := w.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("bob")}); servicetest.Outcome(err) != "Forbidden" {
		t.Errorf("bob still moderates: %v", err)
	}
}

func channelsOf(t *testing.T, w *servicetest.World, user string) (names []string) {
	t.Helper()
	resp, err := w.Channels.ListChannelMembershipsForAppInstanceUser(ctx, &messaging.ListChannelMembershipsForAppInstanceUserRequest{ChimeBearer: w.User(user)})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range resp.ChannelMemberships {
		names = append(names, m.ChannelSummary.Name+" "+string(m.AppInstanceUserMembershipSummary.Type))
	}
	return names
}

func TestMembershipEvents(t *testing.T) {
	w := servicetest.New(t, "ann", "bob", "cy", "dee", "adm")
	w.MakeAdmin("adm")
	w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users("bob", "adm") })
	w.Events()
	w.AddMember("bob", "c", "cy", dflt)
	w.AddMember("ann", "c", "dee", isHidden)
	for _, member := range []string{"cy", "dee", "dee"} {
		if _, err := w.Channels.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: w.User(member), ChimeBearer: w.User("ann")}); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "events", w.Events(), []string{
		"CREATE_CHANNEL_MEMBERSHIP to members: CY +cy",
		"CREATE_CHANNEL_MEMBERSHIP to ann,adm,dee: DEE +dee",
		"DELETE_CHANNEL_MEMBERSHIP to members: CY -cy",
		"DELETE_CHANNEL_MEMBERSHIP to ann,adm,dee: DEE -dee",
	})
}

func TestHiddenMembersAreSeenByManagersAlone(t *testing.T) {
	w := servicetest.New(t, "ann", "bob", "dee")
	w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users("bob") })
	w.AddMember("ann", "c", "dee", isHidden)
	expect(t, "default list", members(w, "bob", dflt), []string{"ANN", "BOB"})
	expect(t, "hidden list", members(w, "ann", isHidden), []string{"DEE"})
	describe := func(by, member string) string {
		_, err := w.Channels.DescribeChannelMembership(ctx, &messaging.DescribeChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: w.User(member), ChimeBearer: w.User(by)})
		return servicetest.Outcome(err)
	}
	for _, tc := range []struct{ by, member, want string }{
		{"ann", "dee", "ok"}, {"bob", "dee", "NotFound"}, {"dee", "dee", "ok"}, {"dee", "ann", "Forbidden"}, {"bob", "ann", "ok"},
	} {
		if got := describe(tc.by, tc.member); got != tc.want {
			t.Errorf("%s describes %s: %s, want %s", tc.by, tc.member, got, tc.want)
		}
	}
	w.Events()
	if _, err := w.Channels.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("dee"), ChimeBearer: w.User("bob")}); err != nil {
		t.Error(err)
	}
	expect(t, "a member cannot remove whom it cannot see", w.Events(), nil)
	expect(t, "dee's channels", channelsOf(t, w, "dee"), []string{"c HIDDEN"})
}

func TestBatch(t *testing.T) {
	w := servicetest.New(t, "ann", "bob", "cy", "dee")
	w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users("bob") })
	w.Events()
	resp, err := w.Channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
		ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann"),
		MemberARNs: append(w.Users("dee", "nobody", "bob", "cy", "dee"), strings.Replace(w.User("x"), "us-east-1", "eu-central-1", 1)),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range resp.BatchChannelMemberships.Members {
		got = append(got, "added "+m.Name)
	}
	for _, e := range resp.Errors {
		got = append(got, string(e.ErrorCode)+" "+e.MemberARN[strings.LastIndex(e.MemberARN, "/")+1:])
	}
	expect(t, "answer", got, []string{"added DEE", "added BOB", "added CY", "Forbidden nobody", "Forbidden x"})
	expect(t, "events", w.Events(), []string{"BATCH_CREATE_CHANNEL_MEMBERSHIP to members: DEE CY +dee,cy"})
	expect(t, "members in order of creation, then id", members(w, "ann", dflt), []string{"ANN", "BOB", "CY", "DEE"})

	resp, err = w.Channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
		ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann"), MemberARNs: w.Users("dee"),
	})
	if err != nil || resp.Errors == nil || len(resp.Errors) != 0 || len(resp.BatchChannelMemberships.Members) != 1 {
		t.Errorf("nobody new: %+v, %v", resp, err)
	}
	expect(t, "no event when nobody was added", w.Events(), nil)
	_, err = w.Channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
		ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann"), MemberARNs: []string{w.Channel("c")},
	})
	if got := servicetest.Outcome(err); got != "BadRequest" {
		t.Errorf("a channel as member: %s", got)
	}
}

func TestAHiddenMemberOfABatchLearnsOfItselfAlone(t *testing.T) {
	w := servicetest.New(t, "ann", "bob", "cy", "dee", "mod")
	w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users("bob") })
	w.MakeModerator("ann", "c", "mod")
	add := func(users ...string) {
		t.Helper()
		w.Events()
		_, err := w.Channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
			ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann"), Type: isHidden, MemberARNs: w.Users(users...),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	add("cy", "mod", "dee")
	expect(t, "events", w.Events(), []string{
		"BATCH_CREATE_CHANNEL_MEMBERSHIP to cy: CY +cy",
		"BATCH_CREATE_CHANNEL_MEMBERSHIP to dee: DEE +dee",
		"BATCH_CREATE_CHANNEL_MEMBERSHIP to ann,mod: CY MOD DEE +mod",
	})
	expect(t, "hidden list", members(w, "ann", isHidden), []string{"CY", "DEE", "MOD"})
	w.MakeAdmin("bob")
	for _, id := range []string{"ann", "mod", "bob", "cy"} { // nobody who manages is left
		if _, err := w.Channels.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: w.User(id), ChimeBearer: w.User("ann")}); err != nil {
			t.Fatal(err)
		}
	}
	add("cy")
	expect(t, "events without managers", w.Events(), []string{"BATCH_CREATE_CHANNEL_MEMBERSHIP to cy: CY +cy"})
}

func TestABatchPassesOverWhoHasTooManyMemberships(t *testing.T) {
	w := servicetest.New(t, "ann", "bob", "cy", "dee")
	few := channel.Limits{}
	few.MembershipsPerUser = 2
	w.Channels = channel.New(channel.Options{Store: w.Store, Site: w.Site, Now: w.Clock, Random: w.Random, Limits: few, Jobs: w.Jobs})
	w.AddChannel("bob", "b1")
	w.AddChannel("bob", "b2")
	w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users("dee") })
	w.AddChannel("ann", "elastic", servicetest.Elastic(2, 2, 40))
	w.AddChannel("dee", "d")
	for _, id := range []string{"c", "elastic"} {
		resp, err := w.Channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
			ChannelARN: w.Channel(id), ChimeBearer: w.User("ann"), MemberARNs: w.Users("bob", "cy"),
		})
		if err != nil || len(resp.BatchChannelMemberships.Members) != 1 || len(resp.Errors) != 1 ||
			resp.Errors[0].MemberARN != w.User("bob") || resp.Errors[0].ErrorCode != messaging.ErrorCodeResourceLimitExceeded {
			t.Errorf("%s: %+v, %v", id, resp, err)
		}
	}
	resp, err := w.Channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
		ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann"), MemberARNs: w.Users("dee"),
	})
	if err != nil || len(resp.Errors) != 0 || len(resp.BatchChannelMemberships.Members) != 1 {
		t.Errorf("a member: %+v, %v", resp, err)
	}
}

func TestMissingChannels(t *testing.T) {
	w := servicetest.New(t, "ann", "bob")
	w.AddChannel("ann", "secret", func(r *messaging.CreateChannelRequest) { r.Privacy = messaging.ChannelPrivacyPrivate })
	for channel, want := range map[string]string{"missing": "NotFound", "secret": "NotFound"} {
		_, err := w.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{ChannelARN: w.Channel(channel), MemberARN: w.User("bob"), Type: dflt, ChimeBearer: w.User("bob")})
		if got := servicetest.Outcome(err); got != want {
			t.Errorf("joining %s: %s, want %s", channel, got, want)
		}
		_, err = w.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: w.Channel(channel), ChimeBearer: w.User("bob")})
		if got := servicetest.Outcome(err); got != "Forbidden" {
			t.Errorf("describing %s: %s", channel, got)
		}
	}
}

func TestExistingMemberOfAnotherTypeIsAConflict(t *testing.T) {
	w := servicetest.New(t, "ann", "bob")
	w.AddChannel("ann", "c")
	w.AddMember("bob", "c", "bob", dflt)
	_, err := w.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), Type: messaging.ChannelMembershipTypeHidden, ChimeBearer: w.User("ann")})
	if got := servicetest.Outcome(err); got != "Conflict" {
		t.Error(got)
	}
}

func TestSubChannelsAreRefused(t *testing.T) {
	w := servicetest.New(t, "ann")
	w.AddChannel("ann", "c")
	_, err := w.Channels.ListChannelMemberships(ctx, &messaging.ListChannelMembershipsRequest{ChannelARN: w.Channel("c"), SubChannelID: ptr("s"), ChimeBearer: w.User("ann")})
	if got := servicetest.Outcome(err); got != "BadRequest" {
		t.Error(got)
	}
}

func TestReadMarkerNeverGoesBack(t *testing.T) {
	w := servicetest.New(t, "ann")
	w.AddChannel("ann", "c")
	marker := func() *time.Time {
		t.Helper()
		resp, err := w.Channels.DescribeChannelMembershipForAppInstanceUser(ctx, &messaging.DescribeChannelMembershipForAppInstanceUserRequest{
			ChannelARN: w.Channel("c"), AppInstanceUserARN: w.User("ann"), ChimeBearer: w.User("ann")})
		if err != nil {
			t.Fatal(err)
		}
		return resp.ChannelMembership.AppInstanceUserMembershipSummary.ReadMarkerTimestamp
	}
	if marker() != nil {
		t.Error("a marker before the first call")
	}
	set := w.Now
	for _, at := range []time.Time{set, set.Add(-time.Hour)} {
		w.Now = at
		if _, err := w.Channels.UpdateChannelReadMarker(ctx, &messaging.UpdateChannelReadMarkerRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")}); err != nil {
			t.Fatal(err)
		}
		if got := marker(); !got.Equal(set) {
			t.Errorf("the marker is %v, want %v", got, set)
		}
	}
}

func TestDeletedUserLeavesEverywhere(t *testing.T) {
	w := servicetest.New(t, "ann", "bob")
	const channels = 205 // more than two transactions take
	for i := range channels {
		w.AddChannel("ann", fmt.Sprint("c", i), func(r *messaging.CreateChannelRequest) {
			r.MemberARNs, r.ModeratorARNs = w.Users("bob"), w.Users("bob")
		})
	}
	w.Events()
	if _, err := w.Identity.DeleteAppInstanceUser(ctx, &identityapi.DeleteAppInstanceUserRequest{AppInstanceUserARN: w.User("bob")}); err != nil {
		t.Fatal(err)
	}
	events := w.Events()
	if len(events) != channels || events[0] != "DELETE_CHANNEL_MEMBERSHIP to members: BOB -bob" {
		t.Errorf("%d events, the first %s", len(events), events[0])
	}
	w.AddUser("bob")
	expect(t, "channels of a user made again", channelsOf(t, w, "bob"), nil)
	_, err := w.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c7"), ChimeBearer: w.User("bob")})
	if got := servicetest.Outcome(err); got != "Forbidden" {
		t.Errorf("a user made again moderates: %s", got)
	}
}

func TestListsPageExactly(t *testing.T) {
	w := servicetest.New(t, "ann", "adm")
	w.MakeAdmin("adm")
	for i := range 7 {
		w.AddChannel("ann", fmt.Sprint("c", i), func(r *messaging.CreateChannelRequest) {
			if i%2 == 1 {
				r.Privacy = messaging.ChannelPrivacyPrivate
			}
		})
	}
	list := func(privacy messaging.ChannelPrivacy, limit int) (names []string) {
		req := &messaging.ListChannelsRequest{AppInstanceARN: w.App, Privacy: privacy, MaxResults: &limit, ChimeBearer: w.User("adm")}
		for {
			resp, err := w.Channels.ListChannels(ctx, req)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range resp.Channels {
				names = append(names, c.Name)
			}
			if resp.NextToken == "" {
				return names
			}
			req.NextToken = &resp.NextToken
		}
	}
	for limit := 1; limit <= 5; limit++ {
		expect(t, fmt.Sprint("public, pages of ", limit), list("", limit), []string{"c0", "c2", "c4", "c6"})
		expect(t, fmt.Sprint("private, pages of ", limit), list(messaging.ChannelPrivacyPrivate, limit), []string{"c1", "c3", "c5"})
	}
	one := 1
	resp, err := w.Channels.ListChannels(ctx, &messaging.ListChannelsRequest{AppInstanceARN: w.App, MaxResults: &one, ChimeBearer: w.User("adm")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Channels.ListChannels(ctx, &messaging.ListChannelsRequest{AppInstanceARN: w.App, Privacy: messaging.ChannelPrivacyPrivate, NextToken: &resp.NextToken, ChimeBearer: w.User("adm")})
	if got := servicetest.Outcome(err); got != "BadRequest" {
		t.Errorf("a token of another list: %s", got)
	}
}
