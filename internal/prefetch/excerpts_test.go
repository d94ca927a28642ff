package prefetch_test

import (
	"math/rand/v2"
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/prefetch"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/unread"
)

// What is kept from one user to the next is never told when it no longer holds: whatever happens,
// details are those that a service finds that keeps nothing yet.
func TestKeptExcerptsHold(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	onEach(t, "ann bob cy dan spy", func(w *world) {
		w.AddChannel("ann", "c")
		w.AddMember("ann", "c", "bob", standard)
		w.AddMember("ann", "c", "spy", hidden)
		life := newLife(w, seed)
		for n := range 400 {
			what := life.step()
			for _, user := range life.people {
				for _, at := range w.places(user, "") {
					_, got := w.details(user, at, true)
					fresh := *w
					fresh.prefetch = prefetch.New(w.Store, w.Channels, w.Messages, unread.NewCounter(w.Channels, w.Messages))
					if _, want := fresh.details(user, at, true); got != want {
						w.t.Fatalf("step %d, %s: %s is told\n%s, not\n%s", n, what, user, got, want)
					}
				}
			}
		}
	})
}

// life makes things happen in channel "c" of ann. What is refused is no matter.
type life struct {
	*world
	rnd    *rand.Rand
	people []string
	ids    []string
}

func newLife(w *world, seed uint64) *life {
	return &life{world: w, rnd: rand.New(rand.NewPCG(seed, 0)), people: []string{"ann", "bob", "cy", "dan", "spy"}}
}

func (l *life) step() (what string) {
	l.Now = l.Now.Add(time.Duration(l.rnd.IntN(90)) * time.Minute)
	who, other := l.people[l.rnd.IntN(len(l.people))], l.people[l.rnd.IntN(len(l.people))]
	me, c := l.User(who), l.Channel("c")
	happenings := []struct {
		what string
		do   func()
	}{
		{"a message", func() { l.send(l.Text(who, "c", "x")) }},
		{"another message", func() { l.send(l.Text(who, "c", "y")) }},
		{"a targeted message", func() { r := l.Text(who, "c", "z"); l.To(other)(r); l.send(r) }},
		{"an edit", func() {
			l.API.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{ChannelARN: c, MessageID: l.some(), Content: l.Token(), ChimeBearer: me})
		}},
		{"a redaction", func() {
			l.API.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: c, MessageID: l.some(), ChimeBearer: me})
		}},
		{"a deletion", func() {
			l.API.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{ChannelARN: c, MessageID: l.some(), ChimeBearer: l.User("adm")})
		}},
		{"a new member", func() {
			l.API.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{ChannelARN: c, MemberARN: me, Type: standard, ChimeBearer: l.User("adm")})
		}},
		{"new members", func() {
			l.API.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{ChannelARN: c, MemberARNs: l.Users("cy", "dan"), ChimeBearer: l.User("adm")})
		}},
		{"a member less", func() {
			l.API.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{ChannelARN: c, MemberARN: me, ChimeBearer: l.User("adm")})
		}},
		{"a read marker", func() {
			l.API.UpdateChannelReadMarker(ctx, &messaging.UpdateChannelReadMarkerRequest{ChannelARN: c, ChimeBearer: me})
		}},
		{"a new name", func() {
			l.must(l.Identity.UpdateAppInstanceUser(ctx, &identityapi.UpdateAppInstanceUserRequest{AppInstanceUserARN: me, Name: l.Token()}))
		}},
		{"a new channel name", func() {
			name := l.Token()
			l.must(l.API.UpdateChannel(ctx, &messaging.UpdateChannelRequest{ChannelARN: c, Name: &name, ChimeBearer: l.User("adm")}))
		}},
		{"a retention", func() { l.Retain(1 + l.rnd.IntN(2)) }},
		{"no retention", func() { l.Retain(0) }},
		{"a shorter log", func() {
			l.must(nil, l.Store.Update(ctx, l.AppID(), func(tx store.Tx) error { return tx.TrimEvents(l.position()) }))
		}},
	}
	h := happenings[l.rnd.IntN(len(happenings))]
	h.do()
	return h.what
}

func (l *life) send(req *messaging.SendChannelMessageRequest) {
	if resp, err := l.Messages.SendChannelMessage(ctx, req); err == nil {
		l.ids = append(l.ids, resp.MessageID)
	}
}

// some is the id of one of the latest messages.
func (l *life) some() string {
	if len(l.ids) == 0 {
		return "none"
	}
	latest := l.ids[max(0, len(l.ids)-8):]
	return latest[l.rnd.IntN(len(latest))]
}

// The next holder of an id gives old messages no new name.
func TestKeptExcerptsAndPeopleWhoComeAgain(t *testing.T) {
	onEach(t, "ann bob", func(w *world) {
		w.AddChannel("ann", "c")
		w.AddMember("ann", "c", "bob", standard)
		w.Say("bob", "c", "hello")
		at := w.places("ann", "")[0]
		for _, name := range []string{"BOB", "BOB", "BOB"} {
			d, _ := w.details("ann", at, false)
			w.expect("name of the sender", d.ChannelMessages[0].Sender.Name, name)
			switch len(d.ChannelMemberships) {
			case 2:
				w.must(w.Identity.DeleteAppInstanceUser(ctx, &identityapi.DeleteAppInstanceUserRequest{AppInstanceUserARN: w.User("bob")}))
				w.must(nil, w.Channels.RemoveUser(ctx, app(w.World), chime.UserRef("bob"), w.position()))
			case 1:
				w.must(w.Identity.CreateAppInstanceUser(ctx, &identityapi.CreateAppInstanceUserRequest{
					AppInstanceARN: w.App, AppInstanceUserID: "bob", Name: "Robert", ClientRequestToken: w.Token()}))
			}
		}
	})
}

func TestKeptExcerptsAndHiddenMembers(t *testing.T) {
	onEach(t, "ann spy", func(w *world) {
		w.AddChannel("ann", "c")
		w.AddMember("ann", "c", "spy", hidden)
		for range 2 {
			w.expect("members that the hidden one sees", w.first("spy").members(), "")
			w.expect("members that the others see", w.first("ann").members(), "ann")
		}
	})
}

func TestKeptExcerptsAndRetention(t *testing.T) {
	onEach(t, "ann", func(w *world) {
		w.AddChannel("ann", "c")
		w.Retain(1)
		w.Say("ann", "c", "hello")
		w.expect("messages", w.first("ann").contents(), "hello")
		w.Now = w.Now.Add(25 * time.Hour)
		w.expect("messages a day later", w.first("ann").contents(), "")
	})
}
