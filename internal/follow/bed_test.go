package follow_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/cluster"
	"github.com/carillon-chat/carillon/internal/cluster/clustertest"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// bed is a store in which followers are tested, in virtual time.
type bed struct {
	t     *testing.T
	store store.Store
	log   *clustertest.Log
}

func inBed(t *testing.T, test func(t *testing.T, b *bed)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bed{t: t, store: memstore.New(), log: new(clustertest.Log)}
		defer b.store.Close()
		test(t, b)
	})
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

// node starts a runner that has the store for itself. The name is for the log.
func (b *bed) node(name string, st store.Store, followers ...follow.Follower) (r *follow.Runner, stop func()) {
	b.t.Helper()
	return b.nodeAmong(nil, name, st, followers...)
}

// member starts a node of that name that shares the store with others, and a runner on it.
func (b *bed) member(name string, followers ...follow.Follower) (r *follow.Runner, n *clustertest.Node, stop func()) {
	b.t.Helper()
	n = clustertest.Start(b.t, b.store, name, cluster.Options{})
	r, end := b.nodeAmong(n, name, n.Store, followers...)
	return r, n, sync.OnceFunc(func() {
		end()
		b.must(n.Stop())
	})
}

func (b *bed) nodeAmong(nodes follow.Nodes, name string, st store.Store, followers ...follow.Follower) (r *follow.Runner, stop func()) {
	b.t.Helper()
	r, err := follow.New(follow.Options{
		Store: st, Nodes: nodes, Log: slog.New(slog.NewTextHandler(b.log, nil)).With("node", name), Random: rand.Reader,
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
