package channel_test

import (
	"fmt"
	"testing"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

func moderators(t *testing.T, w *servicetest.World, by string, limit int) (names []string) {
	t.Helper()
	req := &messaging.ListChannelModeratorsRequest{ChannelARN: w.Channel("c"), MaxResults: &limit, ChimeBearer: w.User(by)}
	for {
		resp, err := w.Channels.ListChannelModerators(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range resp.ChannelModerators {
			names = append(names, m.Moderator.Name)
		}
		if resp.NextToken == "" {
			return names
		}
		req.NextToken = &resp.NextToken
	}
}

func bans(t *testing.T, w *servicetest.World, by string, limit int) (names []string) {
	t.Helper()
	req := &messaging.ListChannelBansRequest{ChannelARN: w.Channel("c"), MaxResults: &limit, ChimeBearer: w.User(by)}
	for {
		resp, err := w.Channels.ListChannelBans(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range resp.ChannelBans {
			names = append(names, b.Member.Name)
		}
		if resp.NextToken == "" {
			return names
		}
		req.NextToken = &resp.NextToken
	}
}

// moderated are the channels that a user moderates.
func moderated(t *testing.T, w *servicetest.World, user string, limit int) (names []string) {
	t.Helper()
	req := &messaging.ListChannelsModeratedByAppInstanceUserRequest{MaxResults: &limit, ChimeBearer: w.User(user)}
	for {
		resp, err := w.Channels.ListChannelsModeratedByAppInstanceUser(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range resp.Channels {
			names = append(names, c.ChannelSummary.Name)
		}
		if resp.NextToken == "" {
			return names
		}
		req.NextToken = &resp.NextToken
	}
}

func TestModeratorsComeAndGo(t *testing.T) {
	w := servicetest.New(t, "ann", "bob", "cy")
	w.AddChannel("ann", "c")
	w.AddChannel("ann", "d")
	w.Log()
	created, err := w.Channels.CreateChannelModerator(ctx, &messaging.CreateChannelModeratorRequest{ChannelARN: w.Channel("c"), ChannelModeratorARN: w.User("bob"), ChimeBearer: w.User("ann")})
	if err != nil || created.ChannelModerator.Name != "BOB" || created.ChannelARN != w.Channel("c") {
		t.Fatalf("%+v, %v", created, err)
	}
	_, err = w.Channels.CreateChannelModerator(ctx, &messaging.CreateChannelModeratorRequest{ChannelARN: w.Channel("c"), ChannelModeratorARN: w.User("bob"), ChimeBearer: w.User("ann")})
	if got := servicetest.Outcome(err); got != "Conflict" {
		t.Errorf("twice: %s", got)
	}
	_, err = w.Channels.CreateChannelModerator(ctx, &messaging.CreateChannelModeratorRequest{ChannelARN: w.Channel("c"), ChannelModeratorARN: w.User("nobody"), ChimeBearer: w.User("ann")})
	if got := servicetest.Outcome(err); got != "Forbidden" {
		t.Errorf("somebody who does not exist: %s", got)
	}
	w.MakeModerator("bob", "c", "cy") // who need not be a member
	expect(t, "members", members(w, "ann", dflt), []string{"ANN"})
	for limit := 1; limit <= 4; limit++ {
		expect(t, "moderators", moderators(t, w, "cy", limit), []string{"ANN", "BOB", "CY"})
		expect(t, "ann's channels", moderated(t, w, "ann", limit), []string{"c", "d"})
	}
	expect(t, "log", w.Log(), []string{"CREATE_CHANNEL_MODERATOR bob", "CREATE_CHANNEL_MODERATOR cy"})

	described, err := w.Channels.DescribeChannelModerator(ctx, &messaging.DescribeChannelModeratorRequest{ChannelARN: w.Channel("c"), ChannelModeratorARN: w.User("cy"), ChimeBearer: w.User("ann")})
	if err != nil {
		t.Fatal(err)
	}
	if m := described.ChannelModerator; m.Moderator.Name != "CY" || m.CreatedBy.Name != "BOB" || !m.CreatedTimestamp.Equal(w.Now) || m.ChannelARN != w.Channel("c") {
		t.Errorf("the moderator is %+v", m)
	}

	demote := func(by, whom string) string {
		_, err := w.Channels.DeleteChannelModerator(ctx, &messaging.DeleteChannelModeratorRequest{ChannelARN: w.Channel("c"), ChannelModeratorARN: w.User(whom), ChimeBearer: w.User(by)})
		return servicetest.Outcome(err)
	}
	for i, tc := range []struct{ by, whom, want string }{
		{"cy", "ann", "ok"}, {"cy", "ann", "ok"}, {"cy", "nobody", "ok"}, {"cy", "bob", "ok"}, {"cy", "cy", "ok"}, {"cy", "cy", "Forbidden"},
	} {
		if got := demote(tc.by, tc.whom); got != tc.want {
			t.Errorf("%d: %s demotes %s: %s", i, tc.by, tc.whom, got)
		}
	}
	expect(t, "log", w.Log(), []string{"DELETE_CHANNEL_MODERATOR ann", "DELETE_CHANNEL_MODERATOR bob", "DELETE_CHANNEL_MODERATOR cy"})
	expect(t, "ann's channels", moderated(t, w, "ann", 50), []string{"d"})
	expect(t, "ann stays a member", members(w, "ann", dflt), []string{"ANN"})
	_, err = w.Channels.DescribeChannelModerator(ctx, &messaging.DescribeChannelModeratorRequest{ChannelARN: w.Channel("d"), ChannelModeratorARN: w.User("bob"), ChimeBearer: w.User("ann")})
	if got := servicetest.Outcome(err); got != "NotFound" {
		t.Errorf("describing no moderator: %s", got)
	}
	_, err = w.Channels.DescribeChannelModeratedByAppInstanceUser(ctx, &messaging.DescribeChannelModeratedByAppInstanceUserRequest{ChannelARN: w.Channel("d"), AppInstanceUserARN: w.User("bob"), ChimeBearer: w.User("ann")})
	if got := servicetest.Outcome(err); got != "Forbidden" {
		t.Errorf("a channel moderated by no moderator: %s", got)
	}
}

func TestModeratorsHaveALimit(t *testing.T) {
	w := servicetest.New(t, "ann", "bob", "cy", "dee")
	few := channel.Limits{}
	few.ModeratorsPerChannel = 2
	w.Channels = channel.New(channel.Options{Store: w.Store, Site: w.Site, Now: w.Clock, Random: w.Random, Limits: few, Jobs: w.Jobs})
	w.AddChannel("ann", "c")
	w.MakeModerator("ann", "c", "bob")
	promote := func(whom string) string {
		_, err := w.Channels.CreateChannelModerator(ctx, &messaging.CreateChannelModeratorRequest{ChannelARN: w.Channel("c"), ChannelModeratorARN: w.User(whom), ChimeBearer: w.User("ann")})
		return servicetest.Outcome(err)
	}
	if got := promote("cy"); got != "ResourceLimitExceeded" {
		t.Errorf("the third: %s", got)
	}
	if _, err := w.Channels.DeleteChannelModerator(ctx, &messaging.DeleteChannelModeratorRequest{ChannelARN: w.Channel("c"), ChannelModeratorARN: w.User("bob"), ChimeBearer: w.User("ann")}); err != nil {
		t.Fatal(err)
	}
	if got := promote("cy"); got != "ok" {
		t.Errorf("after one went: %s", got)
	}
}

func TestBanEndsTheMembershipAndKeepsOut(t *testing.T) {
	w := servicetest.New(t, "ann", "bob", "cy", "adm")
	w.MakeAdmin("adm")
	w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users("bob") })
	w.Log()
	resp, err := w.Channels.CreateChannelBan(ctx, &messaging.CreateChannelBanRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), ChimeBearer: w.User("ann")})
	if err != nil || resp.Member.Name != "BOB" || resp.ChannelARN != w.Channel("c") {
		t.Fatalf("%+v, %v", resp, err)
	}
	w.Ban("adm", "c", "cy") // who is no member
	expect(t, "log", w.Log(), []string{
		"CREATE_CHANNEL_BAN bob",
		"DELETE_CHANNEL_MEMBERSHIP to members: BOB -bob",
		"CREATE_CHANNEL_BAN cy",
	})
	expect(t, "members", members(w, "ann", dflt), []string{"ANN"})
	expect(t, "bob's channels", channelsOf(t, w, "bob"), nil)
	for limit := 1; limit <= 3; limit++ {
		expect(t, "bans", bans(t, w, "ann", limit), []string{"BOB", "CY"})
	}
	described, err := w.Channels.DescribeChannelBan(ctx, &messaging.DescribeChannelBanRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("cy"), ChimeBearer: w.User("ann")})
	if err != nil {
		t.Fatal(err)
	}
	if b := described.ChannelBan; b.Member.Name != "CY" || b.CreatedBy.Name != "ADM" || !b.CreatedTimestamp.Equal(w.Now) || b.ChannelARN != w.Channel("c") {
		t.Errorf("the ban is %+v", b)
	}
	_, err = w.Channels.CreateChannelBan(ctx, &messaging.CreateChannelBanRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), ChimeBearer: w.User("ann")})
	if got := servicetest.Outcome(err); got != "Conflict" {
		t.Errorf("banning twice: %s", got)
	}
	add := func(by string) string {
		_, err := w.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), Type: dflt, ChimeBearer: w.User(by)})
		return servicetest.Outcome(err)
	}
	for _, by := range []string{"bob", "ann", "adm"} {
		if got := add(by); got != "Forbidden" {
			t.Errorf("%s adds the banned one: %s", by, got)
		}
	}
	batch, err := w.Channels.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARNs: w.Users("bob", "adm"), ChimeBearer: w.User("ann")})
	if err != nil || len(batch.Errors) != 1 || batch.Errors[0].ErrorCode != messaging.ErrorCodeForbidden || len(batch.BatchChannelMemberships.Members) != 1 {
		t.Errorf("in a batch: %+v, %v", batch, err)
	}
	w.Log()
	for range 2 {
		if _, err := w.Channels.DeleteChannelBan(ctx, &messaging.DeleteChannelBanRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), ChimeBearer: w.User("ann")}); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "log", w.Log(), []string{"DELETE_CHANNEL_BAN bob"})
	expect(t, "the membership does not come back", members(w, "bob", dflt), []string{"ANN", "ADM"})
	if got := add("bob"); got != "ok" {
		t.Errorf("joining again: %s", got)
	}
	_, err = w.Channels.DescribeChannelBan(ctx, &messaging.DescribeChannelBanRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), ChimeBearer: w.User("ann")})
	if got := servicetest.Outcome(err); got != "NotFound" {
		t.Errorf("describing no ban: %s", got)
	}
}

func TestBannedUserWhoBecomesAdmin(t *testing.T) {
	w := servicetest.New(t, "ann", "bob")
	w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) { r.Privacy = messaging.ChannelPrivacyPrivate })
	w.Ban("ann", "c", "bob")
	w.MakeAdmin("bob")
	expect(t, "an admin has its powers", bans(t, w, "bob", 50), []string{"BOB"})
	_, err := w.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), Type: dflt, ChimeBearer: w.User("bob")})
	if got := servicetest.Outcome(err); got != "Forbidden" {
		t.Errorf("and joins all the same: %s", got)
	}
}

func TestBansGoWithChannelAndUser(t *testing.T) {
	w := servicetest.New(t, "ann", "bob")
	const channels = 103 // more than one transaction takes
	for i := range channels {
		w.AddChannel("ann", fmt.Sprint("c", i))
		w.Ban("ann", fmt.Sprint("c", i), "bob")
	}
	w.AddChannel("ann", "c")
	w.Ban("ann", "c", "bob")
	if _, err := w.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")}); err != nil {
		t.Fatal(err)
	}
	w.AddChannel("ann", "c")
	w.AddMember("bob", "c", "bob", dflt) // a channel made again has no bans
	w.Log()
	if _, err := w.Identity.DeleteAppInstanceUser(ctx, &identityapi.DeleteAppInstanceUserRequest{AppInstanceUserARN: w.User("bob")}); err != nil {
		t.Fatal(err)
	}
	if log := w.Log(); len(log) != channels+2 || log[len(log)-1] != "DELETE_CHANNEL_BAN bob" {
		t.Errorf("%d events, the last %s", len(log), log[len(log)-1])
	}
	w.AddUser("bob")
	for _, c := range []string{"c0", "c102"} {
		w.AddMember("bob", c, "bob", dflt)
	}
}

// TestBotsHaveRoles: a bot calls, moderates, is a member and is banned as users are.
func TestBotsHaveRoles(t *testing.T) {
	w := servicetest.New(t, "ann", "bob")
	w.AddChannel("ann", "c")
	resp, err := w.Identity.CreateAppInstanceBot(ctx, &identityapi.CreateAppInstanceBotRequest{
		AppInstanceARN: w.App, Name: ptr("ROBO"), ClientRequestToken: w.Token(),
		Configuration: &identityapi.Configuration{Lex: &identityapi.LexConfiguration{
			LexBotAliasARN: "arn:aws:lex:us-east-1:000000000000:bot-alias/AAAAAAAAAA/BBBBBBBBBB", LocaleID: ptr("en_US"),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	bot := resp.AppInstanceBotARN
	if _, err := w.Channels.CreateChannelModerator(ctx, &messaging.CreateChannelModeratorRequest{ChannelARN: w.Channel("c"), ChannelModeratorARN: bot, ChimeBearer: w.User("ann")}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: bot, Type: dflt, ChimeBearer: bot}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Channels.CreateChannelBan(ctx, &messaging.CreateChannelBanRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), ChimeBearer: bot}); err != nil {
		t.Fatal(err)
	}
	expect(t, "moderators", moderators(t, w, "ann", 50), []string{"ANN", "ROBO"})
	expect(t, "members", members(w, "ann", dflt), []string{"ANN", "ROBO"})
	if _, err := w.Channels.DeleteChannelModerator(ctx, &messaging.DeleteChannelModeratorRequest{ChannelARN: w.Channel("c"), ChannelModeratorARN: bot, ChimeBearer: bot}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Channels.CreateChannelBan(ctx, &messaging.CreateChannelBanRequest{ChannelARN: w.Channel("c"), MemberARN: bot, ChimeBearer: w.User("ann")}); err != nil {
		t.Fatal(err)
	}
	expect(t, "bans", bans(t, w, "ann", 50), []string{"BOB", "ROBO"})
	expect(t, "members", members(w, "ann", dflt), []string{"ANN"})
	if _, err := w.Identity.DeleteAppInstanceBot(ctx, &identityapi.DeleteAppInstanceBotRequest{AppInstanceBotARN: bot}); err != nil {
		t.Fatal(err)
	}
	expect(t, "bans", bans(t, w, "ann", 50), []string{"BOB"})
}
