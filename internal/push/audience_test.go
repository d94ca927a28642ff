package push_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// TestWhoGetsWhat: every user has a device of its name, and a message of ann to c has a notification.
func TestWhoGetsWhat(t *testing.T) {
	gcm := func(r *identityapi.RegisterAppInstanceUserEndpointRequest) {
		r.Type = identityapi.AppInstanceUserEndpointTypeGcm
	}
	voip := func(token string) func(*identityapi.RegisterAppInstanceUserEndpointRequest) {
		return func(r *identityapi.RegisterAppInstanceUserEndpointRequest) {
			r.EndpointAttributes.VoipDeviceToken = &token
		}
	}
	none := func(r *identityapi.RegisterAppInstanceUserEndpointRequest) {
		r.AllowMessages = identityapi.AllowMessagesNone
	}
	attributes := func(name string, values ...string) change {
		return func(r *messaging.SendChannelMessageRequest) {
			r.MessageAttributes = map[string]messaging.MessageAttributeValue{name: {StringValues: values}}
		}
	}
	for name, test := range map[string]struct {
		before func(*bed)
		send   []change
		after  func(b *bed, id string)
		want   string
	}{
		"members but for the sender": {send: []change{notify("t")}, want: "bob cy"},
		"no notification":            {want: ""},
		"control messages":           {send: []change{notify("t"), servicetest.Control}, want: "bob cy"},
		"hidden members": {before: func(b *bed) {
			b.AddMember("adm", "c", "adm", messaging.ChannelMembershipTypeHidden)
		}, send: []change{notify("t")}, want: "adm bob cy"},
		"members that joined later": {send: []change{notify("t")}, after: func(b *bed, _ string) {
			b.AddMember("ann", "c", "adm", messaging.ChannelMembershipTypeDefault)
		}, want: "bob cy"},
		"members that left":      {send: []change{notify("t")}, after: func(b *bed, _ string) { b.Remove("ann", "c", "cy") }, want: "bob"},
		"all devices":            {before: func(b *bed) { b.device("bob", "bob2", gcm) }, send: []change{notify("t")}, want: "bob bob2 cy"},
		"devices that opted out": {before: func(b *bed) { b.device("bob", "bob2", none) }, send: []change{notify("t")}, want: "bob cy"},
		"targeted messages": {send: []change{notify("t"), func(r *messaging.SendChannelMessageRequest) {
			arn := strings.Replace(r.ChimeBearer, "ann", "cy", 1)
			r.Target = []messaging.Target{{MemberARN: &arn}}
		}}, want: "cy"},
		"targeted to the sender": {send: []change{notify("t"), func(r *messaging.SendChannelMessageRequest) {
			r.Target = []messaging.Target{{MemberARN: &r.ChimeBearer}}
		}}, want: ""},
		"redacted before its turn": {send: []change{notify("t")}, after: func(b *bed, id string) { b.Redact("ann", "c", id) }, want: ""},
		"deleted before its turn":  {send: []change{notify("t")}, after: func(b *bed, id string) { b.Delete("adm", "c", id) }, want: ""},
		"edited before its turn": {send: []change{notify("t")}, after: func(b *bed, id string) {
			_, err := b.Messages.UpdateChannelMessage(b.t.Context(), &messaging.UpdateChannelMessageRequest{ChannelARN: b.Channel("c"), MessageID: id, Content: "new", ChimeBearer: b.User("ann")})
			if err != nil {
				b.t.Fatal(err)
			}
		}, want: "bob cy"},
		"in a channel that is gone": {send: []change{notify("t")}, after: func(b *bed, _ string) {
			if _, err := b.Channels.DeleteChannel(b.t.Context(), &messaging.DeleteChannelRequest{ChannelARN: b.Channel("c"), ChimeBearer: b.User("ann")}); err != nil {
				b.t.Fatal(err)
			}
		}, want: ""},
		"after an hour":    {send: []change{notify("t")}, after: func(b *bed, _ string) { b.Now = b.Now.Add(time.Hour) }, want: ""},
		"within an hour":   {send: []change{notify("t")}, after: func(b *bed, _ string) { b.Now = b.Now.Add(time.Hour - 1) }, want: "bob cy"},
		"preferences NONE": {before: func(b *bed) { b.prefer("bob", "NONE", "") }, send: []change{notify("t")}, want: "cy"},
		"preferences ALL":  {before: func(b *bed) { b.prefer("bob", "ALL", "") }, send: []change{notify("t")}, want: "bob cy"},
		"a filter that fits": {before: func(b *bed) { b.prefer("bob", "FILTERED", `{"mention":["bob"]}`) },
			send: []change{notify("t"), attributes("mention", "bob", "cy")}, want: "bob cy"},
		"a filter that does not": {before: func(b *bed) { b.prefer("bob", "FILTERED", `{"mention":["bob"]}`) },
			send: []change{notify("t"), attributes("mention", "cy")}, want: "cy"},
		"a filter without attributes": {before: func(b *bed) { b.prefer("bob", "FILTERED", `{"mention":["bob"]}`) }, send: []change{notify("t")}, want: "cy"},
		"a filter that is not used":   {before: func(b *bed) { b.prefer("bob", "ALL", `{"mention":["bob"]}`) }, send: []change{notify("t")}, want: "bob cy"},
		"who is online":               {before: func(b *bed) { b.online[chime.UserRef("bob")] = true }, send: []change{notify("t")}, want: "cy"},
		"a call to tokens of calls and to other types": {before: func(b *bed) {
			b.device("bob", "bob", voip("bob-voip"))
			b.device("cy", "cy2", gcm)
		}, send: []change{call("t")}, want: "bob-voip cy2"},
		"a call after a minute": {before: func(b *bed) { b.device("bob", "bob", voip("bob-voip")) }, send: []change{call("t")},
			after: func(b *bed, _ string) { b.Now = b.Now.Add(time.Minute) }, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			for _, user := range []string{"adm", "ann", "bob", "cy"} {
				b.device(user, user)
			}
			if test.before != nil {
				test.before(b)
			}
			id := b.say("ann", test.send...)
			if test.after != nil {
				test.after(b, id)
			}
			if got := b.pushed(); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestEditsPushNothing(t *testing.T) {
	b := newBed(t)
	b.device("bob", "bob")
	id := b.say("ann", notify("t"))
	if got := b.pushed(); got != "bob" {
		t.Fatal(got)
	}
	_, err := b.Messages.UpdateChannelMessage(t.Context(), &messaging.UpdateChannelMessageRequest{ChannelARN: b.Channel("c"), MessageID: id, Content: "new", ChimeBearer: b.User("ann")})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.pushed(); got != "" {
		t.Error(got)
	}
}

// TestMembersOfSubChannels: a message to a sub-channel is for its members alone.
func TestMembersOfSubChannels(t *testing.T) {
	b := newBed(t)
	b.AddChannel("ann", "e", servicetest.Elastic(5, 2, 10))
	for i := range 4 {
		user := fmt.Sprint("u", i)
		b.AddUser(user)
		b.device(user, user)
		b.AddMember("ann", "e", user, messaging.ChannelMembershipTypeDefault)
	}
	all := map[string]int{}
	list, err := b.Channels.ListSubChannels(t.Context(), &messaging.ListSubChannelsRequest{ChannelARN: b.Channel("e"), ChimeBearer: b.User("ann")})
	if err != nil || len(list.SubChannels) < 2 {
		t.Fatal(list, err)
	}
	for _, sub := range list.SubChannels {
		members, err := b.Channels.ListChannelMemberships(t.Context(), &messaging.ListChannelMembershipsRequest{ChannelARN: b.Channel("e"), ChimeBearer: b.User("ann"), SubChannelID: &sub.SubChannelID})
		if err != nil {
			t.Fatal(err)
		}
		sender, want := "", ""
		for _, m := range members.ChannelMemberships {
			_, user, _ := strings.Cut(m.Member.ARN, "/user/")
			if sender == "" && user != "ann" {
				sender = user
			} else if user != "ann" {
				want += user
			}
		}
		b.World.Say(sender, "e", "hello", notify("t"), func(r *messaging.SendChannelMessageRequest) { r.SubChannelID = &sub.SubChannelID })
		got := b.pushed()
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
		all[got]++
	}
	if len(all) != len(list.SubChannels) {
		t.Errorf("devices of sub-channels: %v", all)
	}
}
