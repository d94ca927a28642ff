package realtime

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// manyRemovals are more than a queue compares its frames with.
const manyRemovals = 600

// body shows a message of the store, or that there is none.
func body(r store.Reader, e *chime.Event) ([]byte, error) {
	m, found, err := store.Messages.Get(r, store.K("A", e.Channel, e.Object))
	if !found {
		return []byte(e.Object + " gone"), err
	}
	return []byte(e.Object + " " + m.Content), err
}

// desk is a Prefetcher whose details are the messages of the channel.
type desk struct{ store.Store }

func (d desk) Channels(context.Context, string, chime.Ref, string) ([]chime.ChannelEntry, error) {
	return []chime.ChannelEntry{{UID: "c"}, {UID: "d"}}, nil
}

func (d desk) AppendDetails(_ context.Context, b []byte, _ string, _ chime.Ref, at chime.ChannelEntry, _ bool) (payload []byte, ok bool, err error) {
	payload = append(b, "of "+at.UID...)
	err = d.View(context.Background(), "A", func(r store.Reader) error {
		return store.Messages.Each(r, store.Prefix(store.K("A", at.UID)), func(_ store.Key, m chime.Message) (bool, error) {
			payload = append(payload, " "+m.ID+" "+m.Content...)
			return true, nil
		})
	})
	return payload, true, err
}

func withMessages(o *Options) { o.Body, o.Prefetch = body, desk{o.Store} }

// say sends a message; its content is "secret" and the id.
func (w *world) say(channel, id string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		m := chime.Message{ID: id, Content: "secret" + id}
		if err := store.Messages.Put(tx, store.K("A", channel, id), m); err != nil {
			return err
		}
		return commitTo(tx, []chime.Event{{Type: chime.EventCreateMessage, Topic: chime.Topic{Channel: channel}, MessageType: "STANDARD", Object: id, Payload: []byte(id + " " + m.Content)}})
	})
}

// take away removes a message, or with an empty id all of the channel, and tells of it.
func (w *world) takeAway(kind, channel, id string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		key := store.K("A", channel)
		if id != "" {
			key = key.Str(id)
		}
		if err := store.Messages.DeletePrefix(tx, key); err != nil {
			return err
		}
		return commitTo(tx, []chime.Event{{Type: kind, Topic: chime.Topic{Channel: channel}, MessageType: "SYSTEM", Object: id, Payload: []byte(id)}})
	})
}

// What waits for a session when content is removed is not sent with it, and nothing else changes.
func TestWhatWaitsIsWithdrawn(t *testing.T) {
	const created = "CREATE_CHANNEL_MESSAGE "
	for name, tc := range map[string]struct {
		remove func(*world)
		want   []string
	}{
		"nothing": {func(*world) {}, []string{created + "1 secret1", created + "2 secret2", created + "3 secret3"}},
		"a redaction": {func(w *world) { w.takeAway(chime.EventRedactMessage, "c", "1") },
			[]string{created + "1 gone", created + "2 secret2", created + "3 secret3", "REDACT_CHANNEL_MESSAGE 1"}},
		"a deletion": {func(w *world) { w.takeAway(chime.EventDeleteMessage, "c", "2") },
			[]string{created + "1 secret1", created + "2 gone", created + "3 secret3", "DELETE_CHANNEL_MESSAGE 2"}},
		"the end of a channel": {func(w *world) { w.takeAway(chime.EventDeleteChannel, "c", "") },
			[]string{created + "1 gone", created + "2 gone", created + "3 secret3", "DELETE_CHANNEL "}},
		"a retention": {func(w *world) {
			w.update(func(tx store.Tx) error {
				if err := store.Messages.Delete(tx, store.K("A", "d", "3")); err != nil { // it is past its time
					return err
				}
				return commitTo(tx, []chime.Event{{Type: chime.EventPutRetention}})
			})
		}, []string{created + "1 secret1", created + "2 secret2", created + "3 gone"}},
		"very many": {func(w *world) {
			w.takeAway(chime.EventRedactMessage, "c", "1")
			for i := range manyRemovals {
				w.takeAway(chime.EventRedactMessage, "elsewhere", fmt.Sprint(i))
			}
		}, []string{created + "1 gone", created + "2 secret2", created + "3 secret3", "REDACT_CHANNEL_MESSAGE 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withMessages)
			w.commit(join("c", "ann"), join("d", "ann"))
			w.deliver()
			ann := newResumer(t, "ann")
			w.listen(ann, Grant{})
			w.say("c", "1")
			w.say("c", "2")
			w.say("d", "3")
			w.deliver()
			tc.remove(w)
			w.deliver()
			w.say("d", "last")
			w.deliver()
			for !slices.Contains(ann.events, created+"last secretlast") {
				ann.takeNext()
			}
			if got := ann.events[:len(ann.events)-1]; !slices.Equal(got, tc.want) {
				t.Errorf("received\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tc.want, "\n  "))
			}
		})
	}
}

// What comes after a removal is not made again for it, however long the session was quiet: a message
// that is not persistent could not be.
func TestWhatComesLaterStays(t *testing.T) {
	w := newWorld(t, withMessages)
	w.commit(join("c", "ann"))
	w.deliver()
	ann := newResumer(t, "ann")
	w.listen(ann, Grant{})
	ann.takeNext()
	for i := range manyRemovals {
		w.takeAway(chime.EventRedactMessage, "elsewhere", fmt.Sprint(i))
	}
	w.deliver()
	typing := chime.Event{Type: chime.EventCreateMessage, Topic: chime.Topic{App: "A", Channel: "c"}, MessageType: "CONTROL", Object: "live", Payload: []byte("live")}
	w.publish(typing)
	w.say("c", "1")
	w.deliver()
	w.publish(typing)
	w.commit(chime.Event{Type: chime.EventPutRetention})
	w.deliver()
	for len(ann.events) < 3 {
		ann.takeNext()
	}
	want := []string{"CREATE_CHANNEL_MESSAGE live", "CREATE_CHANNEL_MESSAGE 1 secret1", "CREATE_CHANNEL_MESSAGE live"}
	if !slices.Equal(ann.events, want) {
		t.Errorf("received %q, want %q", ann.events, want)
	}
}

// listen connects.
func (w *world) listen(r *resumer, g Grant) {
	w.t.Helper()
	g.App, g.User, g.SessionID = "A", chime.UserRef(r.user), "s"
	s, err := w.hub.Attach(context.Background(), g, r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Detach)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.session = s
}

// A piece of what was missed that was read already, and what was prefetched, are made again as well.
func TestWhatWasReadIsWithdrawn(t *testing.T) {
	w := newWorld(t, signed, withMessages)
	w.commit(join("c", "ann"), join("d", "ann"))
	w.deliver()
	ann := w.away("ann")
	w.say("c", "1")
	w.say("c", "2")
	w.deliver()
	w.listen(ann, Grant{Resume: true, ResumeFrom: ann.token, Prefetch: true})
	ann.takeNext() // SESSION_ESTABLISHED: the next piece is read
	ann.awaitReady()
	w.takeAway(chime.EventRedactMessage, "c", "1")
	w.deliver()
	for len(ann.notes) < 3 {
		ann.takeNext()
	}
	ann.awaitReady() // the details of c
	w.takeAway(chime.EventRedactMessage, "c", "2")
	w.deliver()
	for !slices.ContainsFunc(ann.events, func(e string) bool { return strings.HasPrefix(e, "CHANNEL_DETAILS of d") }) {
		ann.takeNext()
	}
	want := []string{"CREATE_CHANNEL_MESSAGE 1 gone", "CREATE_CHANNEL_MESSAGE 2 secret2"}
	if !slices.Equal(ann.events[:2], want) || !slices.Contains(ann.events, "CHANNEL_DETAILS of c") {
		t.Errorf("received %q", ann.events)
	}
}

// awaitReady waits until there is something to take.
func (r *resumer) awaitReady() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.ready {
		r.woken.Wait()
	}
}

// TestNothingRemovedIsTaken lets sessions be slow, resume and prefetch while messages come and are
// taken away: what a session takes after a removal was delivered does not have what was removed, and
// each gets every message once and in order.
func TestNothingRemovedIsTaken(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := openWorld(t, signed, withMessages)
		defer w.st.Close()
		w.commit(join("c", "ann", "bob"), join("d", "ann", "bob"))
		w.deliver()
		readers := []*resumer{newResumer(rt, "ann"), newResumer(rt, "bob")}
		for _, r := range readers {
			r.id = "s"
			r.attach(w.hub)
			r.take(1) // with its token
			defer func() { r.session.Detach() }()
		}
		var sent, gone []string
		checked := map[*resumer]int{}
		check := func(r *resumer) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, e := range r.events[checked[r]:] {
				for _, id := range gone {
					if strings.HasSuffix(e, "secret"+id) {
						rt.Fatalf("%s got %q after it was removed", r.user, e)
					}
				}
			}
			checked[r] = len(r.events)
		}
		for step := range rapid.IntRange(10, 60).Draw(rt, "steps") {
			r := readers[rapid.IntRange(0, 1).Draw(rt, "reader")]
			channel := rapid.SampledFrom([]string{"c", "d"}).Draw(rt, "channel")
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0, 1, 2, 3:
				sent = append(sent, fmt.Sprint(step))
				w.say(channel, fmt.Sprint(step))
				w.deliver()
			case 4, 5:
				if len(sent) > 0 {
					id := rapid.SampledFrom(sent).Draw(rt, "message")
					for _, at := range []string{"c", "d"} {
						w.takeAway(chime.EventRedactMessage, at, id)
					}
					gone = append(gone, id)
					w.deliver()
				}
			case 6:
				r.leave()
				r.attach(w.hub)
			default:
				r.take(rapid.IntRange(1, 5).Draw(rt, "frames"))
				check(r)
			}
		}
		w.say("c", "last")
		w.deliver()
		for _, r := range readers {
			for !slices.Contains(r.events, "CREATE_CHANNEL_MESSAGE last secretlast") {
				r.takeNext()
			}
			check(r)
			var got []string
			for _, e := range r.events {
				if text, is := strings.CutPrefix(e, "CREATE_CHANNEL_MESSAGE "); is {
					id, _, _ := strings.Cut(text, " ")
					got = append(got, id)
				}
			}
			if want := slices.Concat(sent, []string{"last"}); !slices.Equal(got, want) {
				rt.Fatalf("%s got %v, want %v", r.user, got, want)
			}
		}
	})
}
