package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/lab"
)

// clock is that of the node and its clients. It can be put forward and back.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// set puts the clock wrong until right is called.
func (c *clock) set(by time.Duration) (right func()) {
	c.pass(by)
	return func() { c.pass(-by) }
}

// step is by how much the clock is wrong in a round. It is not a day on while retention hides what
// is a day old, which it does by the time of day.
func (run *isolation) step() time.Duration {
	retained := slices.ContainsFunc(run.apps, func(a *appInstance) bool { return a.retained })
	switch run.rounds % 4 {
	case 1:
		return -time.Hour
	case 3:
		if !retained {
			return 24 * time.Hour
		}
	}
	return 0
}

// changeRetention lets two days pass, after which messages are kept for one day only, or shows again
// what was hidden.
func (run *isolation) changeRetention(ctx context.Context, a *appInstance) error {
	if run.rnd.IntN(3) > 0 {
		return nil
	}

	settings := object{}
	if !a.retained {
		settings["RetentionDays"] = 1
		run.retentions++
		run.clock.pass(48 * time.Hour)
	}

	err := a.Call(ctx, http.MethodPut, "/app-instances/"+lab.Escape(a.arn)+"/retention-settings", "",
		object{"AppInstanceRetentionSettings": object{"ChannelRetentionSettings": settings}}, nil)
	if err != nil {
		return err
	}

	// The clock has moved for the other app instance too, whose messages may have become too old.
	a.retained = !a.retained
	for i, of := range run.apps { // time has passed for all
		for _, c := range run.channelsOf(of, run.fences[i]) {
			for _, p := range c.places {
				for _, n := range p.notes {
					n.hidden = of.retained && (n.hidden || a.retained)
				}
			}
			of.revise(c.arn, c)
		}
	}
	return nil
}

// pages compares lists of messages with what the users are to see.
func (run *isolation) pages(ctx context.Context, a *appInstance, fence *channel) error {
	for _, c := range run.channelsOf(a, fence) {
		p := c.places[run.rnd.IntN(len(c.places))]
		readers := p.memberIDs()
		if len(readers) == 0 {
			continue
		}
		who := readers[run.rnd.IntN(len(readers))]
		var due, got []string
		for _, n := range slices.Backward(p.notes) {
			if !n.hidden && (n.by(who) || n.status == "SENT" && (n.target == "" || n.to(who))) {
				due = append(due, fmt.Sprintf("%s redacted %v: %s", n.id, n.redacted, n.content))
			}
		}
		next := ""
		for first := true; first || next != ""; first = false {
			var page struct {
				ChannelMessages []struct {
					MessageId, Content string
					Redacted           bool
				}
				NextToken string
			}
			query := url.Values{"max-results": {"50"}}
			if p.sub != "" {
				query.Set("sub-channel-id", p.sub)
			}
			if next != "" {
				query.Set("next-token", next)
			}
			if err := a.Call(ctx, http.MethodGet, path(c, "messages")+"?"+query.Encode(), a.user(who), nil, &page); err != nil {
				return err
			}
			for _, m := range page.ChannelMessages {
				got = append(got, fmt.Sprintf("%s redacted %v: %s", m.MessageId, m.Redacted, m.Content))
			}
			next = page.NextToken
		}
		if !slices.Equal(got, due) {
			return fmt.Errorf("%s lists of %s%s\n  %s\nand not\n  %s", who, lastPart(c.arn), inSub(p.sub), strings.Join(got, "\n  "), strings.Join(due, "\n  "))
		}
	}
	return nil
}
