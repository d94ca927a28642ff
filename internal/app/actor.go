package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// actor is a part of the node that runs until it is stopped.
type actor struct {
	name string
	// run works until ctx ends or stop makes it return.
	run func(ctx context.Context) error
	// stop, if any, ends the work in good order before run's ctx ends. It gives up when its own
	// ctx does.
	stop func(ctx context.Context) error
	// patience is how long the stop may take.
	patience time.Duration
}

// running is an actor at work. err is valid when done is closed.
type running struct {
	actor
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// run starts the actors and waits until ctx ends or one of them does. Then it stops them in
// reverse order, whatever happens to any of them. It returns what failed.
func run(ctx context.Context, actors []actor, log *slog.Logger) error {
	first := make(chan *running, len(actors))
	group := make([]*running, len(actors))
	for i, a := range actors {
		group[i] = start(ctx, a, first)
	}

	var errs []error
	select {
	case <-ctx.Done():
		log.Info("shutting down")
	case r := <-first:
		if r.err == nil {
			r.err = errors.New("exited unexpectedly")
		}
		log.Error("component failed, shutting down", "part", r.name, "error", r.err)
	}

	// In reverse order, so that no part misses one that it uses.
	for _, r := range slices.Backward(group) {
		if err := r.end(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.name, err))
		}
	}
	return errors.Join(errs...)
}

func start(ctx context.Context, a actor, ended chan<- *running) *running {
	// Not ended by ctx: the end comes to each in its turn.
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{actor: a, cancel: cancel, done: make(chan struct{})}
	go func() {
		r.err = a.run(own)
		close(r.done)
		ended <- r
	}()
	return r
}

// end stops the actor and waits for it, no longer than its patience.
func (r *running) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), r.patience)
	defer cancel()
	var err error
	if r.stop != nil {
		err = r.stop(ctx)
	}
	r.cancel()
	select {
	case <-r.done:
		return errors.Join(err, r.err)
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("did not stop within %v", r.patience))
	}
}
