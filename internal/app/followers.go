package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/ops"
)

// statusTimeout bounds how long metrics wait for what is read from the store.
const statusTimeout = 5 * time.Second

// buildFollowers makes what works off the log.
func (a *App) buildFollowers() (err error) {
	s := a.services
	followers := slices.Concat(
		[]follow.Follower{
			// One line for each that a service has.
		},
		s.exports.Followers(),
		s.followBots(),
		s.push.Followers(),
		a.logs.followers(a),
		a.deps.Followers,
	)
	s.follow, err = follow.New(follow.Options{
		Store: a.store, Nodes: a.nodes(), Log: a.deps.Log, Random: a.deps.Random, Now: a.deps.Now, Body: s.messages.Body,
		Own: s.webhooks.Followers, OwnName: "webhooks",
	}, followers...)
	if err != nil {
		return err
	}
	s.webhooks.Bind(s.follow)
	a.readiness.Add("followers", a.checkFollowers)
	a.registry.MustRegister(sampler(a.sampleFollowers), sampler(a.sampleJobs))
	return nil
}

// checkFollowers reports followers that lose events, or will soon. The node works in spite of them.
func (a *App) checkFollowers(ctx context.Context) error {
	list, err := a.services.follow.Status(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ops.ErrDegraded, err)
	}
	var troubles []string
	kept := max(a.cfg.FollowerRetention, a.cfg.EventRetention)
	for _, s := range list {
		if s.Oldest >= kept/2 {
			troubles = append(troubles, fmt.Sprintf("%s is %d events behind, the oldest of %s in app instance %s; events are trimmed after %s",
				s.Follower, s.Behind, s.Oldest.Round(time.Second), s.Worst, kept))
		}
		if s.LostHere > 0 {
			troubles = append(troubles, fmt.Sprintf("%s has lost %d events that were trimmed", s.Follower, s.LostHere))
		}
	}
	if len(troubles) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ops.ErrDegraded, strings.Join(troubles, "; "))
}

func (a *App) sampleFollowers(gauge, counter sample) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	list, err := a.services.follow.Status(ctx)
	if err != nil { // the store says so elsewhere
		return
	}
	for _, s := range list {
		of := []string{"follower", s.Follower}
		gauge("carillon_follower_lag_events", "Events of the log that a follower has not handled yet.", float64(s.Behind), of...)
		gauge("carillon_follower_lag_seconds", "Age of the oldest of them. One that grows means that the follower fails: carillon followers says why.", s.Oldest.Seconds(), of...)
		gauge("carillon_follower_dead_letters", "Events that a follower gave up: carillon dead-letters lists and replays them.", float64(s.DeadLetters), of...)
		counter("carillon_follower_retries_total", "Failed attempts of a follower.", float64(s.Retries), of...)
		counter("carillon_follower_lost_events_total", "Events that were trimmed from the log before a follower handled them. Any at all mean that it was away for longer than follower-retention.",
			float64(s.Lost), of...)
	}
}

func (a *App) sampleJobs(gauge, counter sample) {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	list, err := a.services.jobs.Status(ctx)
	if err != nil {
		return
	}
	for _, s := range list {
		of := []string{"kind", s.Kind}
		gauge("carillon_jobs_pending", "Tasks that are not done yet.", float64(s.Pending), of...)
		gauge("carillon_jobs_oldest_seconds", "Age of the oldest of them. One that grows means that it fails: the log says why.", s.Oldest.Seconds(), of...)
		counter("carillon_jobs_failed_total", "Failed attempts of tasks. Each is tried again until it is done.", float64(s.Failed), of...)
	}
}
