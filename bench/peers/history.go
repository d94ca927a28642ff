//go:build linux

package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
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
	s, err := b.raise(ctx, name, b.peers, slices.Repeat([][]int{{0}}, historyChannels))
	if err != nil {
		return err
	}
	defer s.lower()
	for _, running := range s.servers {
		if err := b.fill(ctx, running, historyChannels, historyMessages); err != nil {
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
	for channel := range pages {
		if pages[channel], err = s.page(channel, pageMessages); err != nil {
			return o, err
		}
	}
	var reading []rig.Conn
	readers, err := rig.NewSenders(b.sizes.readers, func(int) (rig.Conn, error) {
		c, err := s.reader(0)
		reading = append(reading, c)
		return c, err
	})
	if err != nil {
		return o, err
	}
	defer readers.Close()
	if err := whole(reading[0], pages[0]); err != nil {
		return o, err
	}

	runtime.GC()
	var done atomic.Int64
	c, err := b.startClock(s)
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
func whole(c rig.Conn, page []byte) error {
	if _, err := c.Write(page); err != nil {
		return err
	}
	body, err := c.(interface{ Body() ([]byte, error) }).Body()
	if err != nil {
		return err
	}
	if found := countMarkers(body); found != pageMessages {
		return fmt.Errorf("a page has %d messages instead of %d", found, pageMessages)
	}
	return nil
}
