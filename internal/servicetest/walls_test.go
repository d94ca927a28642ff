package servicetest_test

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// TestWallsOfSubChannels: reading a sub-channel takes a membership there or managing the channel. A
// caller who left, or never was a member, has no more than a member of another part, and learns of no
// sub-channel but its own. The hall has ann's friends in the part s1 and bob's in s2.
func TestWallsOfSubChannels(t *testing.T) {
	w := servicetest.New(t, "owner", "adm", "ann", "ada", "bob", "left", "out")
	w.MakeAdmin("adm")
	w.AddChannel("owner", "hall", servicetest.Elastic(2, 2, 10))
	for _, who := range []string{"ann", "ada", "bob", "left"} { // the third divides the hall
		w.AddMember("owner", "hall", who, messaging.ChannelMembershipTypeDefault)
	}
	w.Events()
	ctx := t.Context()
	sub := map[string]*string{}
	for _, who := range []string{"ann", "ada", "bob", "left"} {
		m := must(w.API.DescribeChannelMembership(ctx, &messaging.DescribeChannelMembershipRequest{
			ChannelARN: w.Channel("hall"), MemberARN: w.User(who), ChimeBearer: w.User("adm")}))(t)
		sub[who] = &m.ChannelMembership.SubChannelID
	}
	mate, far := "ada", "bob" // of ann, in her part and in the other
	if *sub["ann"] != *sub["ada"] {
		mate, far = far, mate
	}
	if *sub["ann"] != *sub[mate] || *sub["ann"] == *sub[far] {
		t.Fatalf("the parts are %v", sub)
	}
	text := w.Text(mate, "hall", "secret of the part")
	text.SubChannelID = sub[mate]
	message := w.Send(text)
	must(w.API.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{ChannelARN: w.Channel("hall"), MemberARN: w.User("left"), ChimeBearer: w.User("left")}))(t)
	unknown := "unknown"

	calls := map[string]func(me string, sub *string) error{
		"ListChannelMessages": func(me string, sub *string) error {
			_, err := w.API.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel("hall"), SubChannelID: sub, ChimeBearer: me})
			return err
		},
		"GetChannelMessage": func(me string, sub *string) error {
			_, err := w.API.GetChannelMessage(ctx, &messaging.GetChannelMessageRequest{ChannelARN: w.Channel("hall"), MessageID: message, SubChannelID: sub, ChimeBearer: me})
			return err
		},
		"GetChannelMessageStatus": func(me string, sub *string) error {
			_, err := w.API.GetChannelMessageStatus(ctx, &messaging.GetChannelMessageStatusRequest{ChannelARN: w.Channel("hall"), MessageID: message, SubChannelID: sub, ChimeBearer: me})
			return err
		},
		"UpdateChannelMessage": func(me string, sub *string) error {
			_, err := w.API.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{ChannelARN: w.Channel("hall"), MessageID: message, Content: "x", SubChannelID: sub, ChimeBearer: me})
			return err
		},
		"RedactChannelMessage": func(me string, sub *string) error {
			_, err := w.API.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel("hall"), MessageID: "none", SubChannelID: sub, ChimeBearer: me})
			return err
		},
		"DeleteChannelMessage": func(me string, sub *string) error {
			_, err := w.API.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{ChannelARN: w.Channel("hall"), MessageID: "none", SubChannelID: sub, ChimeBearer: me})
			return err
		},
		"SendChannelMessage": func(me string, sub *string) error {
			_, err := w.API.SendChannelMessage(ctx, &messaging.SendChannelMessageRequest{ChannelARN: w.Channel("hall"), Content: "x", SubChannelID: sub, ChimeBearer: me,
				ClientRequestToken: w.Token(), Type: messaging.ChannelMessageTypeStandard, Persistence: messaging.ChannelMessagePersistenceTypeNonPersistent})
			return err
		},
		"ListChannelMemberships": func(me string, sub *string) error {
			_, err := w.API.ListChannelMemberships(ctx, &messaging.ListChannelMembershipsRequest{ChannelARN: w.Channel("hall"), SubChannelID: sub, ChimeBearer: me})
			return err
		},
		"DescribeChannelMembership": func(me string, sub *string) error {
			_, err := w.API.DescribeChannelMembership(ctx, &messaging.DescribeChannelMembershipRequest{ChannelARN: w.Channel("hall"), MemberARN: w.User(mate), SubChannelID: sub, ChimeBearer: me})
			return err
		},
		"BatchCreateChannelMembership": func(me string, sub *string) error {
			_, err := w.API.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{ChannelARN: w.Channel("hall"), MemberARNs: []string{me}, SubChannelID: sub, ChimeBearer: me})
			return err
		},
	}
	// Who calls, and how it ends when the call names the part of the message, another, one that there is
	// not, and none.
	for call, rows := range map[string]map[string]string{
		"ListChannelMessages":          {"ann": "ok Forbidden Forbidden ok", far: "Forbidden ok Forbidden ok", "left": "Forbidden Forbidden Forbidden Forbidden", "out": "Forbidden Forbidden Forbidden Forbidden", "owner": "ok ok Forbidden BadRequest", "adm": "ok ok Forbidden BadRequest"},
		"GetChannelMessage":            {"ann": "ok Forbidden Forbidden ok", far: "Forbidden NotFound Forbidden NotFound", "left": "Forbidden Forbidden Forbidden Forbidden", "out": "Forbidden Forbidden Forbidden Forbidden", "owner": "ok NotFound NotFound BadRequest", "adm": "ok NotFound NotFound BadRequest"},
		"GetChannelMessageStatus":      {"ann": "Forbidden Forbidden Forbidden Forbidden", far: "Forbidden Forbidden Forbidden Forbidden", "left": "Forbidden Forbidden Forbidden Forbidden", "out": "Forbidden Forbidden Forbidden Forbidden"},
		"UpdateChannelMessage":         {"ann": "Forbidden Forbidden Forbidden Forbidden", far: "Forbidden Forbidden Forbidden Forbidden", "left": "Forbidden Forbidden Forbidden Forbidden", "out": "Forbidden Forbidden Forbidden Forbidden"},
		"RedactChannelMessage":         {"ann": "Forbidden Forbidden Forbidden Forbidden", far: "Forbidden Forbidden Forbidden Forbidden", "left": "Forbidden Forbidden Forbidden Forbidden", "out": "Forbidden Forbidden Forbidden Forbidden"},
		"DeleteChannelMessage":         {"ann": "Forbidden Forbidden Forbidden Forbidden", far: "Forbidden Forbidden Forbidden Forbidden", "left": "Forbidden Forbidden Forbidden Forbidden", "out": "Forbidden Forbidden Forbidden Forbidden", "adm": "ok ok Forbidden BadRequest"},
		"SendChannelMessage":           {"ann": "ok Forbidden Forbidden BadRequest", far: "Forbidden ok Forbidden BadRequest", "left": "Forbidden Forbidden Forbidden Forbidden", "out": "Forbidden Forbidden Forbidden Forbidden"},
		"ListChannelMemberships":       {"ann": "ok Forbidden Forbidden ok", far: "Forbidden ok Forbidden ok", "left": "Forbidden Forbidden Forbidden Forbidden", "out": "Forbidden Forbidden Forbidden Forbidden", "owner": "ok ok Forbidden ok", "adm": "ok ok Forbidden ok"},
		"DescribeChannelMembership":    {"ann": "ok Forbidden Forbidden ok", far: "Forbidden NotFound Forbidden NotFound", "left": "Forbidden Forbidden Forbidden Forbidden", "out": "Forbidden Forbidden Forbidden Forbidden", "owner": "ok NotFound NotFound ok", "adm": "ok NotFound NotFound ok"},
		"BatchCreateChannelMembership": {"left": "BadRequest BadRequest BadRequest -", "out": "BadRequest BadRequest BadRequest -"},
	} {
		for who, want := range rows {
			got := ""
			for i, named := range []*string{sub[mate], sub[far], &unknown, nil} {
				outcome := "-"
				if call != "BatchCreateChannelMembership" || i < 3 {
					outcome = servicetest.Outcome(calls[call](w.User(who), named))
				}
				got += " " + outcome
			}
			if got != " "+want {
				t.Errorf("%s by %s:%s, want %s", call, who, got, want)
			}
		}
	}
	t.Run("lists", func(t *testing.T) {
		for who, want := range map[string]int{"ann": 2, far: 1, "owner": 3} {
			resp := must(w.API.ListChannelMemberships(ctx, &messaging.ListChannelMembershipsRequest{ChannelARN: w.Channel("hall"), ChimeBearer: w.User(who)}))(t)
			if len(resp.ChannelMemberships) != want {
				t.Errorf("%s lists %d members, want %d", who, len(resp.ChannelMemberships), want)
			}
		}
	})
	t.Run("time of the last message", func(t *testing.T) {
		for who, shown := range map[string]bool{"ann": true, far: false, "out": false, "left": false, "owner": true, "adm": true} {
			resp := must(w.API.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: w.Channel("hall"), ChimeBearer: w.User(who)}))(t)
			if (resp.Channel.LastMessageTimestamp != nil) != shown {
				t.Errorf("%s is shown %v", who, resp.Channel.LastMessageTimestamp)
			}
			list := must(w.API.ListChannels(ctx, &messaging.ListChannelsRequest{AppInstanceARN: w.App, ChimeBearer: w.User(who)}))(t)
			if (list.Channels[0].LastMessageTimestamp != nil) != shown {
				t.Errorf("%s is shown %v in the list", who, list.Channels[0].LastMessageTimestamp)
			}
		}
	})
}
