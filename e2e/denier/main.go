// Command denier is carillon with channel flows that deny without a processor. What a flow with the
// fallback action ABORT fails counts as denied by its processor, and its sender is notified of that
// (spec 4.4, 4.6). All else is the program, its commands and settings included. It shows how those
// events travel, and is for tests alone: what is kept of a new message is that of a failed one.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/carillon-chat/carillon/internal/bus"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/cli"
	"github.com/carillon-chat/carillon/internal/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := cli.FromOS("denier")
	p.Decorate = func(s store.Store, b bus.Bus) (store.Store, bus.Bus) { return denying{s}, denyingBus{b} }
	code := cli.Run(ctx, p)
	stop()
	os.Exit(code)
}

// denying is a store in which no event reports a failure.
type denying struct{ store.Store }

func (d denying) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	return d.Store.Update(ctx, app, func(t store.Tx) error { return f(tx{t}) })
}

// denyingBus is the same for messages that are not persistent.
type denyingBus struct{ bus.Bus }

func (d denyingBus) Publish(app string, after uint64, events ...chime.Event) {
	for i := range events {
		if denied, err := deny(events[i]); err == nil {
			events[i] = denied
		}
	}
	d.Bus.Publish(app, after, events...)
}

type tx struct{ store.Tx }

func (t tx) Append(e chime.Event) (uint64, error) {
	denied, err := deny(e)
	if err != nil {
		return 0, err
	}
	return t.Tx.Append(denied)
}

var denials = map[string]string{
	chime.EventFailedCreateMessage: chime.EventDeniedCreateMessage,
	chime.EventFailedUpdateMessage: chime.EventDeniedUpdateMessage,
}

// deny turns an event that reports a failure into one that reports a denial, and leaves others.
func deny(e chime.Event) (chime.Event, error) {
	denial, failure := denials[e.Type]
	if !failure {
		return e, nil
	}
	from := bytes.Index(e.Payload, []byte(`"Status":{`)) // in texts, quotes are escaped
	to := bytes.IndexByte(e.Payload[max(from, 0):], '}') + from
	if from < 0 || to < from {
		return e, fmt.Errorf("denier: %s without Status: %s", e.Type, e.Payload)
	}
	status := []byte(`"Status":{"Value":"DENIED","Detail":"the processor of the channel flow denied it"`)
	e.Type, e.Payload = denial, bytes.Join([][]byte{e.Payload[:from], status, e.Payload[to:]}, nil)
	return e, nil
}
