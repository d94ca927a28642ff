package identity_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

var site = chime.Site{Region: "us-east-1", Account: "000000000000"}

// engine is a store that every test runs on.
type engine struct {
	open    func(dir string) (store.Store, error)
	durable bool // a restart opens it again
}

var engines = map[string]engine{
	"memstore": {open: func(string) (store.Store, error) { return memstore.New(), nil }},
	"pebble": {durable: true, open: func(dir string) (store.Store, error) {
		return pebble.Open(dir, pebble.Options{})
	}},
}

// world is a service with its surroundings. Its methods fail the test when the call fails.
type world struct {
	*identity.Service
	jobs    *jobs.Queue
	t       *testing.T
	engine  engine
	dir     string
	store   *brittle
	cascade *cascade
	limits  identity.Limits

	mu  sync.Mutex
	now time.Time
}

func onEachEngine(t *testing.T, test func(w *world)) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			w := &world{
				t: t, engine: engine, dir: t.TempDir(), store: new(brittle), cascade: new(cascade),
				now: time.UnixMilli(1_700_000_000_123),
			}
			w.open()
			w.start()
			t.Cleanup(func() { ok(t, w.store.Close()) })
			test(w)
		})
	}
}

func (w *world) open() {
	w.t.Helper()
	s, err := w.engine.open(w.dir)
	ok(w.t, err)
	w.store.Store = s
}

// restart ends the program and starts it again, on what is on disk.
func (w *world) restart() {
	w.t.Helper()
	if w.engine.durable {
		ok(w.t, w.store.Close())
		w.open()
	}
	w.start()
}

// start makes the service, with the limits of the world.
func (w *world) start() {
	now := func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}
	w.jobs = jobs.New(jobs.Options{Store: w.store, Log: slog.New(slog.DiscardHandler), Random: rand.Reader, Now: now})
	w.Service = identity.New(identity.Options{
		Store: w.store, Site: site, Limits: w.limits, Users: w.cascade, Jobs: w.jobs, Random: rand.Reader, Now: now,
	})
}

// resume does once what is left of deletions.
func (w *world) resume() error { return w.jobs.TryAll(context.Background()) }

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// brittle is a store that runs the function of each update twice, as an engine may, and whose
// updates fail once so many have succeeded.
type brittle struct {
	store.Store
	failing bool
	left    int // used while failing
}

var (
	errDisk  = errors.New("the disk is gone")
	errAgain = errors.New("run it again")
)

func (b *brittle) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	if b.failing {
		if b.left == 0 {
			return errDisk
		}
		b.left--
	}
	err := b.Store.Update(ctx, app, func(tx store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return errAgain
	})
	if !errors.Is(err, errAgain) {
		return err
	}
	return b.Store.Update(ctx, app, f)
}

// cascade stands for the channel service: a list of removals that it was asked for.
type cascade struct {
	err      error
	removals []removal
	during   func() // runs in the middle of a removal
}

type removal struct {
	app    string
	ref    chime.Ref
	before uint64
}

func (c *cascade) RemoveUser(_ context.Context, app string, ref chime.Ref, before uint64) error {
	if during := c.during; during != nil {
		c.during = nil
		during()
	}
	c.removals = append(c.removals, removal{app, ref, before})
	return c.err
}

func (w *world) app(name string) string {
	w.t.Helper()
	resp, err := w.CreateAppInstance(context.Background(), &wire.CreateAppInstanceRequest{Name: name, ClientRequestToken: "app-" + name})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.AppInstanceARN
}

func (w *world) user(app, id string) string {
	w.t.Helper()
	resp, err := w.CreateAppInstanceUser(context.Background(), userRequest(app, id))
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.AppInstanceUserARN
}

func userRequest(app, id string) *wire.CreateAppInstanceUserRequest {
	return &wire.CreateAppInstanceUserRequest{AppInstanceARN: app, AppInstanceUserID: id, Name: "Name of " + id}
}

func (w *world) bot(app, name string) string {
	w.t.Helper()
	resp, err := w.CreateAppInstanceBot(context.Background(), botRequest(app, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.AppInstanceBotARN
}

const alias = "arn:aws:lex:us-east-1:000000000000:bot-alias/ABCDEFGHIJ/KLMNOPQRST"

func botRequest(app, name string) *wire.CreateAppInstanceBotRequest {
	return &wire.CreateAppInstanceBotRequest{
		AppInstanceARN: app, Name: &name,
		Configuration: &wire.Configuration{Lex: &wire.LexConfiguration{LexBotAliasARN: alias, LocaleID: ptr("en_US")}},
	}
}

func (w *world) deleteBot(bot string) error {
	_, err := w.DeleteAppInstanceBot(context.Background(), &wire.DeleteAppInstanceBotRequest{AppInstanceBotARN: bot})
	return err
}

func (w *world) describeBot(bot string) (*wire.AppInstanceBot, error) {
	resp, err := w.DescribeAppInstanceBot(context.Background(), &wire.DescribeAppInstanceBotRequest{AppInstanceBotARN: bot})
	if err != nil {
		return nil, err
	}
	return resp.AppInstanceBot, nil
}

func (w *world) admin(app, user string) {
	w.t.Helper()
	_, err := w.CreateAppInstanceAdmin(context.Background(), &wire.CreateAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: user})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deleteUser(user string) error {
	_, err := w.DeleteAppInstanceUser(context.Background(), &wire.DeleteAppInstanceUserRequest{AppInstanceUserARN: user})
	return err
}

func (w *world) deleteApp(app string) error {
	_, err := w.DeleteAppInstance(context.Background(), &wire.DeleteAppInstanceRequest{AppInstanceARN: app})
	return err
}

func (w *world) describeUser(user string) (*wire.AppInstanceUser, error) {
	resp, err := w.DescribeAppInstanceUser(context.Background(), &wire.DescribeAppInstanceUserRequest{AppInstanceUserARN: user})
	if err != nil {
		return nil, err
	}
	return resp.AppInstanceUser, nil
}

// view asks one of the functions over a reader.
func view[T any](w *world, ask func(r store.Reader) (T, error)) (answer T, err error) {
	err = w.store.View(context.Background(), "", func(r store.Reader) (err error) {
		answer, err = ask(r)
		return err
	})
	return answer, err
}

// events are the types of the events in the log of the app instance after the position, with their
// subjects.
func (w *world) events(app string, after uint64) (types []string) {
	w.t.Helper()
	last := w.position(app)
	cursor, err := w.store.Follow(site.AppOf(app), after)
	if err != nil {
		w.t.Fatal(err)
	}
	defer cursor.Close()
	for position := after; position < last; {
		events, err := cursor.Next(context.Background())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range events {
			position = e.Position
			if e.MessageType != "" || e.App != site.AppOf(app) || e.Time != chime.At(w.now) {
				w.t.Errorf("odd event %+v", e)
			}
			types = append(types, strings.TrimSpace(e.Type+" "+string(e.Subject)))
		}
	}
	return types
}

func (w *world) position(app string) (position uint64) {
	w.t.Helper()
	err := w.store.View(context.Background(), site.AppOf(app), func(r store.Reader) (err error) {
		position, err = r.Position()
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return position
}

// refused fails the test unless err is the named exception and its message holds the words.
func refused(t *testing.T, err error, exception, words string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Type != exception || !strings.Contains(e.Message, words) {
		t.Errorf("got %v; want %s about %q", err, exception, words)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ptr[T any](v T) *T { return &v }
