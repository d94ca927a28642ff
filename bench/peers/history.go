//go:build linux

package main

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

const (
	historyChannels = 10
	historyMessages = 100 // of each channel
	pageMessages    = 50  // of them, the latest, are read
)

// history measures readers that ask for the latest page of a channel, again and again.
func (b *bench) history(ctx context.Context, name string) error {
	s, err := b.raise(ctx, name, b.peers, even(historyChannels, 1))
	if err != nil {
		return err
	}
	defer s.lower()
	for _, running := range s.servers {
		if err := fill(ctx, running, historyChannels, historyMessages, b.texts); err != nil {
			return err
		}
	}

	read, err := b.inTurns(ctx, s, b.read)
	if err != nil {
		return err
	}
	pages := fmt.Sprintf("latest page of %d, %d readers", pageMessages, b.sizes.readers)
	b.add(name, pages, "/s", read, outcome.perSecond, ratioAtLeast(1))
	b.add(name, "server CPU of a page", "µs", read, outcome.cpu, goal{})
	return nil
}

// read is one round of readers.
func (b *bench) read(s server) (o outcome, err error) {
	pages := make([][]byte, historyChannels)
	for i := range pages {
		if pages[i], err = s.page(i, pageMessages); err != nil {
			return o, err
		}
	}
	if err := whole(s, pages[0]); err != nil {
		return o, err
	}
	readers, err := rig.DialSenders(s.addr(), b.sizes.readers)
	if err != nil {
		return o, err
	}
	defer readers.Close()

	runtime.GC()
	var done atomic.Int64
	c, err := startClock(s)
	if err != nil {
		return o, err
	}
	err = readers.Saturate(time.Duration(b.seconds*float64(time.Second)), rig.Work{
		Most:    1 << 30,
		Request: func(i int) ([]byte, error) { return pages[i%historyChannels], nil },
		Acked:   func(int, time.Time) { done.Add(1) },
	})
	if err != nil {
		return o, err
	}
	o.done = float64(done.Load())
	o.spent, err = c.stop()
	return o, err
}

// whole fails when a page does not have all its messages.
func whole(s server, page []byte) error {
	c, err := rig.DialHTTP(s.addr())
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(page); err != nil {
		return err
	}
	body, err := c.Body()
	if err != nil {
		return err
	}
	if found := countMarkers(body); found != pageMessages {
		return fmt.Errorf("a page has %d messages instead of %d", found, pageMessages)
	}
	return nil
}
