package follow

import (
	"context"

	"github.com/carillon-chat/carillon/internal/store"
)

// Refresh begins and ends work for the followers that an app instance has for itself, as Options.Own lists
// them now. Where the Runner does not work yet it does nothing: they are read when it begins.
func (r *Runner) Refresh(ctx context.Context, app string) error {
	if r.o.Own == nil {
		return nil
	}
	r.refreshing.Lock()
	defer r.refreshing.Unlock()
	var listed []Follower
	err := r.o.Store.View(ctx, app, func(rd store.Reader) (err error) {
		listed, err = r.o.Own(rd, app)
		return err
	})
	if err != nil {
		return err
	}
	wanted := map[string]*Follower{}
	for _, f := range listed {
		if err := f.complete(); err != nil {
			return err
		}
		if !f.Paused {
			wanted[f.Name] = &f
		}
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.apps[app]; a != nil && !r.stopped {
		r.adopt(a, app, wanted)
	}
	return nil
}

// refreshOften has the followers of app instances looked at again when a node is gone, whose part this one may
// have to take, and at intervals: other nodes change them too.
func (r *Runner) refreshOften(ctx context.Context) {
	for ctx.Err() == nil {
		changed := r.o.Nodes.Changed() // from before the look
		for _, app := range r.AppInstances() {
			if err := r.Refresh(ctx, app); err != nil && ctx.Err() == nil {
				r.o.Log.Error("followers: cannot read those that an app instance has for itself, will retry", "app_instance", app, "error", err, "after", lookAgain)
			}
		}
		wake(ctx, changed, r.o.Backoff.jitter(lookAgain))
	}
}

// adopt makes the workers of an app instance's own followers those that are wanted. The caller holds r.mu.
func (r *Runner) adopt(a *appWork, app string, wanted map[string]*Follower) {
	for name, w := range a.own {
		if wanted[name] == nil {
			w.stop()
			delete(a.own, name)
			a.ending[name] = w
			r.work.Go(func() { r.forget(a, name, w) })
		}
	}
	for name, f := range wanted {
		if a.own[name] == nil {
			w := newWorker(&r.o, f, app, r.counts[r.o.OwnName])
			r.start(a, w, a.ending[name])
			a.own[name] = w
		}
	}
}

// forget drops a worker that was stopped once it has ended.
func (r *Runner) forget(a *appWork, name string, w *worker) {
	<-w.done
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.ending[name] == w {
		delete(a.ending, name)
	}
}
