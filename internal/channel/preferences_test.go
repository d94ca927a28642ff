package channel_test

import (
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

func pushed(allow messaging.AllowNotifications, rule string) *messaging.ChannelMembershipPreferences {
	p := &messaging.PushNotificationPreferences{AllowNotifications: allow}
	if rule != "" {
		p.FilterRule = &rule
	}
	return &messaging.ChannelMembershipPreferences{PushNotifications: p}
}

func shownPreferences(p *messaging.ChannelMembershipPreferences) string {
	text := string(p.PushNotifications.AllowNotifications)
	if p.PushNotifications.FilterRule != nil {
		text += " " + *p.PushNotifications.FilterRule
	}
	return text
}

func TestPreferences(t *testing.T) {
	w := servicetest.New(t, "ann", "bob")
	w.AddChannel("ann", "c", func(r *messaging.CreateChannelRequest) { r.MemberARNs = w.Users("bob") })
	get := func() string {
		t.Helper()
		resp, err := w.Channels.GetChannelMembershipPreferences(ctx, &messaging.GetChannelMembershipPreferencesRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), ChimeBearer: w.User("bob")})
		if err != nil || resp.Member.Name != "BOB" || resp.ChannelARN != w.Channel("c") {
			t.Fatalf("%+v, %v", resp, err)
		}
		return shownPreferences(resp.Preferences)
	}
	if got := get(); got != "ALL" {
		t.Errorf("before the first put: %s", got)
	}
	const rule = `{"mention":["Bob"]}`
	for _, tc := range []struct {
		name string
		put  *messaging.ChannelMembershipPreferences
		want string // the answer; or how it was refused
	}{
		{"filtered", pushed("FILTERED", rule), "FILTERED " + rule},
		{"filtered without a rule", pushed("FILTERED", ""), "BadRequest"},
		{"a rule that is none", pushed("FILTERED", `{"mention":"Bob"}`), "BadRequest"},
		{"a rule beyond 2 KB", pushed("FILTERED", `{"mention":["`+strings.Repeat("x", 2048)+`"]}`), "BadRequest"},
		{"a rule that is none, not in force", pushed("NONE", `[]`), "BadRequest"},
		{"a rule that is not in force", pushed("ALL", rule), "ALL " + rule},
		{"none", pushed("NONE", ""), "NONE"},
		{"nothing", &messaging.ChannelMembershipPreferences{}, "ALL"},
	} {
		before := get()
		resp, err := w.Channels.PutChannelMembershipPreferences(ctx, &messaging.PutChannelMembershipPreferencesRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), Preferences: tc.put, ChimeBearer: w.User("bob")})
		if err != nil {
			if got := servicetest.Outcome(err); got != tc.want || get() != before {
				t.Errorf("%s: %v, then %s", tc.name, err, get())
			}
			continue
		}
		if got := shownPreferences(resp.Preferences); got != tc.want || get() != tc.want || resp.Member.Name != "BOB" {
			t.Errorf("%s: %s, then %s", tc.name, got, get())
		}
	}
	w.Log()
	if _, err := w.Channels.PutChannelMembershipPreferences(ctx, &messaging.PutChannelMembershipPreferencesRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), Preferences: pushed("NONE", ""), ChimeBearer: w.User("bob")}); err != nil {
		t.Fatal(err)
	}
	expect(t, "log", w.Log(), []string{"PUT_CHANNEL_MEMBERSHIP_PREFERENCES bob"})
	if _, err := w.Channels.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{ChannelARN: w.Channel("c"), MemberARN: w.User("bob"), ChimeBearer: w.User("bob")}); err != nil {
		t.Fatal(err)
	}
	w.AddMember("bob", "c", "bob", dflt)
	if got := get(); got != "ALL" {
		t.Errorf("after leaving and joining: %s", got)
	}
}

func TestExpirationSettings(t *testing.T) {
	w := servicetest.New(t, "ann", "bob")
	w.AddChannel("ann", "c")
	w.Log()
	put := func(settings *messaging.ExpirationSettings, bearer *string) (*messaging.PutChannelExpirationSettingsResponse, error) {
		return w.Channels.PutChannelExpirationSettings(ctx, &messaging.PutChannelExpirationSettingsRequest{ChannelARN: w.Channel("c"), ChimeBearer: bearer, ExpirationSettings: settings})
	}
	described := func() *messaging.ExpirationSettings {
		t.Helper()
		resp, err := w.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann")})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Channel.ExpirationSettings
	}
	if _, err := put(nil, nil); servicetest.Outcome(err) != "BadRequest" {
		t.Errorf("without a bearer: %v", err)
	}
	settings := &messaging.ExpirationSettings{ExpirationDays: 5, ExpirationCriterion: messaging.ExpirationCriterionLastMessageTimestamp}
	resp, err := put(settings, ptr(w.User("ann")))
	if err != nil || *resp.ExpirationSettings != *settings || resp.ChannelARN != w.Channel("c") {
		t.Errorf("%+v, %v", resp, err)
	}
	if got := described(); got == nil || *got != *settings {
		t.Errorf("described: %+v", got)
	}
	if resp, err := put(nil, ptr(w.User("ann"))); err != nil || resp.ExpirationSettings != nil || described() != nil {
		t.Errorf("removed: %+v, %v", resp, err)
	}
	expect(t, "log", w.Log(), []string{"UPDATE_CHANNEL_EXPIRATION_SETTINGS ann", "UPDATE_CHANNEL_EXPIRATION_SETTINGS ann"})
}
