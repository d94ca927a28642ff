package follow_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

func TestMain(m *testing.M) {
	if isChild() {
		child()
	}
	goleak.VerifyTestMain(m)
}

// bed is a store in which followers are tested, in virtual time.
type bed struct {
	t     *testing.T
	store store.Store
	log   *lockedBuffer
}

func inBed(t *testing.T, test func(t *testing.T, b *bed)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bed{t: t, store: memstore.New(), log: new(lockedBuffer)}
		defer b.store.Close()
		test(t, b)
	})
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) addApp(app string) {
	b.t.Helper()
	b.list(func(tx store.Tx, next uint64) error {
		return store.AppInstancesInOrder.Put(tx, store.Key(nil).Num(next), app)
	})
	b.must(b.store.Update(b.t.Context(), app, func(tx store.Tx) error {
		if err := store.AppInstances.Put(tx, store.K(app), chime.AppInstance{ID: app}); err != nil {
			return err
		}
		_, err := tx.Append(chime.Event{Type: chime.EventCreateAppInstance, Topic: chime.Topic{App: app}})
		return err
	}))
}

func (b *bed) removeApp(app string) {
	b.t.Helper()
	b.must(b.store.Update(b.t.Context(), app, func(tx store.Tx) error {
		if err := store.AppInstances.Delete(tx, store.K(app)); err != nil {
			return err
		}
		_, err := tx.Append(chime.Event{Type: chime.EventDeleteAppInstance, Topic: chime.Topic{App: app}})
		return err
	}))
	b.list(func(tx store.Tx, _ uint64) error {
		return store.AppInstancesInOrder.Each(tx, store.Range{}, func(key store.Key, listed string) (bool, error) {
			if listed == app {
				return false, store.AppInstancesInOrder.Delete(tx, key)
			}
			return true, nil
		})
	})
}

// list changes the account's list of app instances.
func (b *bed) list(change func(tx store.Tx, next uint64) error) {
	b.t.Helper()
	b.must(b.store.Update(b.t.Context(), "", func(tx store.Tx) error {
		next, err := tx.Append(chime.Event{Type: chime.EventUpdateAppInstances})
		if err != nil {
			return err
		}
		return change(tx, next)
	}))
}

// say appends events to channels of an app instance, given as "channel:text", in one transaction, and
// returns the position of the last.
func (b *bed) say(app string, events ...string) (position uint64) {
	b.t.Helper()
	b.must(b.store.Update(b.t.Context(), app, func(tx store.Tx) (err error) {
		for _, e := range events {
			channel, _, _ := strings.Cut(e, ":")
			position, err = tx.Append(chime.Event{
				Type: chime.EventUpdateChannel, Time: chime.At(time.Now()),
				Topic: chime.Topic{App: app, Channel: channel}, Payload: []byte(e),
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	return position
}

// node starts a runner over the store, as a node of that name.
func (b *bed) node(name string, st store.Store, followers ...follow.Follower) (r *follow.Runner, stop func()) {
	b.t.Helper()
	r, err := follow.New(follow.Options{
		Store: st, Node: name, Log: slog.New(slog.NewTextHandler(b.log, nil)).With("node", name), Random: rand.Reader,
		Body: func(_ store.Reader, e *chime.Event) ([]byte, error) { return []byte("present " + e.Object), nil },
	}, followers...)
	b.must(err)
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	return r, sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
	})
}

// position is where a follower stands in the store.
func (b *bed) position(app, follower string) uint64 {
	b.t.Helper()
	var record chime.Following
	b.must(b.store.View(b.t.Context(), app, func(r store.Reader) (err error) {
		record, _, err = store.Followings.Get(r, store.K(app, follower))
		return err
	}))
	return record.Position
}

// notes is what a follower was handed, in order.
type notes struct {
	mu    sync.Mutex
	texts []string
	sizes []int // of batches
	fail  func(ctx context.Context, texts []string) error
}

func (n *notes) handle(ctx context.Context, app string, events []*chime.Event) error {
	var texts []string
	for _, e := range events {
		if e.Channel != "" {
			texts = append(texts, app+"/"+string(e.Payload))
		}
	}
	if n.fail != nil {
		if err := n.fail(ctx, texts); err != nil {
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts, n.sizes = append(n.texts, texts...), append(n.sizes, len(events))
	return nil
}

// take returns what was handed over since the last call, once all that can go on has.
func (n *notes) take() string {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	texts := strings.Join(n.texts, " ")
	n.texts, n.sizes = nil, nil
	return texts
}

func (n *notes) expect(t *testing.T, want string) {
	t.Helper()
	if got := n.take(); got != want {
		t.Errorf("handled %q, want %q", got, want)
	}
}

// follower follows channels from the beginning, into notes.
func (n *notes) follower(name string) follow.Follower {
	return follow.Follower{Name: name, Handle: n.handle, Wants: func(e *chime.Event) bool { return e.Channel != "" }}
}

// failOn fails while a text is among those handed over.
func failOn(text string) func(context.Context, []string) error {
	return func(_ context.Context, texts []string) error {
		if slices.Contains(texts, text) {
			return errors.New("cannot do " + text)
		}
		return nil
	}
}

func TestEveryAppInstanceIsFollowed(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		b.addApp("a")
		b.say("a", "c:1", "d:2")
		_, stop := b.node("one", b.store, n.follower("f"))
		defer stop()
		n.expect(t, "a/c:1 a/d:2")
		b.say("a", "c:3")
		n.expect(t, "a/c:3")
		b.addApp("b")
		b.say("b", "c:1")
		n.expect(t, "b/c:1")
		b.removeApp("a")
		b.addApp("c")
		b.say("c", "x:9")
		n.expect(t, "c/x:9")
	})
}

func TestGoesOnWhereItWas(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n, late notes
		b.addApp("a")
		b.say("a", "c:1")
		_, stop := b.node("one", b.store, n.follower("f"))
		n.expect(t, "a/c:1")
		stop()
		b.say("a", "c:2")
		ending := late.follower("late")
		ending.Start = follow.End
		_, stop = b.node("one", b.store, n.follower("f"), ending)
		n.expect(t, "a/c:2")
		late.expect(t, "")
		stop()
		b.say("a", "c:3")
		_, stop = b.node("one", b.store, n.follower("f"), ending)
		defer stop()
		n.expect(t, "a/c:3")
		late.expect(t, "a/c:3")
		b.addApp("b")
		b.say("b", "c:1")
		late.expect(t, "b/c:1")
	})
}

func TestBatchesAreBounded(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		b.addApp("a")
		b.say("a", "c:1", "c:2", "c:3", "c:4", "c:5", "c:"+strings.Repeat("x", 100), "c:6", "c:7")
		f := n.follower("f")
		f.BatchEvents, f.BatchBytes = 3, 50
		_, stop := b.node("one", b.store, f)
		defer stop()
		synctest.Wait()
		n.mu.Lock()
		defer n.mu.Unlock()
		if want := []int{3, 2, 1, 2}; !slices.Equal(n.sizes, want) {
			t.Errorf("batches of %v, want %v", n.sizes, want)
		}
	})
}

// The events around one that cannot be handled are, in their order; the event is a dead letter in the end.
func TestAnEventThatFailsBecomesADeadLetter(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		n.fail = failOn("a/c:3")
		b.addApp("a")
		bad := b.say("a", "c:1", "d:2", "c:3")
		b.say("a", "c:4", "d:5")
		r, stop := b.node("one", b.store, n.follower("f"))
		defer stop()
		n.expect(t, "")
		time.Sleep(30 * time.Second)
		n.expect(t, "a/c:1 a/d:2")
		if letters, err := r.DeadLetters(t.Context(), "a", "", 0); len(letters) > 0 || err != nil {
			t.Errorf("given up too early: %+v, %v", letters, err)
		}
		time.Sleep(10 * time.Minute)
		n.expect(t, "a/c:4 a/d:5")

		letters, err := r.DeadLetters(t.Context(), "a", "f", 0)
		if err != nil || len(letters) != 1 {
			t.Fatalf("dead letters %+v, %v", letters, err)
		}
		l := letters[0]
		if l.Time == 0 || l.Follower != "f" || l.Position != bad || l.Kind != chime.EventUpdateChannel || l.Topic != (chime.Topic{App: "a", Channel: "c"}) ||
			l.Attempts != follow.DefaultMaxAttempts || l.LastError != "cannot do a/c:3" {
			t.Errorf("dead letter %+v", l)
		}
		if !strings.Contains(b.log.String(), "dead letter") {
			t.Errorf("log: %s", b.log)
		}
	})
}

// A failure that passes costs time alone.
func TestAFailureThatPassesLosesNothing(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		away := time.Now().Add(2 * time.Minute)
		n.fail = func(context.Context, []string) error {
			if time.Now().Before(away) {
				return errors.New("the receiver is away")
			}
			return nil
		}
		b.addApp("a")
		var want []string
		for i := range 250 {
			b.say("a", fmt.Sprintf("c:%d", i))
			want = append(want, fmt.Sprintf("a/c:%d", i))
		}
		r, stop := b.node("one", b.store, n.follower("f"))
		defer stop()
		time.Sleep(10 * time.Minute)
		n.expect(t, strings.Join(want, " "))
		if s := status(t, r)[0]; s.Retries == 0 || s.DeadLetters != 0 || s.Behind != 0 || len(s.Failing) != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestOneThatFailsForEverDelaysNoOther(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var good, bad notes
		bad.fail = func(_ context.Context, texts []string) error {
			if strings.HasPrefix(texts[0], "a/") {
				panic("always")
			}
			return nil
		}
		b.addApp("a")
		b.addApp("b")
		never := bad.follower("bad")
		never.MaxAttempts = -1
		r, stop := b.node("one", b.store, never, good.follower("good"))
		defer stop()
		for range 3 {
			b.say("a", "c:1")
			b.say("b", "c:1")
			if got := good.take(); !strings.Contains(got, "a/c:1") || !strings.Contains(got, "b/c:1") {
				t.Errorf("the good follower has %q", got)
			}
			bad.expect(t, "b/c:1")
			time.Sleep(24 * time.Hour)
		}
		s := status(t, r)[0]
		if s.Behind == 0 || s.Oldest < 72*time.Hour || s.Worst != "a" || s.Failing["a"].Error != "panic: always" || s.Failing["a"].Attempts < 1000 {
			t.Errorf("status %+v", s)
		}
		if s := status(t, r)[1]; s.Behind != 0 || s.Oldest != 0 || s.AppInstances != 2 {
			t.Errorf("status %+v", s)
		}
	})
}

func status(t *testing.T, r *follow.Runner) []follow.Status {
	t.Helper()
	list, err := r.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// What was removed from a message while an event of it waited for a retry is not handed out.
func TestRetriesHaveThePresentContent(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		tries := 0
		n.fail = func(_ context.Context, texts []string) error {
			if tries++; tries == 1 {
				if texts[0] != "a/first" {
					t.Errorf("at first %q", texts)
				}
				return errors.New("later")
			}
			return nil
		}
		b.addApp("a")
		_, stop := b.node("one", b.store, n.follower("f"))
		defer stop()
		synctest.Wait()
		b.must(b.store.Update(t.Context(), "a", func(tx store.Tx) error {
			_, err := tx.Append(chime.Event{
				Type: chime.EventCreateMessage, Topic: chime.Topic{App: "a", Channel: "c"}, Object: "m", Payload: []byte("first"),
			})
			return err
		}))
		time.Sleep(time.Minute)
		n.expect(t, "a/present m")
	})
}

func TestDeadLettersAreReplayed(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		n.fail = failOn("a/c:2")
		b.addApp("a")
		bad := b.say("a", "c:1", "c:2")
		b.say("a", "c:3")
		f := n.follower("f")
		f.MaxAttempts = 1
		r, stop := b.node("one", b.store, f)
		defer stop()
		time.Sleep(time.Minute)
		n.expect(t, "a/c:1 a/c:3")

		replay := func(follower string, position uint64) error { return r.Replay(t.Context(), "a", follower, position) }
		if err := replay("f", bad); err == nil || err.Error() != "cannot do a/c:2" {
			t.Errorf("replayed too early: %v", err)
		}
		l, replayable, err := r.DeadLetter(t.Context(), "a", "f", bad)
		if err != nil || !replayable || l.Attempts != 2 {
			t.Errorf("after a failed replay %+v, %v, %v", l, replayable, err)
		}
		for _, missing := range []error{replay("g", bad), replay("f", bad+1), r.Replay(t.Context(), "b", "f", bad), r.Discard(t.Context(), "a", "f", bad-1)} {
			if !errors.Is(missing, follow.ErrNotFound) {
				t.Errorf("got %v", missing)
			}
		}
		n.fail = nil
		b.must(replay("f", bad))
		n.expect(t, "a/c:2")
		if err := replay("f", bad); !errors.Is(err, follow.ErrNotFound) {
			t.Errorf("replayed again: %v", err)
		}
		if s := status(t, r)[0]; s.DeadLetters != 0 || s.Behind != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestDeadLettersAreDiscarded(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		n := notes{fail: func(context.Context, []string) error { return errors.New("no") }}
		b.addApp("a")
		first := b.say("a", "c:1")
		second := b.say("a", "c:2")
		f := n.follower("f")
		f.MaxAttempts = 1
		r, stop := b.node("one", b.store, f)
		defer stop()
		time.Sleep(time.Minute)
		if s := status(t, r)[0]; s.DeadLetters != 2 {
			t.Errorf("status %+v", s)
		}
		b.must(r.Discard(t.Context(), "a", "f", first))
		letters, err := r.DeadLetters(t.Context(), "a", "f", 0)
		if err != nil || len(letters) != 1 || letters[0].Position != second || status(t, r)[0].DeadLetters != 1 {
			t.Errorf("left: %+v, %v", letters, err)
		}
		if after, err := r.DeadLetters(t.Context(), "a", "f", second); err != nil || len(after) != 0 {
			t.Errorf("after the last: %+v, %v", after, err)
		}

		// An event that has left the log is shown, and cannot be replayed.
		b.say("a", "c:3")
		b.must(b.store.Update(t.Context(), "a", func(tx store.Tx) error { return tx.TrimEvents(second) }))
		if _, replayable, err := r.DeadLetter(t.Context(), "a", "f", second); replayable || err != nil {
			t.Errorf("replayable %v, %v", replayable, err)
		}
		if err := r.Replay(t.Context(), "a", "f", second); !errors.Is(err, store.ErrTrimmed) {
			t.Errorf("replayed %v", err)
		}
	})
}

// A follower that comes too late for some events says so, and goes on.
func TestTrimmedEventsAreCounted(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		b.addApp("a")
		b.say("a", "c:1")
		_, stop := b.node("one", b.store, n.follower("f"))
		n.expect(t, "a/c:1")
		stop()
		last := b.say("a", "c:2", "c:3", "c:4")
		b.say("a", "c:5")
		b.must(b.store.Update(t.Context(), "a", func(tx store.Tx) error { return tx.TrimEvents(last) }))
		r, stop := b.node("one", b.store, n.follower("f"))
		defer stop()
		n.expect(t, "a/c:5")
		if s := status(t, r)[0]; s.Lost != 3 || s.LostHere != 3 || s.Behind != 0 {
			t.Errorf("status %+v", s)
		}
		if !strings.Contains(b.log.String(), "trimmed") {
			t.Errorf("log: %s", b.log)
		}
	})
}

// A new follower begins at the log's beginning and has lost nothing.
func TestANewFollowerHasLostNothing(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		b.addApp("a")
		last := b.say("a", "c:1", "c:2")
		b.say("a", "c:3")
		b.must(b.store.Update(t.Context(), "a", func(tx store.Tx) error { return tx.TrimEvents(last) }))
		r, stop := b.node("one", b.store, n.follower("f"))
		defer stop()
		n.expect(t, "a/c:3")
		if s := status(t, r)[0]; s.Lost != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// counting counts the transactions of a store that write.
func counting(st store.Store, updates *atomic.Int64) store.Store {
	return faulty.New(st, func(c faulty.Call) error {
		if c.Op == faulty.Update {
			updates.Add(1)
		}
		return nil
	})
}

func TestAnIdleFollowerWritesNothing(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		var updates atomic.Int64
		b.addApp("a")
		b.addApp("b")
		_, stop := b.node("one", counting(b.store, &updates), n.follower("f"), n.follower("g"))
		defer stop()
		time.Sleep(time.Minute)
		before := updates.Load()
		time.Sleep(24 * time.Hour)
		if n := updates.Load() - before; n != 0 {
			t.Errorf("%d transactions in a day without events", n)
		}
		b.say("a", "c:1")
		n.expect(t, "a/c:1 a/c:1")
	})
}

// Events that a follower does not want cost a write from time to time, so that the log can be trimmed.
func TestUnwantedEventsMoveThePosition(t *testing.T) {
	inBed(t, func(t *testing.T, b *bed) {
		var n notes
		var updates atomic.Int64
		b.addApp("a")
		f := n.follower("f")
		f.Wants = func(e *chime.Event) bool { return e.Channel == "wanted" }
		r, stop := b.node("one", counting(b.store, &updates), f)
		defer stop()
		synctest.Wait()
		before := updates.Load()
		var last uint64
		for range 120 {
			last = b.say("a", "c:1")
			time.Sleep(500 * time.Millisecond)
		}
		if n := updates.Load() - before; n > 15 {
			t.Errorf("%d transactions for a minute of unwanted events", n)
		}
		if s := status(t, r)[0]; s.Behind != 0 {
			t.Errorf("status %+v", s)
		}
		time.Sleep(follow.DefaultLease)
		if got := b.position("a", "f"); got != last {
			t.Errorf("position %d, want %d", got, last)
		}
		b.say("a", "c:2", "wanted:3", "c:4")
		n.expect(t, "a/wanted:3")
	})
}

func TestKeysNameOneEffect(t *testing.T) {
	keys := map[string]bool{}
	for _, app := range []string{"a", "b"} {
		for position := range uint64(12) {
			for _, follower := range []string{"f", "g"} {
				keys[follow.Key(app, position, follower)] = true
			}
		}
	}
	if len(keys) != 2*12*2 || !keys[follow.Key("b", 3, "g")] {
		t.Errorf("%d keys", len(keys))
	}
}

func TestWrongFollowersAreRefused(t *testing.T) {
	good := new(notes).follower("f")
	for name, followers := range map[string][]follow.Follower{
		"no name": {{Handle: good.Handle}}, "odd name": {{Name: "A b", Handle: good.Handle}}, "no work": {{Name: "f"}}, "twice": {good, good},
	} {
		if _, err := follow.New(follow.Options{Random: rand.Reader}, followers...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestBackoffGrowsToItsMost(t *testing.T) {
	b := follow.Backoff{First: time.Second, Most: time.Minute, Random: rand.Reader}
	for failures := 1; failures < 100; failures++ {
		full := min(time.Minute, time.Second<<min(failures-1, 10))
		if wait := b.Wait(failures); wait < full/2 || wait > full {
			t.Errorf("after %d failures %v, want %v to %v", failures, wait, full/2, full)
		}
	}
}
