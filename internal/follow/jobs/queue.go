package jobs

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
)

// Work does what a task asks for, in as many transactions as it likes. It may be called again for work
// that is done or half done.
type Work func(ctx context.Context, task chime.Task) error

// Options of a Queue. Store, Log and Random are required.
type Options struct {
	Store store.Store
	// Nodes are those that share the store; nil says that this one has it for itself.
	Nodes follow.Nodes
	Log   *slog.Logger
	// Random spreads waits and is safe for concurrent use.
	Random io.Reader
	// Now is the clock of when a task began; nil means time.Now.
	Now func() time.Time
	// Patience is how long a task waits for the caller that is to do it; zero means 15 seconds.
	Patience time.Duration
	// Backoff says how long a failed task waits; zero means from one second up to five minutes.
	Backoff follow.Backoff
	// Interval lies between two looks for tasks that other nodes left; zero means 30 seconds.
	Interval time.Duration
	// AtOnce is how many tasks are worked on at once; zero means 4.
	AtOnce int
}

// Queue is this node's part in the tasks of a store.
type Queue struct {
	o     Options
	kinds map[string]Work
	wake  chan struct{} // holds one token when there may be something to do

	mu      sync.Mutex
	tasks   map[id]*state     // that are worked on, failed, or belong to other nodes
	failed  map[string]uint64 // attempts, by kind
	ensured []ensured
}

// ensured is work without a task.
type ensured struct {
	name string
	work func(context.Context) error
}

// id is the key of a task.
type id struct {
	app     string
	subject chime.Ref
}

func idOf(task chime.Task) id { return id{task.App, task.Ref} }

func (i id) key() store.Key { return store.K(i.app, string(i.subject)) }

// state is what this node knows of a task in addition to the record.
type state struct {
	running  int // calls of Do
	failures int // in a row
	next     time.Time
	err      string
	seen     chime.Lease // when it was last looked at
	since    time.Time   // when that was first seen
}

// New makes a Queue. Kinds are registered before it runs.
func New(o Options) *Queue {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Nodes == nil {
		o.Nodes = follow.Alone()
	}
	o.Patience = cmp.Or(o.Patience, 15*time.Second)
	o.Backoff.First = cmp.Or(o.Backoff.First, time.Second)
	o.Backoff.Most = cmp.Or(o.Backoff.Most, 5*time.Minute)
	o.Backoff.Random = o.Random
	o.Interval = cmp.Or(o.Interval, 30*time.Second)
	o.AtOnce = cmp.Or(o.AtOnce, 4)
	return &Queue{o: o, kinds: map[string]Work{}, wake: make(chan struct{}, 1), tasks: map[id]*state{}, failed: map[string]uint64{}}
}

// Register says how tasks of a kind are done. Kinds are stored: one is never given another meaning.
func (q *Queue) Register(kind string, work Work) { q.kinds[kind] = work }

// Ensure has Run do work that needs no task, because it finds out itself what there is to do: once, or
// until it succeeds. The name is for the log.
func (q *Queue) Ensure(name string, work func(context.Context) error) {
	q.ensured = append(q.ensured, ensured{name, work})
}

// Enqueue puts the task under its app instance and subject, in the place of an earlier one, and returns
// it for Do. The caller is expected to call Do once the transaction is committed; if its process dies
// before, the task is done by the next to look.
func (q *Queue) Enqueue(tx store.Tx, task chime.Task) (chime.Task, error) {
	before, _, err := store.Tasks.Get(tx, idOf(task).key())
	if err != nil {
		return task, err
	}
	task.Created = chime.At(q.o.Now())
	task.Lease = chime.Lease{Holder: q.o.Nodes.Name(), Fence: before.Lease.Fence + 1}
	return task, store.Tasks.Put(tx, idOf(task).key(), task)
}

// Leave is Enqueue for a task that no caller waits for: Run does it. The caller calls Wake once the
// transaction is committed, so that it is done soon.
func (q *Queue) Leave(tx store.Tx, task chime.Task) error {
	task, err := q.Enqueue(tx, task)
	if err != nil {
		return err
	}
	task.Lease.Holder = ""
	return store.Tasks.Put(tx, idOf(task).key(), task)
}

// Wake has Run look for tasks.
func (q *Queue) Wake() { q.wakeUp() }

// Find reads the task of a subject, if it is not done yet.
func Find(r store.Reader, app string, subject chime.Ref) (task chime.Task, found bool, err error) {
	return store.Tasks.Get(r, id{app, subject}.key())
}

// Do does the task at once, for a caller that waits for it. When it fails the caller gets the
// error, and it is tried again in the background.
func (q *Queue) Do(ctx context.Context, task chime.Task) error {
	work := q.kinds[task.Kind]
	if work == nil {
		return fmt.Errorf("jobs: no work is registered for tasks of kind %q", task.Kind)
	}
	q.began(task)
	err := work(ctx, task)
	if err == nil {
		err = q.remove(ctx, task)
	}
	q.ended(ctx, task, err)
	return err
}

// remove forgets a task that is done, and leaves a later one of the subject alone.
func (q *Queue) remove(ctx context.Context, task chime.Task) error {
	return q.o.Store.Update(ctx, task.App, func(tx store.Tx) error {
		current, found, err := Find(tx, task.App, task.Ref)
		if err != nil || !found || current.Order != task.Order {
			return err
		}
		return store.Tasks.Delete(tx, idOf(task).key())
	})
}

// state finds or makes what is known of a task. The caller holds q.mu.
func (q *Queue) state(i id) *state {
	s := q.tasks[i]
	if s == nil {
		s = new(state)
		q.tasks[i] = s
	}
	return s
}

func (q *Queue) began(task chime.Task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.state(idOf(task)).running++
}

// ended notes how an attempt ended.
func (q *Queue) ended(ctx context.Context, task chime.Task, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.state(idOf(task))
	s.running--
	if err == nil {
		if s.failures = 0; s.running == 0 {
			delete(q.tasks, idOf(task))
		}
		return
	}
	s.failures++
	defer q.wakeUp()
	if ctx.Err() != nil { // the caller has gone, or the node stops
		return
	}
	wait := q.o.Backoff.Wait(s.failures)
	s.next, s.err = time.Now().Add(wait), err.Error()
	q.failed[task.Kind]++
	q.o.Log.Warn("jobs: a task failed, will retry", "kind", task.Kind, "app_instance", task.App, "attempts", s.failures, "error", err, "after", wait)
}

func (q *Queue) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
