package realtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMembersGetTheEventsOfTheirChannels(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c1", "ann", "bob"), join("c2", "bob"), message("c1", "before"))
	w.deliver()
	ann, bob, phone := w.attach("ann", "1"), w.attach("bob", "1"), w.attach("bob", "2")
	w.commit(message("c1", "one"), message("c2", "two"))
	w.expect(ann, "MSG one")
	w.expect(bob, "MSG one", "MSG two")
	w.expect(phone, "MSG one", "MSG two")
}

func TestMembershipChangesInTheOrderOfTheLog(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c", "ann"))
	w.deliver()
	ann, bob := w.attach("ann", "1"), w.attach("bob", "1")
	w.commit(message("c", "1"), join("c", "bob"), message("c", "2"), leave("c", "bob"), message("c", "3"), leave("c", "ann"), message("c", "4"))
	w.expect(ann, "MSG 1", "JOIN bob", "MSG 2", "LEAVE bob", "MSG 3", "LEAVE ann")
	w.expect(bob, "JOIN bob", "MSG 2", "LEAVE bob")
}

func TestAudience(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c", "ann", "bob"))
	w.deliver()
	ann, bob, cy := w.attach("ann", "1"), w.attach("bob", "1"), w.attach("cy", "1")
	targeted := message("c", "targeted")
	targeted.Only = refs([]string{"ann", "ann", "cy"})
	also := message("c", "also")
	also.Also = refs([]string{"ann", "cy"})
	internal := message("c", "internal")
	internal.MessageType = ""
	w.commit(targeted, also, internal)
	w.expect(ann, "MSG targeted", "MSG also")
	w.expect(bob, "MSG also")
	w.expect(cy, "MSG also")
}

func TestNothingFollowsTheDeletionOfAChannel(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c", "ann"))
	w.deliver()
	ann := w.attach("ann", "1")
	w.commit(chime.Event{Type: chime.EventDeleteChannel, Topic: chime.Topic{Channel: "c"}, MessageType: "SYSTEM"}, message("c", "late"))
	w.expect(ann, "DELETE_CHANNEL")
}

func TestEphemeralEventsKeepTheirPlace(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c", "ann"))
	w.deliver()
	ann := w.attach("ann", "1")
	typing := message("c", "typing")
	typing.App, typing.Ephemeral = "A", true
	w.commit(message("c", "1"))
	w.publish(typing)
	w.commit(message("c", "2"))
	w.expect(ann, "MSG 1", "MSG typing", "MSG 2")
}

// A user that was deleted gets no session, although its older ones have not ended yet, or have not been told to.
func TestADeletedUserThatIsStillOnline(t *testing.T) {
	for name, delivered := range map[string]bool{"delivered": true, "not delivered": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			old := w.attach("ann", "1")
			w.update(func(tx store.Tx) error { return store.Users.Delete(tx, store.K("A", "ann")) })
			w.commit(chime.Event{Type: chime.EventDeleteUser, Subject: chime.UserRef("ann")})
			if delivered {
				w.deliver()
			}
			_, err := w.hub.Attach(t.Context(), Grant{App: "A", User: chime.UserRef("ann"), SessionID: "2"}, new(socket))
			var refused *CloseError
			if !errors.As(err, &refused) || refused.Code != CloseUnauthorized {
				t.Errorf("attached with %v, want %d", err, CloseUnauthorized)
			}
			w.deliver()
			if old.closed == nil || old.closed.Code != CloseForbidden {
				t.Errorf("the session of before was closed with %v", old.closed)
			}
		})
	}
}

func TestDeletedUserIsClosed(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.attach("ann", "1"), w.attach("bob", "1")
	w.commit(chime.Event{Type: chime.EventDeleteUser, Subject: chime.UserRef("ann")})
	w.deliver()
	if ann.closed == nil || ann.closed.Code != CloseForbidden {
		t.Errorf("closed with %v", ann.closed)
	}
	w.commit(chime.Event{Type: chime.EventDeleteAppInstance})
	w.deliver()
	if bob.closed == nil || bob.closed.Code != CloseForbidden {
		t.Errorf("closed with %v", bob.closed)
	}
}

func TestRefusedSessions(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxSessionsPerUser = 2 })
	w.attach("ann", "1")
	w.attach("ann", "2")
	for name, tc := range map[string]struct {
		user chime.Ref
		code int
	}{
		"over the limit": {chime.UserRef("ann"), CloseForbidden},
		"unknown user":   {chime.UserRef("dave"), CloseUnauthorized},
		"bot":            {chime.BotRef("ann"), CloseUnauthorized},
	} {
		_, err := w.hub.Attach(context.Background(), Grant{App: "A", User: tc.user, SessionID: "3"}, new(socket))
		var refused *CloseError
		if !errors.As(err, &refused) || refused.Code != tc.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := w.hub.Stats(); s.Sessions != 2 || s.Users != 1 {
		t.Errorf("%d sessions of %d users are left", s.Sessions, s.Users)
	}
}

func TestSlowReaderIsClosedAndTheOthersAreNot(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxQueueBytes = 2000 })
	w.commit(join("c", "ann", "bob"))
	w.deliver()
	ann, bob := w.attach("ann", "1"), w.attach("bob", "1")
	ann.stopped = true
	for i := range 20 {
		w.commit(message("c", fmt.Sprintf("%0200d", i)))
		w.deliver()
		bob.read(t)
	}
	if ann.closed == nil || ann.closed.Code != CloseInternalError || bob.closed != nil {
		t.Errorf("slow closed with %v, other with %v", ann.closed, bob.closed)
	}
	if got := len(bob.read(t)); got != 21 {
		t.Errorf("the other got %d frames", got)
	}
}

// late is a store in which something happens right after each View.
type late struct {
	store.Store
	happens func()
}

func (l late) View(ctx context.Context, app string, f func(store.Reader) error) error {
	err := l.Store.View(ctx, app, f)
	l.happens()
	return err
}

// What comes while a user's channels are being read reaches the session, or the session ends:
// nothing is left out in silence.
func TestWhatDoesNotFitWhileAttachingClosesTheSession(t *testing.T) {
	for n, fits := range map[int]bool{5: true, 20: false} {
		var w *world
		w = newWorld(t, func(o *Options) {
			o.MaxQueueBytes = 2000
			o.Store = late{o.Store, func() {
				for i := range n {
					w.commit(message("c", fmt.Sprintf("%0200d", i)))
				}
				w.deliver()
			}}
		})
		w.commit(join("c", "ann"))
		w.deliver()
		s := w.attach("ann", "1")
		if fits && (s.closed != nil || len(s.read(t)) != n+1) || !fits && (s.closed == nil || s.closed.Code != CloseInternalError) {
			t.Errorf("%d messages: closed with %v, %d frames", n, s.closed, len(s.read(t)))
		}
	}
}

func TestNobodyAttachesToADeletedAppInstance(t *testing.T) {
	w := newWorld(t)
	w.update(func(tx store.Tx) error { return store.AppInstances.Delete(tx, store.K("A")) })
	_, err := w.hub.Attach(context.Background(), Grant{App: "A", User: chime.UserRef("ann"), SessionID: "1"}, new(socket))
	var refused *CloseError
	if !errors.As(err, &refused) || refused.Code != CloseUnauthorized {
		t.Errorf("got %v", err)
	}
}

func TestDetachForgetsTheUser(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c", "ann"))
	w.deliver()
	s := w.attach("ann", "1")
	s.session.Detach()
	s.session.Detach()
	w.expectNoRoster()
}

// TestNoGapWhenAttaching attaches again and again while members come and go and messages are
// sent, and proves from each socket's frames that nothing is missing or doubled: while a user
// is a member, numbers follow one another without a gap.
func TestNoGapWhenAttaching(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c", "ann"))
	w.deliver()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			events, err := w.cur.Next(ctx)
			if err != nil {
				return
			}
			w.hand(events)
		}
	})
	running.Go(func() { // numbered messages; bob comes and goes
		for n := 1; ctx.Err() == nil; n++ {
			events := []chime.Event{message("c", fmt.Sprint(n))}
			switch n % 7 {
			case 2:
				events = append(events, join("c", "bob"))
			case 5:
				events = append(events, leave("c", "bob"))
			}
			if err := w.st.Update(ctx, "A", func(tx store.Tx) error { return commitTo(tx, events) }); err != nil {
				return
			}
		}
	})
	for i := range 40 {
		for _, user := range []string{"ann", "bob"} {
			s := w.attach(user, "s")
			for len(s.read(t)) < 2+i%9 && s.closed == nil {
				// bob's turn comes as the writer goes on
			}
			s.session.Detach()
			checkNumbers(t, s.read(t))
		}
	}
	cancel()
	running.Wait()
}

func checkNumbers(t *testing.T, frames []string) {
	t.Helper()
	if frames[0] != "SESSION_ESTABLISHED" {
		t.Fatalf("the first frame is %s", frames[0])
	}
	last := -1
	for i, f := range frames {
		var n int
		if _, err := fmt.Sscanf(f, "MSG %d", &n); err == nil {
			if last >= 0 && n != last+1 {
				t.Fatalf("%d follows %d in %v", n, last, frames[:i+1])
			}
			last = n
		}
		if f == "LEAVE bob" {
			last = -1
		}
	}
}

// TestAnEventForSomeIsForMembersAlone: a message that is not persistent is announced after its
// target was found to be a member, and the target may be removed in between.
func TestAnEventForSomeIsForMembersAlone(t *testing.T) {
	w := newWorld(t)
	w.commit(join("c", "ann", "bob"), in("s1", join("d", "ann", "bob")))
	w.deliver()
	ann, bob := w.attach("ann", "1"), w.attach("bob", "1")
	psst := message("c", "psst")
	psst.Only = refs([]string{"ann", "bob"})
	aside := in("s1", psst)
	aside.Channel = "d"
	w.commit(psst, leave("c", "bob"), psst)
	w.commit(moved("d", "bob", "s1", "s2")...)
	w.commit(aside)
	w.expect(ann, "MSG psst", "LEAVE bob", "MSG psst", "MSG psst")
	w.expect(bob, "MSG psst", "LEAVE bob", "MOVED bob")
}

// gate is a store whose views wait, after they have read, until they may return.
type gate struct {
	store.Store
	read, pass chan struct{}
}

func (g gate) View(ctx context.Context, app string, f func(store.Reader) error) error {
	err := g.Store.View(ctx, app, f)
	g.read <- struct{}{}
	<-g.pass
	return err
}

// TestWhatComesWhileAttaching: events that are delivered after the memberships of a user were read
// and before it is on the roster reach it by the same rules as all others.
func TestWhatComesWhileAttaching(t *testing.T) {
	g := gate{read: make(chan struct{}), pass: make(chan struct{})}
	w := newWorld(t, func(o *Options) {
		g.Store = o.Store
		o.Store = g
	})
	w.commit(join("c", "ann", "bob"))
	w.deliver()
	bob, attached := new(socket), make(chan error)
	go func() {
		var err error
		bob.session, err = w.hub.Attach(context.Background(), Grant{App: "A", User: chime.UserRef("bob"), SessionID: "1"}, bob)
		attached <- err
	}()
	<-g.read
	for _, only := range []string{"ann", "bob"} {
		e := message("c", "for "+only)
		e.Only = refs([]string{only})
		w.commit(e)
	}
	late := message("c", "late")
	late.Only = refs([]string{"bob"})
	w.commit(message("c", "for all"), leave("c", "bob"), late, message("c", "behind"))
	w.deliver()
	close(g.pass)
	if err := <-attached; err != nil {
		t.Fatal(err)
	}
	defer bob.session.Detach()
	w.expect(bob, "MSG for bob", "MSG for all", "LEAVE bob")
}
