package presence_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/presence"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// A session is sent the change of its first interval, then who is online, then the changes that follow.
func TestWhoIsOnlineComesBetweenTheChanges(t *testing.T) {
	l := live(t, "ann bob cy")
	l.AddChannel("ann", "c")
	l.AddMember("ann", "c", "bob", standard)
	l.AddMember("ann", "c", "cy", standard)
	ann := l.Connect("ann", chime.ExtraPresence)
	l.Flush()
	ann.ExpectInOrder("c: 1 online +ann", "c: 1 online +ann complete")
	bob := l.Connect("bob", chime.ExtraPresence)
	l.Flush()
	l.Connect("cy", 0)
	l.Flush()
	ann.ExpectInOrder("c: 2 online +bob", "c: 3 online +cy")
	bob.ExpectInOrder("c: 2 online +bob", "c: 2 online +ann +bob complete", "c: 3 online +cy")
	phone := l.Connect("bob", chime.ExtraPresence) // changes nothing for others
	l.Flush()
	ann.ExpectInOrder()
	phone.ExpectInOrder("c: 3 online +ann +bob +cy complete")
}

// Who is online is sent to a new member when it has its membership, though presence knew of it before.
func TestWhoIsOnlineFollowsTheMembership(t *testing.T) {
	l := live(t, "ann bob")
	l.AddChannel("ann", "c")
	l.AddChannel("ann", "d")
	l.Connect("ann", 0)
	bob := l.Connect("bob", chime.ExtraPresence)
	l.AddMember("ann", "c", "bob", standard)
	l.Flush()
	bob.Got()

	// A hidden member changes nothing for others: no change of the channel comes behind the membership.
	l.Ban("ann", "c", "bob")
	l.Deliver()
	l.AddMember("ann", "d", "bob", hidden)
	l.Presence.Flush(t.Context())
	bob.ExpectInOrder("DELETE_CHANNEL_MEMBERSHIP")
	l.Deliver()
	bob.ExpectInOrder("CREATE_CHANNEL_MEMBERSHIP", "d: 1 online +ann complete")
}

// What cannot be read is logged with its app instance and channel, and sent when it can.
func TestAFlushThatFailsIsTriedAgain(t *testing.T) {
	model, failing := memstore.New(), false
	defer model.Close()
	st := faulty.New(model, func(c faulty.Call) error {
		if failing && c.Op == faulty.Get && c.Table == store.Memberships.ID {
			return errors.New("the disk is on fire")
		}
		return nil
	})
	l := servicetest.LiveOver(t, st, chime.ExtraPresence, "ann", "bob", "cy")
	l.AddChannel("ann", "c")
	l.AddMember("ann", "c", "bob", standard)
	l.AddMember("ann", "c", "cy", standard)
	ann, cy := l.Connect("ann", chime.ExtraPresence), l.Connect("cy", 0)
	l.Flush()
	ann.Got()

	failing = true
	bob := l.Connect("bob", chime.ExtraPresence)
	cy.Session.Detach()
	l.Flush()
	ann.Expect()
	for _, part := range []string{"presence: flush failed, will retry", "app_instance=" + l.AppID(), "channel c", "the disk is on fire"} {
		if !strings.Contains(l.Log.String(), part) {
			t.Errorf("logged %q, want %q in it", l.Log.String(), part)
		}
	}
	l.Connect("bob", 0) // bob's other session still waits
	l.Flush()
	failing = false
	l.Flush()
	ann.Expect("c: 2 online +bob -cy")
	bob.Expect("c: 2 online +bob -cy", "c: 2 online +ann +bob complete")
}

// losing is a bus that loses all.
type losing struct{}

func (losing) Publish(string, uint64, ...chime.Event) {}

// Who is online waits for the change of its channel, but not for one that is lost.
func TestALostChangeKeepsNothingBack(t *testing.T) {
	l := live(t, "ann")
	lossy := presence.New(presence.Options{Store: l.Store, Bus: losing{}, Hub: l.Hub, Site: l.Site})
	l.AddChannel("ann", "c")
	ann := l.Connect("ann", chime.ExtraPresence)
	lossy.Flush(t.Context())
	l.Deliver()
	ann.Expect()
	lossy.Flush(t.Context())
	ann.Expect("c: 1 online +ann complete")
}

func TestChangesAreSentOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := live(t, "ann bob")
		l.AddChannel("ann", "c")
		l.AddMember("ann", "c", "bob", standard)
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan error)
		go func() { stopped <- l.Presence.Run(ctx) }()
		ann := l.Connect("ann", chime.ExtraPresence)
		interval := func() {
			time.Sleep(presence.DefaultInterval)
			synctest.Wait()
			l.Deliver()
		}
		interval()
		ann.Got()
		for range 10 {
			l.Connect("bob", 0).Session.Detach()
		}
		l.Connect("bob", 0)
		interval()
		ann.Expect("c: 2 online +bob")
		stop()
		if err := <-stopped; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}
