package push_test

import (
	"fmt"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/push"
)

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
