//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
)

const (
	expiryRate   = 10   // times the size rate: sends a second
	expirySlower = 1.05 // what the median of sends may take while messages go
	expiredDays  = 30   // the retention, and its grace
)

// expiryJob is the role "expiry": sends while messages go by retention, while the disk is erased of them, and while neither is done.
type expiryJob struct {
	Data     string
	Messages int // that go in one round
	Rounds   int
	Rate     float64 // sends a second
}

// expiryRound is one of them.
type expiryRound struct{ Removal, Erasure, Quiet meanwhile }

// meanwhile is what sends took during something, in milliseconds.
type meanwhile struct{ Seconds, P50, P99, Longest float64 }

// expiry compares sends while the messages of a channel go by retention with sends while none do. Services and store are those of a
// node, in a process of their own, because a node looks for such messages only once in an hour.
func (b *bench) expiry(ctx context.Context) error {
	rounds, err := ask[[]expiryRound](ctx, "expiry", expiryJob{
		Data: filepath.Join(b.dir, "expiry"), Messages: b.sizes.aged, Rounds: b.rounds, Rate: float64(expiryRate * b.sizes.rate),
	})
	if err != nil {
		return err
	}
	take := func(figure func(r expiryRound) float64) (list []float64) {
		for _, r := range rounds {
			list = append(list, figure(r))
		}
		return list
	}

	// Each figure of both stands beside that of the quiet time of its round.
	for _, p := range []struct {
		what string
		of   func(r expiryRound) meanwhile
	}{
		{fmt.Sprintf("while %d messages go by retention", b.sizes.aged), func(r expiryRound) meanwhile { return r.Removal }},
		{"while the disk is erased of them", func(r expiryRound) meanwhile { return r.Erasure }},
	} {
		const raw = "while neither is done"
		b.add(figure("expiry", "p50 of a durable send "+p.what, "ms", take(func(r expiryRound) float64 { return p.of(r).P50 })).
			against(raw, take(func(r expiryRound) float64 { return r.Quiet.P50 })).aims(ratioAtMost(expirySlower)),
			figure("expiry", "p99 of a send "+p.what, "ms", take(func(r expiryRound) float64 { return p.of(r).P99 })).
				against(raw, take(func(r expiryRound) float64 { return r.Quiet.P99 })),
			figure("expiry", "longest send "+p.what, "ms", take(func(r expiryRound) float64 { return p.of(r).Longest })).
				against(raw, take(func(r expiryRound) float64 { return r.Quiet.Longest })),
			figure("expiry", "time "+p.what, "s", take(func(r expiryRound) float64 { return p.of(r).Seconds })))
	}
	return nil
}

// aging is a store whose clock is set back while it is filled.
type aging struct {
	*filler
	job   expiryJob
	back  atomic.Int64 // by how much
	sent  atomic.Int64
	quiet time.Duration // as long as the removal and the erasure of the latest round
}

// runExpiry is the role "expiry".
func runExpiry(ctx context.Context, job expiryJob) (rounds []expiryRound, err error) {
	a := &aging{job: job}
	crowd := crowd{Users: 1, Channels: 1 + job.Rounds, Members: 1}
	a.filler, err = openFiller(ctx, fillJob{Data: job.Data, crowd: crowd}, func() time.Time { return time.Now().Add(-time.Duration(a.back.Load())) })
	if err != nil {
		return nil, err
	}
	a.crowd.Users, a.crowd.Channels, a.crowd.Members = crowd.Users, crowd.Channels, crowd.Members
	defer func() {
		if closed := a.close(); err == nil {
			err = closed
		}
	}()
	days := expiredDays
	for _, step := range []func(context.Context) error{a.makeUsers, a.makeRooms, func(ctx context.Context) error {
		_, err := a.users.PutAppInstanceRetentionSettings(ctx, &identity.PutAppInstanceRetentionSettingsRequest{
			AppInstanceARN: a.App, AppInstanceRetentionSettings: &identity.AppInstanceRetentionSettings{
				ChannelRetentionSettings: &identity.ChannelRetentionSettings{RetentionDays: &days},
			},
		})
		return err
	}} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}

	for i := range job.Rounds {
		r, err := a.round(ctx, i)
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, r)
	}
	return rounds, nil
}

// round fills a channel with old messages and has them removed and erased.
func (a *aging) round(ctx context.Context, i int) (r expiryRound, err error) {
	const day = 24 * time.Hour
	a.back.Store(int64(3 * expiredDays * day))
	err = rig.Parallel(fillers, a.job.Messages, func(int) error { return a.say(ctx, 1+i) })
	a.back.Store(0)
	if err != nil {
		return r, err
	}
	site := chime.Site{Region: "us-east-1", Account: "000000000000"}
	remove := func() error {
		return a.messages.RemoveAged(ctx, site.AppOf(a.App), chime.At(time.Now().Add(2*expiredDays*day)))
	}
	rest := func() (err error) {
		r.Quiet, err = a.sendDuring(ctx, func() error {
			select {
			case <-time.After(a.quiet):
			case <-ctx.Done():
			}
			return nil
		})
		return err
	}
	first, last := rest, func() error { return nil }
	if i%2 == 0 { // it is not always the first, nor the last
		first, last = last, first
	}

	if err := first(); err != nil {
		return r, err
	}
	if r.Removal, err = a.sendDuring(ctx, remove); err != nil {
		return r, err
	}
	if r.Erasure, err = a.sendDuring(ctx, func() error { return a.cleaner.EraseRemoved(ctx) }); err != nil {
		return r, err
	}
	a.quiet = max(time.Second/10, time.Duration((r.Removal.Seconds+r.Erasure.Seconds)*float64(time.Second)))
	return r, last()
}

// say sends a message to a channel.
func (a *aging) say(ctx context.Context, channel int) error {
	in := a.room(channel)
	_, err := a.messages.SendChannelMessage(ctx, &messaging.SendChannelMessageRequest{
		ChannelARN: in.Channel, Content: padding, Type: messaging.ChannelMessageTypeStandard, Persistence: messaging.ChannelMessagePersistenceTypePersistent,
		ClientRequestToken: fmt.Sprint("message-", a.sent.Add(1)), ChimeBearer: in.Bearer,
	})
	return err
}

// sendDuring sends at a steady rate for as long as something is done.
func (a *aging) sendDuring(ctx context.Context, do func() error) (m meanwhile, err error) {
	sending, stop := context.WithCancel(ctx)
	defer stop()
	times := newTimes()
	first := make(chan struct{})
	var mu sync.Mutex
	var failed error
	var sends sync.WaitGroup
	sends.Go(func() {
		_ = rig.Pace(sending, a.job.Rate, time.Hour, math.MaxInt, func(i int, due time.Time) error {
			if i == 0 {
				close(first)
			}
			sends.Go(func() {
				err := a.say(ctx, 0)
				mu.Lock()
				defer mu.Unlock()
				_ = times.RecordValue(max(1, time.Since(due).Microseconds()))
				if err != nil {
					failed = err
				}
			})
			return nil
		})
	})

	<-first // so that there is a figure, however short it takes
	began := time.Now()
	err = do()
	m.Seconds = time.Since(began).Seconds()
	stop()
	sends.Wait()
	m.P50, m.P99 = float64(times.ValueAtQuantile(50))/1000, float64(times.ValueAtQuantile(99))/1000
	m.Longest = float64(times.Max()) / 1000
	return m, errors.Join(err, failed)
}
