//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
)

const (
	elasticBatch   = 100 // members of a call
	elasticCallers = 4
	elasticRate    = 200 // sends a second to another channel meanwhile
)

// elastic fills an elastic channel with members while messages are sent to another channel: the time
// of a call must not grow with the channel, and sends must not wait for it.
func (b *bench) elastic(ctx context.Context, name string) error {
	s, err := b.raise(ctx, name, []peer{b.carillon}, even(1, 1))
	if err != nil {
		return err
	}
	defer s.lower()
	node := s.servers[0].(*carillonServer)
	api := rig.NewAPI(node.Addr)
	defer api.Close()
	users, err := api.MakeUsers(ctx, node.app, b.sizes.elastic)
	if err != nil {
		return err
	}
	var made struct{ ChannelArn string }
	err = api.Call(ctx, http.MethodPost, "/channels", users[0], map[string]any{
		"AppInstanceArn": node.app, "Name": "elastic", "ClientRequestToken": "elastic", "Mode": "RESTRICTED", "Privacy": "PRIVATE",
		"ElasticChannelConfiguration": map[string]int{
			"MaximumSubChannels": 1000, "TargetMembershipsPerSubChannel": 1000, "MinimumMembershipPercentage": 40,
		},
	}, &made)
	if err != nil {
		return err
	}

	// The same sends, alone and then beside the batches.
	quiet, cancel := context.WithTimeout(ctx, time.Duration(2*b.seconds*float64(time.Second)))
	alone, err := b.sendsUntil(quiet, node)
	cancel()
	if err != nil {
		return err
	}
	beside, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		p99 float64
		err error
	}
	done := make(chan result, 1)
	go func() {
		p99, err := b.sendsUntil(beside, node)
		done <- result{p99, err}
	}()
	c, err := b.startClock(node)
	if err != nil {
		return err
	}
	times, err := addAll(ctx, api, made.ChannelArn, users)
	o := outcome{}
	var failed error
	o.spent, failed = c.stop()
	cancel()
	meanwhile := <-done
	if err := errors.Join(err, failed, meanwhile.err); err != nil {
		return err
	}

	marks := map[string]string{}
	if o.foreign() > disturbance {
		marks["last tenth"], marks["meanwhile"] = disturbedMark, disturbedMark
	}
	tenth := len(times) / 10
	b.rows = append(b.rows,
		row{
			shape: name, name: fmt.Sprintf("a call with %d of %s members", elasticBatch, short(float64(len(users)-1))), unit: "ms",
			rounds: map[string][]float64{"last tenth": {mean(times[len(times)-tenth:])}, "first tenth": {mean(times[:tenth])}},
			itself: [2]string{"last tenth", "first tenth"}, goal: ratioAtMost(1.2), marks: marks,
		},
		row{
			shape: name, name: fmt.Sprintf("p99 of the answers to %d sends/s elsewhere", elasticRate), unit: "ms",
			rounds: map[string][]float64{"meanwhile": {meanwhile.p99}, "before": {alone}},
			itself: [2]string{"meanwhile", "before"}, goal: ratioAtMost(2), marks: marks,
		})
	return nil
}

// addAll makes all but the first user members of the channel and returns how long each call took, in
// milliseconds.
func addAll(ctx context.Context, api rig.API, channel string, users []string) ([]float64, error) {
	target := "/channels/" + lab.Escape(channel) + "/memberships?operation=batch-create"
	calls := (len(users) - 1) / elasticBatch
	times := make([]float64, calls)
	return times, rig.Parallel(elasticCallers, calls, func(i int) error {
		members := users[1+i*elasticBatch:][:elasticBatch]
		start := time.Now()
		var answer struct {
			Errors []struct{ ErrorCode, ErrorMessage string }
		}
		err := api.Call(ctx, http.MethodPost, target, users[0], map[string]any{"MemberArns": members, "Type": "DEFAULT"}, &answer)
		if err == nil && len(answer.Errors) > 0 {
			err = fmt.Errorf("a member was refused: %+v", answer.Errors[0])
		}
		times[i] = float64(time.Since(start).Microseconds()) / 1000
		return err
	})
}

// sendsUntil sends at a steady rate to the first channel until ctx ends, and returns the p99 of the
// answers in milliseconds.
func (b *bench) sendsUntil(ctx context.Context, s server) (p99 float64, err error) {
	conns, err := rig.DialSenders(s.addr(), senders)
	if err != nil {
		return 0, err
	}
	defer conns.Close()
	times := hdrhistogram.New(1, 60_000_000, 3)
	var mu sync.Mutex
	err = conns.Paced(ctx, elasticRate, time.Hour, rig.Work{
		Most:    math.MaxInt32,
		Request: func(i int) ([]byte, error) { return s.send(0, b.texts.text(i)) },
		Acked: func(_ int, due time.Time) {
			mu.Lock()
			defer mu.Unlock()
			_ = times.RecordValue(max(1, time.Since(due).Microseconds()))
		},
	})
	return float64(times.ValueAtQuantile(99)) / 1000, err
}

func mean(values []float64) (m float64) {
	for _, v := range values {
		m += v / float64(len(values))
	}
	return m
}
