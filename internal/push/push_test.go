package push_test

import (
	"context"
	"encoding/json"
	"runtime"
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/push"
)

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
