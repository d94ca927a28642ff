package push_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/push"
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

func TestNotification(t *testing.T) {
	b := newBed(t)
	b.device("bob", "bob")
	b.device("cy", "cy")
	b.say("ann")
	first := b.say("ann", notify("one"))
	b.Read("cy", "c")
	second := b.say("ann", notify("two"))
	if err := b.try(); err != nil {
		t.Fatal(err)
	}
	got := b.phones.take()
	if len(got) != 4 {
		t.Fatalf("%+v", got)
	}
	one, two := got[0], got[1]
	if one.MessageID != first {
		one, two = two, one
	}
	if one.Title != "one" || one.Body != "one!" || one.ChannelARN != b.Channel("c") || two.MessageID != second || one.Call {
		t.Errorf("%+v", one)
	}
	if want := b.Now.Add(-time.Second).Add(time.Hour); !one.Expires.Equal(want) {
		t.Errorf("expires %v, want %v", one.Expires, want)
	}
	if one.Collapse != two.Collapse || len(one.Collapse) != 32 || one.ID == two.ID {
		t.Errorf("%q and %q, %s and %s", one.Collapse, two.Collapse, one.ID, two.ID)
	}
	if cy := got[3]; two.Badge != 3 || cy.Badge != 1 {
		t.Errorf("badges %d and %d", two.Badge, cy.Badge)
	}

	data := one.Data()
	var body map[string]string
	if err := json.Unmarshal([]byte(data["pinpoint.jsonBody"]), &body); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"pinpoint.openApp": "true", "pinpoint.notification.title": "one", "pinpoint.notification.body": "one!",
		"pinpoint.campaign.campaign_id": "_DIRECT", "pinpoint.notification.silentPush": "0",
	} {
		if data[key] != want {
			t.Errorf("%s is %q", key, data[key])
		}
	}
	if len(body) != 2 || body["chime.message_id"] != first || body["chime.channel_arn"] != b.Channel("c") {
		t.Errorf("%v", body)
	}
}

// TestDevicesThatAreGone: the texts are AWS's, and the devices are INACTIVE until they register again.
func TestDevicesThatAreGone(t *testing.T) {
	for name, test := range map[string]struct {
		arn   string
		fault *push.Fault
		state string
		text  string
	}{
		"gone":                                {phones, &push.Fault{Kind: push.Gone}, "INACTIVE INVALID_DEVICE_TOKEN", "The specified resource was not found. AppInstanceUserEndpoint will be deactivated."},
		"of another application":              {phones, &push.Fault{Kind: push.Foreign}, "INACTIVE INVALID_PINPOINT_ARN", "The specified resource was not found. AppInstanceUserEndpoint will be deactivated."},
		"of an application that there is not": {unlisted, nil, "INACTIVE INVALID_PINPOINT_ARN", "The specified resource was not found. AppInstanceUserEndpoint will be deactivated."},
		"refused":                             {phones, &push.Fault{Kind: push.Refused}, "ACTIVE", "The request processing has failed because of an unknown error, exception or failure."},
		"gone before it registered":           {phones, &push.Fault{Kind: push.Gone, Since: time.Unix(1, 0)}, "ACTIVE", "The request processing has failed because of an unknown error, exception or failure."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			register := func() string {
				return b.device("bob", "bob", func(r *identityapi.RegisterAppInstanceUserEndpointRequest) { r.ResourceARN = test.arn })
			}
			id := register()
			b.phones.fail = func(string) error {
				if test.fault == nil {
					t.Error("the push service is asked")
				}
				return test.fault
			}
			began := b.position()
			b.say("ann", notify("t"))
			if got := b.pushed(); got != "" {
				t.Error(got)
			}
			if got := b.state("bob", id); got != test.state {
				t.Errorf("%s, want %s", got, test.state)
			}
			want := `Chime Messaging AppInstanceUserEndpoint Delivery Failure {"resourceArn":"` + b.User("bob") + `","endpointId":"` + id + `","failureReason":"` + test.text + `"}`
			if got := b.notices(began); len(got) != 1 || got[0] != want {
				t.Errorf("%q, want %q", got, want)
			}

			// It is asked no more, until it is registered again.
			tried := b.phones.tried
			b.say("ann", notify("t"))
			if b.pushed(); strings.HasPrefix(test.state, "INACTIVE") && b.phones.tried != tried {
				t.Error("an INACTIVE device is tried")
			}
			if again := register(); again != id || b.state("bob", id) != "ACTIVE" {
				t.Errorf("%s after it registered again", b.state("bob", id))
			}
		})
	}
}

// TestADeviceThatRegisteredMeanwhile stays as it is.
func TestADeviceThatRegisteredMeanwhile(t *testing.T) {
	b := newBed(t)
	id := b.device("bob", "bob")
	b.phones.fail = func(string) error {
		b.Now = b.Now.Add(time.Second)
		b.device("bob", "bob")
		return &push.Fault{Kind: push.Gone}
	}
	b.say("ann", notify("t"))
	if b.pushed(); b.state("bob", id) != "ACTIVE" {
		t.Error(b.state("bob", id))
	}
}

// TestAPushServiceThatIsAway is asked once by each device that is on its way, and later again.
func TestAPushServiceThatIsAway(t *testing.T) {
	for name, test := range map[string]struct {
		fault error
		text  string
	}{
		"away":        {fmt.Errorf("no route"), "The request processing has failed because of an unknown error, exception or failure."},
		"throttling":  {&push.Fault{Kind: push.Throttled, After: time.Minute}, "Too many requests sent to Amazon Pinpoint."},
		"denying":     {&push.Fault{Kind: push.Denied}, "Unable to send messages. Please verify IAM Permissions Policy on ServiceRoleForAmazonChimePushNotification."},
		"distrusting": {&push.Fault{Kind: push.Distrusted}, "Unable to send messages. Please verify IAM Trust Relationships on ServiceRoleForAmazonChimePushNotification."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			id := b.device("bob", "bob")
			b.device("cy", "cy")
			away := true
			b.phones.fail = func(string) error {
				if away {
					return test.fault
				}
				return nil
			}
			began := b.position()
			b.say("ann", notify("one"))
			for range 20 {
				if b.try() == nil {
					t.Fatal("it is given up")
				}
			}
			tried := b.phones.tried
			if name == "throttling" && tried > 2 {
				t.Errorf("it is asked %d times within the minute that it asked for", tried)
			}
			b.Now = b.Now.Add(time.Minute)
			away = false
			if got := b.pushed(); got != "bob cy" || len(b.notices(began)) != 0 {
				t.Errorf("%q, %v", got, b.notices(began))
			}

			// What is away for longer than the notification is of use.
			away = true
			b.say("ann", notify("two"))
			_ = b.try()
			b.Now = b.Now.Add(time.Hour)
			_ = b.try()
			b.Now = b.Now.Add(time.Hour)
			if got := b.pushed(); got != "" {
				t.Errorf("%q is sent an old notification", got)
			}
			got := b.notices(began)
			if len(got) != 2 || !strings.Contains(got[0]+got[1], test.text) || b.state("bob", id) != "ACTIVE" {
				t.Errorf("%q, and the device is %s", got, b.state("bob", id))
			}
		})
	}
}

func TestADeviceThatIsThrottled(t *testing.T) {
	b := newBed(t)
	b.device("bob", "bob")
	b.device("cy", "cy")
	b.phones.fail = func(token string) error {
		if token == "bob" {
			return &push.Fault{Kind: push.ThrottledDevice}
		}
		return nil
	}
	began := b.position()
	b.say("ann", notify("t"))
	failures := 0
	for b.try() != nil {
		failures++
	}
	if got := b.phones.tokens(); got != "cy" || failures != 4 || len(b.notices(began)) != 1 {
		t.Errorf("%q after %d failures, %v", got, failures, b.notices(began))
	}
}

// TestRestarts: a node that dies between rounds goes on where they ended, and sends nothing twice.
func TestRestarts(t *testing.T) {
	b := newBed(t)
	const members = 600
	for i := range members {
		user := fmt.Sprint("u", i)
		b.AddUser(user)
		b.AddMember("ann", "c", user, messaging.ChannelMembershipTypeDefault)
		b.device(user, user)
	}
	b.say("ann", notify("one"))
	b.say("ann", notify("two"))

	// The first round is done, and in the second the push service fails.
	failing := false
	b.phones.fail = func(string) error {
		if failing {
			return fmt.Errorf("away")
		}
		failing = len(b.phones.sent) == 299
		return nil
	}
	if b.try() == nil {
		t.Fatal("the push service failed")
	}
	got := map[string]int{}
	count := func() {
		for _, n := range b.phones.take() {
			got[n.token+" "+n.Title]++
		}
	}
	count()
	if len(got) < 256 || len(got) > 300 {
		t.Fatalf("%d devices are sent to before the push service failed", len(got))
	}

	// The next process has nothing but the store.
	b.phones.fail = nil
	b.start(push.Application{Name: "phones", Pattern: "*:apps/phones", Sender: b.phones})
	if err := b.try(); err != nil {
		t.Fatal(err)
	}
	count()
	for key, n := range got {
		if n != 1 {
			t.Errorf("%s is sent %d times", key, n)
		}
	}
	if len(got) != 2*members {
		t.Errorf("%d are sent, want %d", len(got), 2*members)
	}

	// What was handled is handed out again when the position behind it was not written.
	b.at = 0
	if b.pushed() != "" {
		t.Error("handled events are pushed again")
	}
}

// TestEventsInParts hands out what is left of a batch in smaller parts, as the kit does after failures.
func TestEventsInParts(t *testing.T) {
	b := newBed(t)
	b.device("bob", "bob")
	b.device("cy", "cy")
	failing := true
	b.phones.fail = func(token string) error {
		if failing && token == "cy" {
			return &push.Fault{Kind: push.ThrottledDevice}
		}
		return nil
	}
	for _, title := range []string{"one", "two", "three"} {
		b.say("ann", notify(title))
	}
	events := b.events()
	for range 2 {
		if b.handle.Handle(t.Context(), b.AppID(), events) == nil {
			t.Fatal("cy is throttled")
		}
	}
	failing = false
	for i := range events {
		if err := b.handle.Handle(t.Context(), b.AppID(), events[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.phones.tokens(); got != "bob bob bob cy cy cy" {
		t.Error(got)
	}
}

// TestMessagesThatAreNotPersistent are pushed from memory.
func TestMessagesThatAreNotPersistent(t *testing.T) {
	b := newBed(t)
	b.device("ann", "ann")
	b.device("bob", "bob")
	b.device("cy", "cy")
	attempts := 0
	b.phones.fail = func(token string) error {
		if token != "bob" {
			return nil
		}
		if attempts++; attempts < 3 {
			return &push.Fault{Kind: push.Unavailable}
		}
		return &push.Fault{Kind: push.Gone}
	}
	began := b.position()
	b.say("ann", notify("t"), live)
	b.say("ann", live)
	if b.position() != began {
		t.Error("the message is in the log")
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.push.Run(ctx) }()
	for b.push.Counts()[0].Gone == 0 || b.push.Counts()[0].Delivered == 0 {
		runtime.Gosched()
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := b.phones.tokens(); got != "cy" || attempts != 3 || len(b.notices(began)) != 1 {
		t.Errorf("%q, %d attempts, %v", got, attempts, b.notices(began))
	}
}

func TestAFullQueueDrops(t *testing.T) {
	q := push.NewQueue()
	for range 10_003 {
		q.Notify("app", chime.ChannelEntry{}, new(chime.Message))
	}
	if q.Dropped() != 3 {
		t.Errorf("%d are dropped", q.Dropped())
	}
}

// TestApplications: of two whose patterns stand for the ARN, the first that takes the device pushes.
func TestApplications(t *testing.T) {
	b := newBed(t)
	android, other := &service{types: []string{"GCM"}}, &service{types: []string{"GCM", "APNS"}}
	b.start(
		push.Application{Name: "android", Pattern: "*:apps/phones", Sender: android},
		push.Application{Name: "other", Pattern: "*", Sender: other},
	)
	b.device("bob", "bob")
	b.device("cy", "cy", func(r *identityapi.RegisterAppInstanceUserEndpointRequest) {
		r.Type = identityapi.AppInstanceUserEndpointTypeGcm
	})
	b.say("ann", notify("t"))
	events := b.events()
	for _, f := range b.push.Followers() {
		if err := f.Handle(t.Context(), b.AppID(), events); err != nil {
			t.Error(err)
		}
	}
	if a, o := android.tokens(), other.take(); a != "cy" || len(o) != 1 || o[0].token != "bob" || o[0].Badge != -1 {
		t.Errorf("%s, %+v", a, o)
	}
}
