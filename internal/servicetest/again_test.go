package servicetest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// entry adds a member and answers what the caller is told.
func entry(t *testing.T, w *servicetest.World, by, id, who string, kind messaging.ChannelMembershipType, sub *string) (*messaging.CreateChannelMembershipResponse, string) {
	t.Helper()
	resp, err := w.API.CreateChannelMembership(t.Context(), &messaging.CreateChannelMembershipRequest{
		ChannelARN: w.Channel(id), MemberARN: w.User(who), Type: kind, SubChannelID: sub, ChimeBearer: w.User(by)})
	return resp, servicetest.Outcome(err)
}

func batch(t *testing.T, w *servicetest.World, by, id string, kind messaging.ChannelMembershipType, who ...string) (members, refused []string) {
	t.Helper()
	resp := must(w.API.BatchCreateChannelMembership(t.Context(), &messaging.BatchCreateChannelMembershipRequest{
		ChannelARN: w.Channel(id), MemberARNs: w.Users(who...), Type: kind, ChimeBearer: w.User(by)}))(t)
	for _, m := range resp.BatchChannelMemberships.Members {
		members = append(members, m.Name)
	}
	for _, e := range resp.Errors {
		refused = append(refused, string(e.ErrorCode))
	}
	return members, refused
}

// TestAMemberIsAddedAgain: who is a member already as the call wants it is answered as one that was
// added, and nothing changes.
func TestAMemberIsAddedAgain(t *testing.T) {
	w := servicetest.New(t, "owner", "ann", "bob", "spy", "mod")
	w.AddChannel("owner", "c", func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users("ann") })
	w.AddMember("owner", "c", "spy", messaging.ChannelMembershipTypeHidden)
	w.MakeModerator("owner", "c", "mod")
	w.AddChannel("owner", "hall", servicetest.Elastic(2, 4, 10))
	w.AddMember("owner", "hall", "ann", messaging.ChannelMembershipTypeDefault)
	describe := func(id, who string) messaging.ChannelMembership {
		return *must(w.API.DescribeChannelMembership(t.Context(), &messaging.DescribeChannelMembershipRequest{
			ChannelARN: w.Channel(id), MemberARN: w.User(who), ChimeBearer: w.User("owner")}))(t).ChannelMembership
	}
	part := describe("hall", "ann").SubChannelID
	w.Events()
	if _, outcome := entry(t, w, "owner", "hall", "owner", messaging.ChannelMembershipTypeDefault, &part); outcome != "ok" {
		t.Fatal(outcome)
	}
	w.Now = w.Now.Add(time.Hour)
	w.Log()
	for _, tc := range []struct {
		by, id, who string
		kind        messaging.ChannelMembershipType
		sub         *string
		want        string
	}{
		{"owner", "c", "owner", "DEFAULT", nil, "ok"}, // the creator
		{"mod", "c", "ann", "DEFAULT", nil, "ok"},
		{"ann", "c", "ann", "DEFAULT", nil, "ok"},
		{"owner", "c", "spy", "HIDDEN", nil, "ok"},
		{"owner", "c", "ann", "HIDDEN", nil, "Conflict"},
		{"owner", "c", "spy", "DEFAULT", nil, "Conflict"},
		{"spy", "c", "spy", "DEFAULT", nil, "Conflict"},
		{"owner", "hall", "ann", "DEFAULT", nil, "ok"},
		{"ann", "hall", "ann", "DEFAULT", nil, "ok"},
		{"owner", "hall", "owner", "DEFAULT", &part, "ok"}, // a moderator in the sub-channel that it is in
	} {
		before := describe(tc.id, tc.who)
		resp, outcome := entry(t, w, tc.by, tc.id, tc.who, tc.kind, tc.sub)
		if outcome != tc.want {
			t.Errorf("%s adds %s to %s as %s: %s, want %s", tc.by, tc.who, tc.id, tc.kind, outcome, tc.want)
		}
		if outcome == "ok" && (resp.Member == nil || resp.Member.ARN != w.User(tc.who) || resp.SubChannelID != before.SubChannelID) {
			t.Errorf("%s adds %s to %s: the answer is %+v", tc.by, tc.who, tc.id, resp)
		}
		if diff := cmp.Diff(before, describe(tc.id, tc.who)); diff != "" {
			t.Errorf("%s adds %s to %s: the membership changes:\n%s", tc.by, tc.who, tc.id, diff)
		}
	}
	members, refused := batch(t, w, "owner", "c", "DEFAULT", "owner", "spy", "ann")
	if !cmp.Equal(members, []string{"OWNER", "ANN"}) || !cmp.Equal(refused, []string{"Conflict"}) {
		t.Errorf("a batch of members: %q, refused: %q", members, refused)
	}
	if members, refused = batch(t, w, "owner", "hall", "DEFAULT", "ann"); !cmp.Equal(members, []string{"ANN"}) || refused != nil {
		t.Errorf("a batch of members of an elastic channel: %q, refused: %q", members, refused)
	}
	if log := w.Log(); len(log) > 0 {
		t.Errorf("the log has %q", log)
	}
	members, _ = batch(t, w, "owner", "c", "DEFAULT", "ann", "bob", "owner")
	if log := w.Log(); !cmp.Equal(members, []string{"ANN", "BOB", "OWNER"}) || !cmp.Equal(log, []string{"BATCH_CREATE_CHANNEL_MEMBERSHIP to members: BOB +bob"}) {
		t.Errorf("a batch with one who is new: %q, the log has %q", members, log)
	}
}

// TestAddingAHiddenMemberTellsNothing: a caller who may not see hidden members gets the answer that it
// gets for a user who is no member, and nothing changes.
func TestAddingAHiddenMemberTellsNothing(t *testing.T) {
	full := channel.Limits{}
	full.MembersPerChannel = 3
	busy := channel.Limits{}
	busy.MembershipsPerUser = 1
	for name, limits := range map[string]channel.Limits{"room for all": channel.Limits{}, "a full channel": full, "users with as many as they may have": busy} {
		t.Run(name, func(t *testing.T) {
			w := servicetest.New(t, "owner", "ann", "spy", "other")
			w.AddChannel("owner", "c", func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users("ann") })
			w.AddMember("owner", "c", "spy", messaging.ChannelMembershipTypeHidden)
			w.AddChannel("other", "elsewhere")
			w.Channels = channel.New(channel.Options{Store: w.Store, Site: w.Site, Now: w.Clock, Random: w.Random, Limits: limits, Jobs: w.Jobs})
			add := func(who string) string {
				resp, err := w.Channels.CreateChannelMembership(t.Context(), &messaging.CreateChannelMembershipRequest{
					ChannelARN: w.Channel("c"), MemberARN: w.User(who), Type: "DEFAULT", ChimeBearer: w.User("ann")})
				if err != nil {
					return err.Error()
				}
				return string(resp.AppendJSON(nil, 0))
			}
			addBoth := func(who string) string {
				resp, err := w.Channels.BatchCreateChannelMembership(t.Context(), &messaging.BatchCreateChannelMembershipRequest{
					ChannelARN: w.Channel("c"), MemberARNs: w.Users("ann", who), Type: "DEFAULT", ChimeBearer: w.User("ann")})
				if err != nil {
					return err.Error()
				}
				return string(resp.AppendJSON(nil, 0))
			}
			w.Log()
			hidden := []string{add("spy"), addBoth("spy")}
			if log := w.Log(); len(log) > 0 {
				t.Errorf("the log has %q", log)
			}
			var ordinary []string
			for _, f := range []func(string) string{add, addBoth} {
				ordinary = append(ordinary, replaced(f("other")))
				w.Channels.DeleteChannelMembership(t.Context(), &messaging.DeleteChannelMembershipRequest{
					ChannelARN: w.Channel("c"), MemberARN: w.User("other"), ChimeBearer: w.User("owner")})
			}
			if diff := cmp.Diff(ordinary, hidden); diff != "" {
				t.Errorf("adding one who is no member and one who is hidden differ:\n%s", diff)
			}
			shown := must(w.API.DescribeChannelMembership(t.Context(), &messaging.DescribeChannelMembershipRequest{
				ChannelARN: w.Channel("c"), MemberARN: w.User("spy"), ChimeBearer: w.User("owner")}))(t)
			if shown.ChannelMembership.Type != messaging.ChannelMembershipTypeHidden {
				t.Errorf("the hidden member is %s now", shown.ChannelMembership.Type)
			}
		})
	}
}

// replaced names the hidden member in what was answered for the other user.
func replaced(text string) string {
	return strings.NewReplacer("user/other", "user/spy", `"OTHER"`, `"SPY"`).Replace(text)
}
