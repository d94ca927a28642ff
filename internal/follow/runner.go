package follow

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Options of a Runner. Store, Log and Random are required.
type Options struct {
	Store store.Store
	// Nodes are those that share the store; nil says that this one has it for itself.
	Nodes Nodes
	Log   *slog.Logger
	// Random spreads waits and is safe for concurrent use.
	Random io.Reader
	// Now is the clock of the times in dead letters and ages of events; nil means time.Now. Leases
	// do not use it.
	Now func() time.Time
	// Body makes the payload of an event of a message, of which the log keeps none; nil leaves them out.
	Body store.Body
	// Backoff says how long to wait between attempts; zero means from one second up to one minute.
	Backoff Backoff
	// Own lists followers that an app instance has for itself, as of the moment of the Reader; nil when no
	// app instance has any. Refresh has it called again. OwnName names them together in Status.
	Own     func(r store.Reader, app string) ([]Follower, error)
	OwnName string

	alone bool // without Nodes
}

// Runner works for followers in all app instances of a store.
type Runner struct {
	o         Options
	followers []*Follower
	counts    map[string]*counts // by follower, and by OwnName
	work      sync.WaitGroup

	refreshing sync.Mutex // over reading what app instances have for themselves and acting on it

	mu      sync.Mutex
	apps    map[string]*appWork // by app instance
	stopped bool
}

// appWork is the work in one app instance.
type appWork struct {
	ctx     context.Context
	stop    context.CancelFunc
	workers map[string]*worker // by follower
	own     map[string]*worker // of the followers that it has for itself
	ending  map[string]*worker // of those that it had
}

// New makes a Runner for the followers.
func New(o Options, followers ...Follower) (*Runner, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.alone = o.Nodes == nil; o.alone {
		o.Nodes = alone{}
	}
	o.Backoff.First = cmp.Or(o.Backoff.First, time.Second)
	o.Backoff.Most = cmp.Or(o.Backoff.Most, time.Minute)
	o.Backoff.Random = o.Random
	r := &Runner{o: o, counts: map[string]*counts{}, apps: map[string]*appWork{}}
	for _, f := range followers {
		if err := f.complete(); err != nil {
			return nil, err
		}
		if r.counts[f.Name] != nil {
			return nil, fmt.Errorf("follow: there are two followers %q", f.Name)
		}
		r.counts[f.Name] = new(counts)
		r.followers = append(r.followers, &f)
	}
	if o.Own != nil {
		r.counts[o.OwnName] = new(counts)
	}
	return r, nil
}

// Run works until ctx ends, and then returns nil. What the store refuses is tried again.
func (r *Runner) Run(ctx context.Context) error {
	defer r.finish()
	if len(r.followers) == 0 && r.o.Own == nil {
		<-ctx.Done()
		return nil
	}
	if !r.o.alone && r.o.Own != nil {
		r.work.Go(func() { r.refreshOften(ctx) })
	}
	for failures := 1; ctx.Err() == nil; failures++ {
		err := r.discover(ctx)
		if ctx.Err() != nil {
			break
		}
		wait := r.o.Backoff.Wait(failures)
		r.o.Log.Error("followers: cannot follow the account's log, will retry", "error", err, "after", wait)
		Sleep(ctx, wait)
	}
	return nil
}

// finish waits for all work, and lets none begin.
func (r *Runner) finish() {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.work.Wait()
}

// discover begins to work in each app instance that there is, and in those that come later.
func (r *Runner) discover(ctx context.Context) error {
	position, err := r.update(ctx, false)
	if err != nil {
		return err
	}
	cursor, err := r.o.Store.Follow("", position)
	if err != nil {
		return err
	}
	defer cursor.Close()
	for {
		events, err := cursor.Next(ctx)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(events, func(e *chime.Event) bool { return e.Kind().ListsApps }) {
			continue
		}
		if _, err := r.update(ctx, true); err != nil {
			return err
		}
	}
}

// update begins and ends work as the account's list of app instances says, as of the position that it
// returns. created says that what is new on the list came there after the followers began.
func (r *Runner) update(ctx context.Context, created bool) (position uint64, err error) {
	var listed []string
	err = r.o.Store.View(ctx, "", func(rd store.Reader) (err error) {
		if position, err = rd.Position(); err != nil {
			return err
		}
		listed = nil
		return store.AppInstancesInOrder.Each(rd, store.Range{}, func(_ store.Key, app string) (bool, error) {
			listed = append(listed, app)
			return true, nil
		})
	})
	if err != nil {
		return 0, err
	}
	r.keepOnly(listed)
	for _, app := range listed {
		if r.begin(ctx, app, created) {
			if err := r.Refresh(ctx, app); err != nil {
				return 0, err
			}
		}
	}
	return position, nil
}

// begin starts a worker for each follower, unless there are some. created says that all events of the app
// instance came after the followers began.
func (r *Runner) begin(ctx context.Context, app string, created bool) (begun bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.apps[app] != nil || r.stopped {
		return false
	}
	a := &appWork{workers: map[string]*worker{}, own: map[string]*worker{}, ending: map[string]*worker{}}
	a.ctx, a.stop = context.WithCancel(ctx)
	for _, f := range r.followers {
		w := newWorker(&r.o, f, app, r.counts[f.Name])
		if created {
			w.claim.start = Beginning
		}
		a.workers[f.Name] = w
		r.start(a, w, nil)
	}
	r.apps[app] = a
	return true
}

// start starts a worker, once the former one of its follower has ended. The caller holds r.mu.
func (r *Runner) start(a *appWork, w, former *worker) {
	ctx, stop := context.WithCancelCause(a.ctx)
	w.stop = func() { stop(errEnded) }
	r.work.Go(func() {
		defer close(w.done)
		if former != nil {
			<-former.done
		}
		w.run(ctx)
	})
}

// end stops the workers of an app instance that is deleted.
func (r *Runner) end(app string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.apps[app]; a != nil {
		a.stop()
		delete(r.apps, app)
	}
}

// keepOnly ends the work in app instances that are not among those.
func (r *Runner) keepOnly(apps []string) {
	there := make(map[string]bool, len(apps))
	for _, app := range apps {
		there[app] = true
	}
	r.mu.Lock()
	var gone []string
	for app := range r.apps {
		if !there[app] {
			gone = append(gone, app)
		}
	}
	r.mu.Unlock()
	for _, app := range gone {
		r.end(app)
	}
}

// AppInstances are the ids of those that the Runner works in, in order.
func (r *Runner) AppInstances() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.apps))
}

// worker finds the one of the follower in the app instance.
func (r *Runner) worker(app, follower string) (*worker, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.apps[app]
	if a == nil {
		return nil, fmt.Errorf("app instance %q: %w", app, ErrNotFound)
	}
	for _, workers := range []map[string]*worker{a.workers, a.own} {
		if w := workers[follower]; w != nil {
			return w, nil
		}
	}
	return nil, fmt.Errorf("follower %q: %w", follower, ErrNotFound)
}

// Reread has the followers of an app instance read again what they have read of the log and not handled, and
// waits for the calls of Handle that are under way: after it nothing is handled that is no longer in the log.
func (r *Runner) Reread(ctx context.Context, app string) error {
	r.mu.Lock()
	var workers []*worker
	if a := r.apps[app]; a != nil {
		for _, some := range []map[string]*worker{a.workers, a.own, a.ending} {
			workers = slices.AppendSeq(workers, maps.Values(some))
		}
	}
	r.mu.Unlock()

	for _, w := range workers {
		w.rereads.Add(1)
		select {
		case w.turn <- struct{}{}:
			<-w.turn
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
