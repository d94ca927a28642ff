package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/client"
)

func TestEventsAreToldToPeople(t *testing.T) {
	app := "arn:aws:chime:us-east-1:000000000000:app-instance/A"
	ann, bob := &client.Identity{ARN: app + "/user/ann", Name: "Ann"}, &client.Identity{ARN: app + "/user/bob"}
	said := func(text string) *client.ChannelMessage {
		return &client.ChannelMessage{Sender: ann, MessageID: "m1", Content: text, Type: client.ChannelMessageTypeStandard}
	}
	for _, test := range []struct {
		typ  string
		data any
		want string
	}{
		{client.EventCreateChannelMessage, said("hi\x1b[2J\n\u202eevil"), `Ann: hi\x1b[2J\n\u202eevil`},
		{client.EventCreateChannelMessage, &client.ChannelMessage{Sender: ann, Content: "T", Type: client.ChannelMessageTypeControl}, "control Ann: T"},
		{client.EventCreateChannelMessage, &client.ChannelMessage{
			Sender: ann, Type: client.ChannelMessageTypeStandard, ContentType: "application/amz-chime-lex-msgs",
			Content: `{"Messages":[{"Content":"Which?","ContentType":"PlainText"},{"ContentType":"ImageResponseCard","ImageResponseCard":{"Title":"Rooms","Subtitle":"two"}}]}`,
		}, "Ann: Which? Rooms two"},
		{client.EventCreateChannelMessage, &client.ChannelMessage{Sender: ann, Type: client.ChannelMessageTypeStandard, ContentType: "application/amz-chime-lex-msgs", Content: "x"}, "Ann: x"},
		{client.EventUpdateChannelMessage, said("new"), "edited Ann: new"},
		{client.EventRedactChannelMessage, said(""), "redacted Ann: m1"},
		{client.EventDeleteChannelMessage, said(""), "deleted Ann: m1"},
		{client.EventPendingCreateChannelMessage, said("x"), "pending Ann: x"},
		{client.EventDeniedUpdateChannelMessage, said("x"), "denied Ann: x"},
		{client.EventCreateChannelMessage, &client.ChannelMessage{Content: "of nobody"}, "?: of nobody"},
		{client.EventUpdateChannel, &client.Channel{Name: "General"}, "channel updated: General"},
		{client.EventDeleteChannel, &client.Channel{Name: "General"}, "channel deleted: General"},
		{client.EventCreateChannelMembership, &client.ChannelMembership{Member: bob}, "joined: bob"},
		{client.EventDeleteChannelMembership, &client.ChannelMembership{Member: ann}, "left: Ann"},
		{client.EventUpdateChannelMembership, &client.ChannelMembership{Member: ann, SubChannelID: "s2"}, "moved to sub-channel s2: Ann"},
		{client.EventBatchCreateChannelMembership, &client.BatchChannelMemberships{Members: []client.Identity{*ann, *bob}}, "joined: Ann, bob"},
		{client.EventTyping, &client.Typing{Sender: *ann}, "Ann is typing"},
		{client.EventUnreadCount, &client.UnreadCount{UnreadCount: 3}, "unread: 3"},
		{client.EventChannelPresence, &client.Presence{OnlineCount: 2, Online: []string{ann.ARN}, Offline: []string{bob.ARN}}, "online: 2 +ann -bob"},
		{"LATER_INVENTION", nil, `LATER_INVENTION {"ChannelArn":"` + app + `/channel/c"}`},
		{client.EventSessionEstablished, nil, ""},
		{client.EventSessionResumed, &client.Resumed{}, ""},
	} {
		var out strings.Builder
		l := printer{events: &out}
		if err := l.event(client.Event{Type: test.typ, Data: test.data, Payload: `{"ChannelArn":"` + app + `/channel/c"}`}); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		if test.want != "" {
			test.want = "#c " + test.want + "\n"
			if len(got) < 9 {
				t.Fatalf("%s: %q", test.typ, got)
			}
			if _, err := time.Parse(time.TimeOnly, got[:8]); err != nil {
				t.Errorf("%s: %v", test.typ, err)
			}
			got = got[9:]
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.typ, got, test.want)
		}
	}
}

func TestPresenceIsToldOnce(t *testing.T) {
	var out strings.Builder
	l := printer{events: &out}
	for _, e := range []client.Presence{
		{OnlineCount: 1, Online: []string{"u/bob"}},
		{OnlineCount: 1, Online: []string{"u/bob"}, Complete: true}, // what the one before has said
		{OnlineCount: 2, Online: []string{"u/ann"}},
		{OnlineCount: 2, Online: []string{"u/ann", "u/bob"}, Complete: true},
		{OnlineCount: 1, Offline: []string{"u/bob"}},
		{OnlineCount: 0, Offline: []string{"u/ann", "u/unseen"}},
		{OnlineCount: 1, Online: []string{"u/bob"}},
	} {
		if what := l.presence(&e); what != "" {
			out.WriteString(what + "\n")
		}
	}
	if want := "online: 1 +bob\nonline: 2 +ann\nonline: 1 -bob\nonline: 0 -ann -unseen\nonline: 1 +bob\n"; out.String() != want {
		t.Errorf("got %s, want %s", &out, want)
	}
	if what := l.presence(&client.Presence{ChannelARN: "empty", Complete: true}); what != "online: 0" {
		t.Errorf("of an empty channel: %q", what)
	}
}

func TestColors(t *testing.T) {
	var out strings.Builder
	l := printer{events: &out, color: true}
	_ = l.event(client.Event{Type: client.EventCreateChannelMessage, Data: &client.ChannelMessage{Sender: &client.Identity{Name: "Ann"}, Content: "x"}})
	if !strings.Contains(out.String(), "\x1b[32mAnn\x1b[0m: x") {
		t.Errorf("got %q", out.String())
	}
	for _, test := range []struct {
		mode string
		want bool
	}{{"always", true}, {"never", false}, {"auto", false}} { // a builder is no terminal
		if got := (Program{}).colors(test.mode, &out); got != test.want {
			t.Errorf("%s: %v", test.mode, got)
		}
	}
}
