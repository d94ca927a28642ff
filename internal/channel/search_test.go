package channel_test

import (
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

func field(w *servicetest.World, operator messaging.SearchFieldOperator, users ...string) messaging.SearchField {
	return messaging.SearchField{Key: messaging.SearchFieldKeyMembers, Operator: operator, Values: w.Users(users...)}
}

func search(w *servicetest.World, by string, limit int, fields ...messaging.SearchField) (names []string) {
	req := &messaging.SearchChannelsRequest{ChimeBearer: ptr(w.User(by)), Fields: fields, MaxResults: &limit}
	for {
		resp, err := w.Channels.SearchChannels(ctx, req)
		if err != nil {
			return append(names, servicetest.Outcome(err))
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

func TestSearchChannels(t *testing.T) {
	w := servicetest.New(t, "ann", "bob", "cy", "dee", "hid", "adm")
	w.MakeAdmin("adm")
	private := func(members ...string) func(*messaging.CreateChannelRequest) {
		return func(r *messaging.CreateChannelRequest) {
			r.Privacy, r.MemberARNs = messaging.ChannelPrivacyPrivate, w.Users(members...)
		}
	}
	w.AddChannel("ann", "ab", private("bob"))
	w.AddChannel("ann", "abc", private("bob", "cy"))
	w.AddChannel("bob", "b")
	w.AddChannel("bob", "bc", private("cy"))
	w.AddChannel("ann", "ab+hid", private("bob"))
	w.AddMember("ann", "ab+hid", "hid", isHidden)
	w.AddChannel("cy", "gone", private("ann", "bob"))
	if _, err := w.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel("gone"), ChimeBearer: w.User("cy")}); err != nil {
		t.Fatal(err)
	}
	w.AddChannel("ann", "elastic", servicetest.Elastic(2, 2, 1)) // which is never found
	w.AddMember("ann", "elastic", "cy", dflt)
	w.AddMember("ann", "elastic", "dee", dflt)
	const equals, includes = messaging.SearchFieldOperatorEquals, messaging.SearchFieldOperatorIncludes
	for _, tc := range []struct {
		name, by string
		fields   []messaging.SearchField
		want     []string
	}{
		{"the two of us", "ann", []messaging.SearchField{field(w, equals, "ann", "bob")}, []string{"ab", "ab+hid"}},
		{"in another order, doubled", "bob", []messaging.SearchField{field(w, equals, "bob", "ann", "bob")}, []string{"ab", "ab+hid"}},
		{"EQUALS without oneself", "ann", []messaging.SearchField{field(w, equals, "bob")}, nil},
		{"with bob", "ann", []messaging.SearchField{field(w, includes, "bob")}, []string{"ab", "abc", "ab+hid"}},
		{"with bob and cy", "ann", []messaging.SearchField{field(w, includes, "bob", "cy")}, []string{"abc"}},
		{"fields are joined with AND", "bob", []messaging.SearchField{field(w, includes, "bob"), field(w, includes, "cy")}, []string{"abc", "bc"}},
		{"EQUALS and INCLUDES", "bob", []messaging.SearchField{field(w, equals, "bob", "cy"), field(w, includes, "cy")}, []string{"bc"}},
		{"two EQUALS of other sizes", "bob", []messaging.SearchField{field(w, equals, "bob", "cy"), field(w, equals, "bob")}, nil},
		{"two EQUALS of one size", "bob", []messaging.SearchField{field(w, equals, "bob", "cy"), field(w, equals, "bob", "ann")}, nil},
		{"members of an elastic channel", "dee", []messaging.SearchField{field(w, includes, "cy")}, nil},
		{"channels of others", "dee", []messaging.SearchField{field(w, includes, "bob")}, nil},
		{"an admin finds all", "adm", []messaging.SearchField{field(w, includes, "bob")}, []string{"ab", "abc", "b", "bc", "ab+hid"}},
		{"an admin finds exactly", "adm", []messaging.SearchField{field(w, equals, "ann", "bob")}, []string{"ab", "ab+hid"}},
		{"hidden members are not found", "adm", []messaging.SearchField{field(w, includes, "hid")}, nil},
		{"hidden members find theirs", "hid", []messaging.SearchField{field(w, includes, "ann")}, []string{"ab+hid"}},
		{"who does not exist", "ann", []messaging.SearchField{field(w, includes, "nobody")}, []string{"Forbidden"}},
		{"no ARN of a user", "ann", []messaging.SearchField{{Key: "MEMBERS", Operator: includes, Values: []string{w.Channel("ab")}}}, []string{"BadRequest"}},
		{"no values", "ann", []messaging.SearchField{{Key: "MEMBERS", Operator: includes}}, []string{"BadRequest"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for limit := 1; limit <= 6; limit++ {
				if got := search(w, tc.by, limit, tc.fields...); !slices.Equal(got, tc.want) {
					t.Errorf("pages of %d: %v, want %v", limit, got, tc.want)
				}
			}
		})
	}
	_, err := w.Channels.SearchChannels(ctx, &messaging.SearchChannelsRequest{Fields: []messaging.SearchField{field(w, includes, "ann")}})
	if got := servicetest.Outcome(err); got != "BadRequest" {
		t.Errorf("without a bearer: %s", got)
	}
	one := 1
	req := &messaging.SearchChannelsRequest{ChimeBearer: ptr(w.User("ann")), Fields: []messaging.SearchField{field(w, includes, "bob")}, MaxResults: &one}
	resp, err := w.Channels.SearchChannels(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	req.NextToken, req.Fields = &resp.NextToken, []messaging.SearchField{field(w, includes, "cy")}
	if _, err := w.Channels.SearchChannels(ctx, req); servicetest.Outcome(err) != "BadRequest" {
		t.Errorf("a token of another search: %v", err)
	}
}
