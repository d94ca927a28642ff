package channel_test

import (
	"fmt"
	"strings"
	"testing"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// crowd is an elastic channel "c" of ann with sub-channels of up to four, two at least, that u1
// to un have joined.
func crowd(t testing.TB, n int) *servicetest.World {
	w := servicetest.New(t, "ann")
	w.AddChannel("ann", "c", servicetest.Elastic(3, 4, 40))
	for i := 1; i <= n; i++ {
		w.AddUser(fmt.Sprint("u", i))
		w.AddMember(fmt.Sprint("u", i), "c", fmt.Sprint("u", i), dflt)
	}
	w.Log()
	return w
}

// join makes a user a member of a sub-channel, or of one that the service chooses.
func join(w *servicetest.World, by, whom string, sub *string) (resp *messaging.CreateChannelMembershipResponse, outcome string) {
	resp, err := w.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{
		ChannelARN: w.Channel("c"), MemberARN: w.User(whom), Type: dflt, SubChannelID: sub, ChimeBearer: w.User(by)})
	return resp, servicetest.Outcome(err)
}

func leave(w *servicetest.World, by, whom string, sub *string) string {
	_, err := w.Channels.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{
		ChannelARN: w.Channel("c"), MemberARN: w.User(whom), SubChannelID: sub, ChimeBearer: w.User(by)})
	return servicetest.Outcome(err)
}

// places are the sub-channels of which a user is a member.
func places(t testing.TB, w *servicetest.World, user string) (names []string) {
	t.Helper()
	resp, err := w.Channels.ListChannelMembershipsForAppInstanceUser(ctx, &messaging.ListChannelMembershipsForAppInstanceUserRequest{ChimeBearer: w.User(user)})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range resp.ChannelMemberships {
		names = append(names, w.SubName(m.AppInstanceUserMembershipSummary.SubChannelID))
	}
	return names
}

// membersIn are the members of one sub-channel, as a caller sees them.
func membersIn(w *servicetest.World, by string, sub *string) (names []string) {
	resp, err := w.Channels.ListChannelMemberships(ctx, &messaging.ListChannelMembershipsRequest{ChannelARN: w.Channel("c"), SubChannelID: sub, ChimeBearer: w.User(by)})
	if err != nil {
		return []string{servicetest.Outcome(err)}
	}
	for _, m := range resp.ChannelMemberships {
		names = append(names, m.Member.Name)
	}
	return names
}

func TestElasticChannelBegins(t *testing.T) {
	w := servicetest.New(t, "ann", "bob")
	w.AddChannel("ann", "c", servicetest.Elastic(3, 4, 40), func(r *messaging.CreateChannelRequest) { r.ModeratorARNs = w.Users("bob") })
	expect(t, "log", w.Log(), []string{"CREATE_CHANNEL ann", "CREATE_CHANNEL_MODERATOR ann", "CREATE_CHANNEL_MODERATOR bob", "CREATE_SUB_CHANNEL @s1"})
	expect(t, "sub-channels", w.SubChannels("bob", "c"), []string{"s1:0"})
	expect(t, "members", members(w, "ann", dflt), nil)
	resp, err := w.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")})
	if err != nil {
		t.Fatal(err)
	}
	want := messaging.ElasticChannelConfiguration{MaximumSubChannels: 3, TargetMembershipsPerSubChannel: 4, MinimumMembershipPercentage: 40}
	if c := resp.Channel; c.Mode != messaging.ChannelModeRestricted || c.ElasticChannelConfiguration == nil || *c.ElasticChannelConfiguration != want {
		t.Errorf("the channel is %+v", c)
	}
	_, err = w.Channels.UpdateChannel(ctx, &messaging.UpdateChannelRequest{ChannelARN: w.Channel("c"), Mode: messaging.ChannelModeUnrestricted, ChimeBearer: w.User("ann")})
	if got := servicetest.Outcome(err); got != "BadRequest" {
		t.Errorf("to UNRESTRICTED: %s", got)
	}
}

func TestElasticChannelsHaveALimit(t *testing.T) {
	w := servicetest.New(t, "ann")
	one := channel.Limits{}
	one.ElasticChannelsPerApp = 1
	w.Channels = channel.New(channel.Options{Store: w.Store, Site: w.Site, Now: w.Clock, Random: w.Random, Limits: one, Jobs: w.Jobs})
	w.AddChannel("ann", "c", servicetest.Elastic(2, 2, 1))
	again := func() string {
		req := &messaging.CreateChannelRequest{AppInstanceARN: w.App, Name: "d", ChimeBearer: w.User("ann"), ClientRequestToken: w.Token()}
		servicetest.Elastic(2, 2, 1)(req)
		_, err := w.Channels.CreateChannel(ctx, req)
		return servicetest.Outcome(err)
	}
	if got := again(); got != "ResourceLimitExceeded" {
		t.Errorf("the second: %s", got)
	}
	w.AddChannel("ann", "standard")
	if _, err := w.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")}); err != nil {
		t.Fatal(err)
	}
	if got := again(); got != "ok" {
		t.Errorf("after the first is gone: %s", got)
	}
}

func TestScaleOut(t *testing.T) {
	w := crowd(t, 4)
	expect(t, "sub-channels", w.SubChannels("ann", "c"), []string{"s1:4"})
	w.AddUser("u5")
	resp, outcome := join(w, "ann", "u5", nil)
	if outcome != "ok" || resp.Member.Name != "U5" {
		t.Fatalf("%+v, %s", resp, outcome)
	}
	expect(t, "log", w.Log()[1:], []string{ // after the user's own
		"CREATE_SUB_CHANNEL @s2",
		"LEAVE_SUB_CHANNEL u4 @s1 -u4",
		"UPDATE_CHANNEL_MEMBERSHIP to u4: U4 @s2 +u4",
		"LEAVE_SUB_CHANNEL u3 @s1 -u3",
		"UPDATE_CHANNEL_MEMBERSHIP to u3: U3 @s2 +u3",
		"CREATE_CHANNEL_MEMBERSHIP to members: U5 @s1 +u5", // both have two: the older one
	})
	if w.SubName(resp.SubChannelID) != "s1" {
		t.Errorf("u5 is in %s", w.SubName(resp.SubChannelID))
	}
	expect(t, "sub-channels", w.SubChannels("ann", "c"), []string{"s1:3", "s2:2"})
	expect(t, "u4", places(t, w, "u4"), []string{"s2"})
	expect(t, "s2", membersIn(w, "u4", w.SubID("s2")), []string{"U3", "U4"})
	expect(t, "s1 of u4", membersIn(w, "u4", w.SubID("s1")), []string{"Forbidden"})
	expect(t, "all that u4 sees", membersIn(w, "u4", nil), []string{"U3", "U4"})
	expect(t, "all", membersIn(w, "ann", nil), []string{"U1", "U2", "U3", "U4", "U5"})

	described, err := w.Channels.DescribeChannelMembership(ctx, &messaging.DescribeChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("u4"), ChimeBearer: w.User("ann")})
	if err != nil || w.SubName(described.ChannelMembership.SubChannelID) != "s2" {
		t.Errorf("described: %+v, %v", described.ChannelMembership, err)
	}

	for i := 6; i <= 12; i++ { // the fullest first: s1 is full after u6, s2 after u8
		w.AddUser(fmt.Sprint("u", i))
		if _, outcome := join(w, "ann", fmt.Sprint("u", i), nil); outcome != "ok" {
			t.Fatalf("u%d: %s", i, outcome)
		}
		w.Log()
		switch i {
		case 7:
			expect(t, "sub-channels", w.SubChannels("ann", "c"), []string{"s1:4", "s2:3"})
		case 9: // the newest of each moves to s3
			expect(t, "sub-channels", w.SubChannels("ann", "c"), []string{"s1:4", "s2:3", "s3:2"})
			expect(t, "s3", membersIn(w, "ann", w.SubID("s3")), []string{"U6", "U8"})
		}
	}
	expect(t, "sub-channels", w.SubChannels("ann", "c"), []string{"s1:4", "s2:4", "s3:4"})
	w.AddUser("u13")
	w.Log()
	if _, outcome := join(w, "ann", "u13", nil); outcome != "ResourceLimitExceeded" {
		t.Errorf("when all are full: %s", outcome)
	}
	expect(t, "log", w.Log(), nil)
}

func TestScaleIn(t *testing.T) {
	w := crowd(t, 5) // s1: u1 u2 u5, s2: u3 u4
	w.AddUser("mod")
	w.MakeModerator("ann", "c", "mod")
	for _, sub := range []string{"s1", "s2"} {
		if _, outcome := join(w, "mod", "mod", w.SubID(sub)); outcome != "ok" {
			t.Fatal(outcome)
		}
	}
	expect(t, "moderators are not counted", w.SubChannels("ann", "c"), []string{"s1:3", "s2:2"})
	w.Send(inSub(w, "u4", "s2", "gone with s2"))
	w.Log()
	if got := leave(w, "u4", "u4", nil); got != "ok" {
		t.Fatal(got)
	}
	expect(t, "log", w.Log(), []string{
		"DELETE_CHANNEL_MEMBERSHIP to members: U4 @s2 -u4",
		"LEAVE_SUB_CHANNEL u3 @s2 -u3",
		"UPDATE_CHANNEL_MEMBERSHIP to u3: U3 @s1 +u3",
		"DELETE_CHANNEL_MEMBERSHIP to mod: MOD @s2 -mod because subchannel_DELETED",
		"DELETE_SUB_CHANNEL @s2",
	})
	expect(t, "sub-channels", w.SubChannels("ann", "c"), []string{"s1:4"})
	expect(t, "the moderator", places(t, w, "mod"), []string{"s1"})
	expect(t, "u3", places(t, w, "u3"), []string{"s1"})
	expect(t, "s2 itself", membersIn(w, "ann", w.SubID("s2")), []string{"Forbidden"})
	_, err := w.Messages.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("c"), SubChannelID: w.SubID("s2"), ChimeBearer: w.User("ann")})
	if got := servicetest.Outcome(err); got != "Forbidden" {
		t.Errorf("the messages of s2: %s", got)
	}
	for _, u := range []string{"u1", "u2", "u3", "u5"} {
		if got := leave(w, "ann", u, nil); got != "ok" {
			t.Fatal(got)
		}
	}
	expect(t, "the last one stays", w.SubChannels("ann", "c"), []string{"s1:0"})
}

// inSub is a message for a sub-channel.
func inSub(w *servicetest.World, by, sub, content string) *messaging.SendChannelMessageRequest {
	req := w.Text(by, "c", content)
	req.SubChannelID = w.SubID(sub)
	return req
}

// TestRoomMadeByLeaving: a sub-channel that was too small already is merged when another gets
// room, though nobody left it.
func TestRoomMadeByLeaving(t *testing.T) {
	w := crowd(t, 5)           // s1: u1 u2 u5, s2: u3 u4
	w.AddUser("u6")            // s1: u1 u2 u5 u6
	join(w, "ann", "u6", nil)  //
	leave(w, "ann", "u4", nil) // s2: u3, and no room in s1
	expect(t, "no room", w.SubChannels("ann", "c"), []string{"s1:4", "s2:1"})
	leave(w, "ann", "u1", nil)
	expect(t, "room", w.SubChannels("ann", "c"), []string{"s1:4"})
	expect(t, "u3", places(t, w, "u3"), []string{"s1"})
}

func TestWhoSaysWhere(t *testing.T) {
	w := crowd(t, 5) // s1: u1 u2 u5, s2: u3 u4
	w.AddUser("mod")
	w.AddUser("new")
	w.MakeModerator("ann", "c", "mod")
	for i, tc := range []struct{ whom, sub, want string }{
		{"new", "s1", "BadRequest"}, {"mod", "", "BadRequest"}, {"mod", "none", "NotFound"},
		{"mod", "s2", "ok"}, {"mod", "s2", "ok"}, {"mod", "s1", "ok"}, {"u1", "", "ok"}, {"u1", "s2", "BadRequest"},
	} {
		if _, got := join(w, "ann", tc.whom, subOf(w, tc.sub)); got != tc.want {
			t.Errorf("%d: %s joins %q: %s, want %s", i, tc.whom, tc.sub, got, tc.want)
		}
	}
	expect(t, "a moderator's places", places(t, w, "mod"), []string{"s2", "s1"})
	expect(t, "all members", membersIn(w, "ann", nil), []string{"U1", "U2", "U3", "U4", "U5", "MOD", "MOD"})
	for i, tc := range []struct{ whom, sub, want string }{
		{"mod", "", "BadRequest"}, {"mod", "s1", "ok"}, {"u1", "s1", "ok"}, {"u1", "", "ok"}, {"u1", "s2", "NotFound"}, {"new", "", "NotFound"}, {"mod", "none", "NotFound"},
	} {
		_, err := w.Channels.DescribeChannelMembership(ctx, &messaging.DescribeChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: w.User(tc.whom), SubChannelID: subOf(w, tc.sub), ChimeBearer: w.User("ann")})
		if got := servicetest.Outcome(err); got != tc.want {
			t.Errorf("%d: describing %s in %q: %s, want %s", i, tc.whom, tc.sub, got, tc.want)
		}
	}
	w.Log()
	for i, tc := range []struct {
		by, whom, sub, want string
		events              []string
	}{
		{"u1", "u1", "s1", "BadRequest", nil},
		{"mod", "mod", "none", "ok", nil},
		{"mod", "mod", "s2", "ok", []string{"DELETE_CHANNEL_MEMBERSHIP to members: MOD @s2 -mod"}},
		{"mod", "mod", "s2", "ok", nil},
		{"u1", "u1", "", "ok", []string{"DELETE_CHANNEL_MEMBERSHIP to members: U1 @s1 -u1"}},
	} {
		if got := leave(w, tc.by, tc.whom, subOf(w, tc.sub)); got != tc.want {
			t.Errorf("%d: %s leaves %q: %s, want %s", i, tc.whom, tc.sub, got, tc.want)
		}
		expect(t, "events", w.Log(), tc.events)
	}
}

func subOf(w *servicetest.World, name string) *string {
	switch name {
	case "":
		return nil
	case "none":
		return ptr("none")
	}
	return w.SubID(name)
}

func TestRolesOfElasticChannelsEndMemberships(t *testing.T) {
	w := crowd(t, 5) // s1: u1 u2 u5, s2: u3 u4
	w.MakeModerator("ann", "c", "u1")
	expect(t, "promotion", w.Log(), []string{"DELETE_CHANNEL_MEMBERSHIP to members: U1 @s1 -u1", "CREATE_CHANNEL_MODERATOR u1"})
	expect(t, "sub-channels", w.SubChannels("ann", "c"), []string{"s1:2", "s2:2"})
	for _, sub := range []string{"s1", "s2"} {
		if _, outcome := join(w, "u1", "u1", w.SubID(sub)); outcome != "ok" {
			t.Fatal(outcome)
		}
	}
	w.Log()
	if _, err := w.Channels.DeleteChannelModerator(ctx, &messaging.DeleteChannelModeratorRequest{ChannelARN: w.Channel("c"), ChannelModeratorARN: w.User("u1"), ChimeBearer: w.User("ann")}); err != nil {
		t.Fatal(err)
	}
	expect(t, "demotion", w.Log(), []string{
		"DELETE_CHANNEL_MEMBERSHIP to members: U1 @s1 -u1", "DELETE_CHANNEL_MEMBERSHIP to members: U1 @s2 -u1", "DELETE_CHANNEL_MODERATOR u1"})
	expect(t, "sub-channels", w.SubChannels("ann", "c"), []string{"s1:2", "s2:2"})
	w.Ban("ann", "c", "u2")
	expect(t, "ban", w.Log(), []string{
		"CREATE_CHANNEL_BAN u2", "DELETE_CHANNEL_MEMBERSHIP to members: U2 @s1 -u2",
		"LEAVE_SUB_CHANNEL u5 @s1 -u5", "UPDATE_CHANNEL_MEMBERSHIP to u5: U5 @s2 +u5", "DELETE_SUB_CHANNEL @s1"})
	if _, outcome := join(w, "ann", "u2", nil); outcome != "Forbidden" {
		t.Errorf("adding the banned one: %s", outcome)
	}
}

func TestElasticBatch(t *testing.T) {
	w := crowd(t, 10) // room for two more
	w.AddUser("mod")
	w.MakeModerator("ann", "c", "mod")
	for _, u := range []string{"a", "b", "x"} {
		w.AddUser(u)
	}
	w.Ban("ann", "c", "x")
	w.Log()
	batch := func(sub *string, users ...string) (got []string) {
		resp, err := w.Channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
			ChannelARN: w.Channel("c"), MemberARNs: w.Users(users...), SubChannelID: sub, ChimeBearer: w.User("ann")})
		if err != nil {
			return []string{servicetest.Outcome(err)}
		}
		for _, m := range resp.BatchChannelMemberships.Members {
			got = append(got, "added "+m.Name)
		}
		for _, e := range resp.Errors {
			got = append(got, string(e.ErrorCode)+" "+e.MemberARN[strings.LastIndex(e.MemberARN, "/")+1:])
		}
		return got
	}
	expect(t, "members", batch(nil, "x", "mod", "a", "u1"), []string{"added A", "added U1", "Forbidden x", "BadRequest mod"})
	if log := w.Log(); len(log) != 1 || !strings.HasPrefix(log[0], "CREATE_CHANNEL_MEMBERSHIP to members: A @s") {
		t.Errorf("log %v", log)
	}
	expect(t, "a moderator", batch(w.SubID("s1"), "b", "mod"), []string{"added MOD", "BadRequest b"})
	expect(t, "log", w.Log(), []string{"CREATE_CHANNEL_MEMBERSHIP to members: MOD @s1 +mod"})
	expect(t, "no such sub-channel", batch(ptr("none"), "mod"), []string{"NotFound"})
	w.AddUser("z")
	expect(t, "full", batch(nil, "b", "z"), []string{"added B", "ResourceLimitExceeded z"})
	_, err := w.Channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{
		ChannelARN: w.Channel("c"), MemberARNs: w.Users("z"), Type: isHidden, ChimeBearer: w.User("ann")})
	if got := servicetest.Outcome(err); got != "BadRequest" {
		t.Errorf("hidden: %s", got)
	}
}

func TestDeletedUserLeavesElasticChannels(t *testing.T) {
	w := crowd(t, 5) // s1: u1 u2 u5, s2: u3 u4
	w.AddUser("mod")
	for i := range 100 { // as many memberships as one transaction ends, before those here
		w.AddChannel("ann", fmt.Sprint("old", i), func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users("mod") })
	}
	w.MakeModerator("ann", "c", "mod")
	for _, sub := range []string{"s1", "s2"} {
		join(w, "mod", "mod", w.SubID(sub))
	}
	for _, u := range []string{"mod", "u1"} {
		if _, err := w.Identity.DeleteAppInstanceUser(ctx, &identityapi.DeleteAppInstanceUserRequest{AppInstanceUserARN: w.User(u)}); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "sub-channels", w.SubChannels("ann", "c"), []string{"s1:2", "s2:2"})
	expect(t, "members", membersIn(w, "ann", nil), []string{"U2", "U3", "U4", "U5"})
	if _, err := w.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")}); err != nil {
		t.Fatal(err)
	}
	expect(t, "u2", places(t, w, "u2"), nil)
	w.AddChannel("ann", "c", servicetest.Elastic(3, 4, 40))
	if got := w.SubChannels("ann", "c"); len(got) != 1 || !strings.HasSuffix(got[0], ":0") {
		t.Errorf("a channel made again has %v", got)
	}
}

func TestListSubChannelsPagesExactly(t *testing.T) {
	w := crowd(t, 10)
	w.AddChannel("ann", "standard")
	var all []string
	one := 1
	req := &messaging.ListSubChannelsRequest{ChannelARN: w.Channel("c"), MaxResults: &one, ChimeBearer: w.User("ann")}
	for {
		resp, err := w.Channels.ListSubChannels(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range resp.SubChannels {
			all = append(all, fmt.Sprint(w.SubName(sub.SubChannelID), ":", sub.MembershipCount))
		}
		if resp.NextToken == "" {
			break
		}
		req.NextToken = &resp.NextToken
	}
	expect(t, "pages of one", all, w.SubChannels("ann", "c"))
	for by, want := range map[string]string{"ann": "BadRequest", "u1": "Forbidden"} {
		_, err := w.Channels.ListSubChannels(ctx, &messaging.ListSubChannelsRequest{ChannelARN: w.Channel("standard"), ChimeBearer: w.User(by)})
		if got := servicetest.Outcome(err); got != want {
			t.Errorf("%s, of a standard channel: %s", by, got)
		}
	}
}
