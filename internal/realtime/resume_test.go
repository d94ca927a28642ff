package realtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

func TestResumeGivesWhatWasMissed(t *testing.T) {
	w := newWorld(t, signed)
	w.commit(join("c", "ann", "bob"), message("c", "1"))
	w.deliver()
	ann := newResumer(t, "ann")
	ann.attach(w.hub)
	w.commit(message("c", "2"))
	w.deliver()
	ann.take(100)
	ann.leave()
	w.commit(message("c", "3"), message("d", "not ann's"), leave("c", "ann"), message("c", "4"), join("d", "ann"), message("d", "5"))
	w.deliver()
	ann.attach(w.hub)
	w.commit(message("d", "6"))
	w.deliver()
	ann.settle()
	want := []string{"MSG 2", "MSG 3", "LEAVE ann", "JOIN ann", "MSG 5", "MSG 6"}
	if !slices.Equal(ann.events, want) {
		t.Errorf("received %q, want %q", ann.events, want)
	}
	if want := []string{"SESSION_ESTABLISHED", "SESSION_ESTABLISHED", "SESSION_RESUMED"}; !slices.Equal(ann.notes, want) {
		t.Errorf("told %q, want %q", ann.notes, want)
	}
	ann.leave()
}

func TestResumeIsRefusedAloud(t *testing.T) {
	w := newWorld(t, signed)
	w.commit(join("c", "ann", "bob"))
	w.deliver()
	ann := w.away("ann")
	w.commit(message("c", "1"), message("c", "2"), message("c", "3"))
	w.deliver()
	token := ann.token
	old := newWorld(t, signed) // one that was put back to an earlier time
	for _, c := range []struct {
		name, user, from, reason string
		at                       *world
	}{
		{"somebody else's", "bob", token, "OTHER_USER", w},
		{"nonsense", "ann", "nonsense", "INVALID", w},
		{"changed", "ann", token[:10] + "AAAA" + token[14:], "INVALID", w},
		{"position that is none", "ann", token + ".x", "INVALID", w},
		{"position to come", "ann", token + ".99999", "INVALID", w},
		{"log of another time", "ann", token + ".3", "INVALID", old},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newResumer(t, c.user)
			r.attachFrom(c.at.hub, c.from)
			r.settle()
			want := []string{"SESSION_ESTABLISHED", "SESSION_NOT_RESUMED " + c.reason}
			if !slices.Equal(r.notes, want) || len(r.events) > 0 {
				t.Errorf("told %q and %q, want %q", r.notes, r.events, want)
			}
			c.at.commit(join("e", c.user))
			c.at.deliver()
			r.take(10)
			if !slices.Equal(r.events, []string{"JOIN " + c.user}) {
				t.Errorf("live after the refusal: %q", r.events)
			}
			r.leave()
			c.at.commit(leave("e", c.user), message("e", "missed"))
			c.at.deliver()
			r.notes = nil
			r.attach(c.at.hub)
			r.settle()
			if last := r.notes[len(r.notes)-1]; last != "SESSION_RESUMED" || len(r.events) != 2 {
				t.Errorf("with the new token: %s and %q", last, r.events)
			}
			r.leave()
		})
	}
	w.update(func(tx store.Tx) error { return tx.TrimEvents(2) })
	ann.attach(w.hub)
	ann.settle()
	if want := "SESSION_NOT_RESUMED EXPIRED"; ann.notes[len(ann.notes)-1] != want || len(ann.events) > 0 {
		t.Errorf("after the log was trimmed: told %q and %q, want %q", ann.notes, ann.events, want)
	}
	w.commit(message("c", "4"))
	w.deliver()
	ann.take(10)
	if !slices.Equal(ann.events, []string{"MSG 4"}) {
		t.Errorf("live after a refusal: %q", ann.events)
	}
	ann.leave()
}

// TestResumeOfAnotherUserOfTheSameName: a user who was made again is somebody else.
func TestResumeOfAnotherUserOfTheSameName(t *testing.T) {
	w := newWorld(t, signed)
	w.commit(join("c", "ann"))
	w.deliver()
	ann := w.away("ann")
	w.commit(message("c", "to the former"), leave("c", "ann"))
	w.update(func(tx store.Tx) error {
		order, err := tx.Append(chime.Event{Topic: chime.Topic{App: "A"}, Type: chime.EventCreateUser, Subject: chime.UserRef("ann")})
		if err != nil {
			return err
		}
		return store.Users.Put(tx, store.K("A", "ann"), chime.User{ID: "ann", Order: order})
	})
	w.deliver()
	ann.attach(w.hub)
	ann.settle()
	if want := "SESSION_NOT_RESUMED OTHER_USER"; ann.notes[len(ann.notes)-1] != want || len(ann.events) > 0 {
		t.Errorf("told %q and %q, want %q", ann.notes, ann.events, want)
	}
	ann.leave()
}

func TestTokensFollowTheLog(t *testing.T) {
	w := newWorld(t, signed)
	w.commit(join("c", "ann"))
	w.deliver()
	ann := newResumer(t, "ann")
	ann.attach(w.hub)
	ann.take(10)
	first := ann.token
	ann.session.Beat()
	ann.take(10)
	if ann.token != first {
		t.Error("a new token though nothing happened")
	}
	w.commit(message("d", "elsewhere"))
	w.deliver()
	ann.session.Beat()
	ann.take(10)
	if ann.token == first {
		t.Error("no new token though the log went on")
	}
	ann.leave()
	w.update(func(tx store.Tx) error { return tx.TrimEvents(2) })
	w.commit(message("c", "1"))
	w.deliver()
	ann.attach(w.hub)
	ann.settle()
	if !slices.Equal(ann.events, []string{"MSG 1"}) {
		t.Errorf("with the newer token: %q", ann.events)
	}
	ann.leave()
}

// A client that comes and goes as it likes has in the end what one has that stayed.
func TestResumeIsExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := openWorld(t, signed, func(o *Options) { o.MaxQueueBytes = rapid.SampledFrom([]int{1 << 20, 700}).Draw(rt, "queue") })
		defer w.st.Close()
		channels := []chime.Topic{{App: "A", Channel: "c"}, {App: "A", Channel: "d"}, {App: "A", Channel: "e", Sub: "s1"}, {App: "A", Channel: "e", Sub: "s2"}}
		in := func(key chime.Topic, e chime.Event) chime.Event {
			e.Channel, e.Sub = key.Channel, key.Sub
			return e
		}
		members := make(map[chime.Topic]map[string]bool)
		for _, key := range channels {
			members[key] = map[string]bool{}
		}
		dead := map[string]bool{}
		users := []string{"ann", "bob"}
		stays, comes := newResumer(rt, "ann"), newResumer(rt, "ann")
		stays.id, comes.id = "stays", "comes"
		stays.attach(w.hub)
		comes.attach(w.hub)
		comes.take(1) // a client without a token has nothing to resume
		n := 0
		for range rapid.IntRange(5, 60).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0, 1, 2, 3:
				for range rapid.IntRange(1, 5).Draw(rt, "messages") {
					n++
					key := rapid.SampledFrom(channels).Draw(rt, "channel")
					e := in(key, message("", fmt.Sprint(n)))
					switch rapid.IntRange(0, 5).Draw(rt, "kind") {
					case 0:
						e.Only = refs([]string{rapid.SampledFrom(users).Draw(rt, "only")})
					case 1:
						e.Also = refs([]string{rapid.SampledFrom(users).Draw(rt, "also")})
					case 2:
						e.Sub = ""
					case 3:
						e.MessageType = ""
					}
					if !dead[key.Channel] {
						w.commit(e)
					}
				}
			case 4, 5:
				key, user := rapid.SampledFrom(channels).Draw(rt, "channel"), rapid.SampledFrom(users).Draw(rt, "user")
				if dead[key.Channel] {
					break
				}
				n++
				e := in(key, join("", user))
				if members[key][user] {
					e = in(key, leave("", user))
				}
				e.Payload = []byte(fmt.Sprint(user, n))
				if rapid.Bool().Draw(rt, "quietly") {
					e.Only = refs([]string{user})
				}
				members[key][user] = !members[key][user]
				w.commit(e)
			case 6:
				key := rapid.SampledFrom(channels).Draw(rt, "channel")
				if dead[key.Channel] || rapid.IntRange(0, 3).Draw(rt, "really") > 0 {
					break
				}
				dead[key.Channel] = true
				w.commit(chime.Event{Type: chime.EventDeleteChannel, Topic: chime.Topic{Channel: key.Channel}, MessageType: "SYSTEM"})
				for _, key := range channels {
					for _, user := range users {
						if members[key][user] && dead[key.Channel] {
							members[key][user] = false
							w.commit(chime.Event{Type: chime.EventEndMemberships, Topic: chime.Topic{Channel: key.Channel, Sub: key.Sub}, Leave: refs([]string{user})})
						}
					}
				}
			case 7:
				w.deliverEach(func() { stays.take(10) })
			case 8:
				comes.take(rapid.IntRange(0, 4).Draw(rt, "frames"))
			case 9:
				comes.leave()
				comes.attach(w.hub)
				if rapid.Bool().Draw(rt, "beat") {
					comes.session.Beat()
				}
			}
		}
		w.deliverEach(func() { stays.take(10) })
		comes.leave()
		comes.notes = nil
		comes.attach(w.hub)
		comes.settle()
		if !slices.Equal(stays.events, comes.events) {
			rt.Errorf("who came and went has\n  %s\nwho stayed has\n  %s", strings.Join(comes.events, "\n  "), strings.Join(stays.events, "\n  "))
		}
		comes.leave()
		stays.leave()
	})
}

// gated is a store whose views wait.
type gated struct {
	store.Store
	gate chan struct{}
}

func (g *gated) View(ctx context.Context, app string, f func(store.Reader) error) error {
	<-g.gate
	return g.Store.View(ctx, app, f)
}

// More comes than the queue holds while the replay runs, and the last event is on its way to the
// queue when the replay, which has it too, ends.
func TestReplayThatIsOvertaken(t *testing.T) {
	open := make(chan struct{})
	close(open)
	g := &gated{gate: open}
	var onFrame func(text string)
	w := newWorld(t, signed, func(o *Options) {
		g.Store = o.Store
		o.Store, o.MaxQueueBytes = g, 700
		o.Frame = func(text []byte, _ bool) []byte {
			if onFrame != nil {
				onFrame(string(text))
			}
			return text
		}
	})
	w.commit(join("c", "ann"))
	w.deliver()
	w.attach("ann", "another socket")
	ann := w.away("ann")

	var want []string
	more := func(n int) {
		for range n {
			text := fmt.Sprint(len(want))
			w.commit(message("c", text))
			want = append(want, "MSG "+text)
		}
	}
	more(5)
	w.deliver()
	g.gate = make(chan struct{}, 1)
	g.gate <- struct{}{} // for the look at the user, which comes before the replay
	ann.attach(w.hub)
	ann.take(1) // so that the replay begins
	more(50)
	w.commit(message("c", "last"))
	want = append(want, "MSG last")
	var last atomic.Bool
	onFrame = func(text string) {
		if strings.Contains(text, "last") && last.CompareAndSwap(false, true) {
			close(g.gate)
			ann.settle()
		}
	}
	w.deliver()
	more(1)
	w.deliver()
	ann.take(10)
	if !slices.Equal(ann.events, want) {
		t.Errorf("received %q, want %q", ann.events, want)
	}
	ann.leave()
}

// TestResumeOnAnotherNode: that node may be behind what the client has.
func TestResumeOnAnotherNode(t *testing.T) {
	w := newWorld(t, signed)
	w.commit(join("c", "ann"))
	other := &world{t: t, st: w.st, bus: w.bus, cur: w.stream()}
	options := w.hub.env.Options
	options.Follow = func(context.Context, string) (uint64, func(), error) { return other.at.Load(), func() {}, nil }
	other.hub = New(options)
	other.attach("ann", "another socket")

	ann := newResumer(t, "ann")
	ann.id = "ann"
	ann.attach(w.hub)
	w.commit(message("c", "1"), message("c", "2"))
	w.deliver()
	ann.take(10)
	ann.leave()
	ann.attach(other.hub)
	w.commit(message("c", "3"))
	other.deliver()
	ann.settle()
	if want := []string{"MSG 1", "MSG 2", "MSG 3"}; !slices.Equal(ann.events, want) {
		t.Errorf("received %q, want %q", ann.events, want)
	}
	ann.leave()
}
