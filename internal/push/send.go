package push

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/notice"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	atOnce      = 64 // attempts of a round
	maxAttempts = 5  // for a device that is throttled

	// maxPause bounds how long a push service may ask to wait.
	maxPause = 15 * time.Minute
)

// send makes an attempt for each delivery, or for as many as the push service accepts: once it fails as a
// whole the others are not begun.
func (p *pusher) send(ctx context.Context, list []*delivery) {
	var sending sync.WaitGroup
	var failed atomic.Bool
	slots := make(chan struct{}, atOnce)
	for _, d := range list {
		slots <- struct{}{}
		sending.Go(func() {
			defer func() { <-slots }()
			if !failed.Load() && ctx.Err() == nil && p.attempt(ctx, d) {
				failed.Store(true)
			}
		})
	}
	sending.Wait()
	for _, d := range list {
		d.ending, d.fault = p.end(d)
	}
}

var errLate = errors.New("it was too late to send it")

// attempt makes one attempt. It reports whether others would fail for the same reason.
func (p *pusher) attempt(ctx context.Context, d *delivery) (wide bool) {
	now := p.o.Now()
	switch {
	case !d.known:
		d.outcome, d.tried = &Fault{Kind: Foreign, Reason: "the setting push names no application for the device"}, true
		return false
	case !now.Before(d.expires):
		d.outcome, d.tried = errLate, true
		if trouble := p.trouble.Load(); trouble != nil {
			d.outcome = trouble
		}
		return false
	case now.UnixNano() < p.paused.Load():
		return true
	}

	d.outcome, d.tried = p.Sender.Send(ctx, &d.device, &d.note), true
	fault := faultOf(d.outcome)
	if fault == nil {
		p.trouble.Store(nil)
		return false
	}
	if fault.Kind == Gone && fault.Since.Before(d.device.Updated.Time()) && !fault.Since.IsZero() {
		fault.Kind = Refused // the device registered after that
		d.outcome = fault
	}
	if fault.Kind == ThrottledDevice {
		d.attempts++
	}
	if !fault.Kind.wide() {
		return false
	}
	p.trouble.Store(fault)
	p.paused.Store(now.Add(min(fault.After, maxPause)).UnixNano())
	return true
}

// faultOf is the fault of an attempt, nil when it succeeded.
func faultOf(err error) *Fault {
	if err == nil {
		return nil
	}
	if fault := new(Fault); errors.As(err, &fault) {
		return fault
	}
	return &Fault{Reason: err.Error()}
}

// ending is what became of a delivery.
type ending uint8

const (
	again     ending = iota // it is to be tried again
	delivered               // the push service accepted it
	gone                    // the device is not known to the push service, or to the settings
	refused                 // it will never be accepted
	expired                 // it is given up
)

// end says what became of a delivery.
func (p *pusher) end(d *delivery) (ending, *Fault) {
	fault := faultOf(d.outcome)
	switch {
	case !d.tried:
		return again, nil
	case fault == nil:
		return delivered, nil
	case fault.Kind == Gone || fault.Kind == Foreign:
		return gone, fault
	case fault.Kind == Refused:
		return refused, fault
	case d.attempts >= maxAttempts || !p.o.Now().Before(d.expires):
		return expired, fault
	}
	return again, fault
}

// settle writes what became of deliveries that have ended: devices that are gone are INACTIVE, and there is
// a notice for each that is not sent the notification. It returns those that are to be tried again.
func (p *pusher) settle(tx store.Tx, list []*delivery) (left []*delivery, err error) {
	now := chime.At(p.o.Now())
	for _, d := range list {
		switch d.ending {
		case again:
			left = append(left, d)
			continue
		case delivered:
			continue
		case gone:
			reason := wire.EndpointStatusReasonInvalidDeviceToken
			if d.fault.Kind == Foreign {
				reason = wire.EndpointStatusReasonInvalidPinpointARN
			}
			if err := identity.DeactivateEndpoint(tx, d.event.App, d.ref, d.device, reason, now); err != nil {
				return nil, err
			}
		}

		// The operator is notified of each that is given up.
		e := notice.Event(now, d.event.Topic, notice.PushFailure{
			ResourceARN: d.visit.RefARN(d.ref), EndpointID: d.device.ID, FailureReason: d.fault.Kind.text(),
		})
		e.Subject, e.Object, e.ChannelID = d.ref, d.device.ID, d.event.ChannelID
		if _, err := tx.Append(e); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// tally counts what became of deliveries, and logs why some were not sent.
func (p *pusher) tally(list []*delivery) {
	for _, d := range list {
		switch d.ending {
		case again:
			if d.tried {
				p.counts.retried.Add(1)
			}
			continue
		case delivered:
			p.counts.delivered.Add(1)
			continue
		case gone:
			p.counts.gone.Add(1)
		case refused:
			p.counts.refused.Add(1)
		case expired:
			p.counts.expired.Add(1)
		}
		p.log.Warn("push: a device was sent no notification", "user", d.visit.RefARN(d.ref), "endpoint", d.device.ID,
			"message", d.message.ID, "reason", d.fault.Reason)
	}
}
