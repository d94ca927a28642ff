package follow

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/carillon-chat/carillon/internal/store"
)

// Status is how a follower stands, in all app instances together.
type Status struct {
	Follower     string
	AppInstances int    // in which it has begun
	Behind       uint64 // events of the log that are not handled yet
	// Oldest is the age of the oldest of them, zero when there are none; Worst is the app instance that
	// it belongs to.
	Oldest      time.Duration `json:"OldestNanoseconds"`
	Worst       string
	DeadLetters uint64
	Lost        uint64 // events that were trimmed before they were handled
	LostHere    uint64 // of those, since this node started
	Retries     uint64 // failed attempts, since this node started
	// Failing is what keeps the follower from going on, by app instance, on this node.
	Failing map[string]Failure
}

// Status returns how far each follower is, in the order of their registration.
func (r *Runner) Status(ctx context.Context) ([]Status, error) {
	var list []Status
	row := func(name string) {
		c := r.counts[name]
		list = append(list, Status{Follower: name, Retries: c.retries.Load(), LostHere: c.lost.Load(), Failing: map[string]Failure{}})
	}
	for _, f := range r.followers {
		row(f.Name)
	}
	if r.o.Own != nil {
		row(r.o.OwnName)
	}

	// Each app instance is read in a moment of its own.
	for app, workers := range r.present() {
		err := r.o.Store.View(ctx, app, func(rd store.Reader) error {
			for i, ws := range workers {
				s := list[i]
				for _, w := range ws {
					if err := r.add(rd, &s, w); err != nil {
						return err
					}
				}
				list[i] = s
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// present is the work in each app instance: the workers for each row of Status.
func (r *Runner) present() map[string][][]*worker {
	r.mu.Lock()
	defer r.mu.Unlock()
	apps := make(map[string][][]*worker, len(r.apps))
	for app, a := range r.apps {
		var rows [][]*worker
		for _, f := range r.followers {
			rows = append(rows, []*worker{a.workers[f.Name]})
		}
		if r.o.Own != nil {
			rows = append(rows, slices.Collect(maps.Values(a.own)))
		}
		apps[app] = rows
	}
	return apps
}

// add adds how the follower stands in one app instance.
func (r *Runner) add(rd store.Reader, s *Status, w *worker) error {
	record, found, err := store.Followings.Get(rd, w.claim.key())
	if err != nil || !found {
		return err
	}
	letters, _, err := store.Counts.Get(rd, lettersCount(w.app, w.Name))
	if err != nil {
		return err
	}
	end, err := rd.Position()
	if err != nil {
		return err
	}
	s.AppInstances++
	s.DeadLetters += letters
	s.Lost += record.Lost
	if failure := w.failing(); failure != nil {
		s.Failing[w.app] = *failure
	}

	// The position of a holder is written a little later than it is reached.
	position := record.Position
	if record.Lease.Holder == r.o.Nodes.Name() {
		position = max(position, w.reached.Load())
	}
	if end <= position {
		return nil
	}
	s.Behind += end - position
	start, err := store.LogStart(rd, w.app)
	if err != nil {
		return err
	}
	first, err := store.ReadEvents(rd, w.app, max(position, start), 1)
	if err != nil || len(first) == 0 {
		return err
	}
	if age := r.o.Now().Sub(first[0].Time.Time()); age >= s.Oldest {
		s.Oldest, s.Worst = age, w.app
	}
	return nil
}

func (w *worker) failing() *Failure {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure
}

// Floor is the position up to which all followers are done in an app instance. found is false when none
// has begun there.
func (r *Runner) Floor(rd store.Reader, app string) (position uint64, found bool, err error) {
	needed := func(after uint64) {
		if !found || after < position {
			position, found = after, true
		}
	}
	add := func(f *Follower) error {
		record, begun, err := store.Followings.Get(rd, store.K(app, f.Name))
		if err != nil || !begun {
			return err
		}
		needed(record.Position)
		if f.Needs == nil {
			return nil
		}
		after, some, err := f.Needs(rd, app)
		if some {
			needed(after)
		}
		return err
	}

	for _, f := range r.followers {
		if err := add(f); err != nil {
			return 0, false, err
		}
	}
	if r.o.Own == nil {
		return position, found, nil
	}
	own, err := r.o.Own(rd, app)
	for i := range own {
		if err == nil {
			err = add(&own[i])
		}
	}
	return position, found, err
}
