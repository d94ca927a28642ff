package subscription

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/notice"
	signing "github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/stream"
)

const (
	maxAnswer = 1 << 20 // bytes; what is in an answer is ignored
	maxError  = 256     // bytes that are kept of an error's text
)

// outcome is what became of an attempt.
type outcome struct {
	of    chime.WebhookDelivery
	at    chime.Millis
	age   uint64 // the same in store time
	taken bool
	code  int
	err   string
	lost  bool // the log no longer has the event
	void  bool // there was no attempt, or it was cut off by the end of the work
}

// recordKey is the id of what is posted.
func (s *Service) recordKey(w webhook, d *chime.WebhookDelivery) string {
	key := follow.Key(w.app, d.Position, w.follower())
	if d.Part {
		key = fmt.Sprintf("%s/%d", key, d.Number)
	}
	return key
}

// post makes one attempt.
func (p *poster) post(ctx context.Context, d chime.WebhookDelivery) outcome {
	o := outcome{of: d, at: p.now(), age: p.age()}
	call, signer, err := p.prepare(ctx, d)
	switch {
	case errors.Is(err, store.ErrTrimmed):
		o.lost, o.err = true, "the log no longer has the event"
		return o
	case err != nil:
		if !errors.Is(err, errIdle) && ctx.Err() == nil {
			p.o.Log.Error("webhooks: cannot make what is to be posted, will retry", "webhook", p.id, "app_instance", p.app, "position", d.Position, "error", err)
		}
		o.void = true
		return o
	}

	answer, err := signer.Post(ctx, p.o.Client, call)
	switch {
	case ctx.Err() != nil && err != nil:
		o.void = true
	case err != nil:
		o.err = strings.ToValidUTF8(err.Error()[:min(len(err.Error()), maxError)], "")
	default:
		o.code, o.taken = answer.Status, answer.Succeeded()
		if !o.taken {
			o.err = fmt.Sprintf("%s answered %d %s", answer.Host, answer.Status, http.StatusText(answer.Status))
		}
	}
	return o
}

// errIdle reports that nothing is to be posted any more.
var errIdle = errors.New("the webhook is disabled or gone")

// prepare makes what is posted, as of now.
func (p *poster) prepare(ctx context.Context, d chime.WebhookDelivery) (call signing.Call, signer *signing.Signer, err error) {
	err = p.o.Store.View(ctx, p.app, func(r store.Reader) error {
		hook, found, err := find(r, p.webhook)
		if err == nil && (!found || hook.Disabled) {
			err = errIdle
		}
		if err != nil {
			return err
		}
		e, err := store.ReadEvent(r, p.app, d.Position)
		if err != nil {
			return err
		}
		complete := []*chime.Event{e}
		if err := p.o.Body.Complete(r, complete, true); err != nil {
			return err
		}
		records, err := stream.Records(p.o.Site, "", complete[0], follow.Key(p.app, d.Position, p.follower()))
		if err != nil {
			return err
		}
		if d.Number >= len(records) { // what it was about was erased
			return store.ErrTrimmed
		}
		record := records[d.Number]
		call = signing.Call{URL: hook.URL, ID: record.Key, At: p.o.Now(), Body: record.Data, Limit: maxAnswer}
		signer, err = p.signer(p.webhook, &hook)
		return err
	})
	return call, signer, err
}

// conclude writes what became of attempts, and has the queue go on.
func (p *poster) conclude(ctx context.Context, q *queue, outcomes []outcome) {
	var now []after
	var disabled bool
	written := p.backoff.Insist(ctx, func() (err error) {
		now, disabled, err = p.record(ctx, outcomes)
		return err
	}, func(err error, _ int, wait time.Duration) {
		p.o.Log.Error("webhooks: cannot write what became of deliveries, will retry", "webhook", p.id, "app_instance", p.app, "error", err, "after", wait)
	})
	if !written { // what was posted is posted again
		return
	}

	for _, a := range now {
		q.back(a.delivery, a.gone)
		if a.gone {
			token(p.room)
		}
		p.count(a)
	}
	if disabled {
		p.o.Log.Warn("webhooks: disabled a webhook of which nothing was taken", "webhook", p.id, "app_instance", p.app)
		if err := p.runner.Refresh(ctx, p.app); err != nil && ctx.Err() == nil { // Clean does it again
			p.o.Log.Error("webhooks: cannot end the work for a disabled webhook", "webhook", p.id, "app_instance", p.app, "error", err)
		}
		q.reset()
	}
}

// after is a delivery after an attempt.
type after struct {
	delivery chime.WebhookDelivery
	gone     bool // from the queue
	outcome  outcome
}

func (p *poster) count(a after) {
	switch {
	case a.outcome.void:
	case a.outcome.taken:
		p.delivered.Add(1)
	case a.gone && a.delivery.Status == chime.DeliveryFailed:
		p.failed.Add(1)
	}
	if !a.outcome.void && !a.outcome.taken && !a.outcome.lost {
		p.attempts.Add(1)
	}
}

// record writes what became of attempts in one transaction.
func (p *poster) record(ctx context.Context, outcomes []outcome) (now []after, disabled bool, err error) {
	err = p.o.Store.Update(ctx, p.app, func(tx store.Tx) error {
		now, disabled = nil, false
		if err := follow.Check(ctx, tx); err != nil {
			return err
		}
		hook, found, err := find(tx, p.webhook)
		if err != nil {
			return err
		}
		before := hook.FailingSince
		for _, o := range outcomes {
			a, reason, err := p.apply(tx, &hook, found, o)
			if err != nil {
				return err
			}
			if now = append(now, a); reason != "" && !hook.Disabled {
				hook.Disabled, hook.Reason, disabled = true, reason, true
			}
		}

		// The subscription's record changes when it begins to fail, ceases to, or is disabled.
		if !found || hook.FailingSince == before && !disabled {
			return nil
		}
		if disabled {
			if _, err := tx.Append(notice.Event(p.now(), chime.Topic{App: p.app}, notice.WebhookDisabled{
				WebhookARN: p.o.Site.WebhookARN(p.app, p.id), FailureReason: hook.Reason,
			})); err != nil {
				return err
			}
		}
		return store.Webhooks.Put(tx, p.key(), hook)
	})
	return now, disabled, err
}

// apply writes what became of one attempt. With a reason the subscription is to be disabled.
func (p *poster) apply(tx store.Tx, hook *chime.Webhook, found bool, o outcome) (a after, reason string, err error) {
	a = after{outcome: o, delivery: o.of}
	if o.void {
		a.delivery.Next = p.now() + chime.Millis(firstWait.Milliseconds())
		return a, "", nil
	}
	d, there, err := store.WebhookDeliveries.Get(tx, p.delivery(o.of.DeliveryID))
	if err != nil {
		return a, "", err
	}
	if !found || !there || d.Status != chime.DeliveryPending { // removed, or set back
		a.gone = true
		return a, "", nil
	}

	// What is not taken has its time, which begins with its first attempt.
	if d.Attempts == 0 {
		d.First = o.age
	}
	d.Attempts, d.Last, d.Next, d.Code, d.Error = d.Attempts+1, o.at, 0, o.code, o.err
	switch retry := uint64(p.o.Retry.Milliseconds()); {
	case o.taken:
		d.Status = chime.DeliveryDone
		hook.FailingSince, hook.Failing = 0, 0
	case o.lost:
		d.Status = chime.DeliveryFailed
	default:
		if hook.FailingSince == 0 {
			hook.FailingSince, hook.Failing = o.at, o.age
		}
		if o.age >= max(d.First, hook.Enabled)+retry {
			d.Status = chime.DeliveryFailed
			if o.age >= max(hook.Failing, hook.Enabled)+retry {
				reason = fmt.Sprintf("nothing was taken for %s: %s", p.o.Retry, o.err)
			}
		} else {
			d.Next = o.at + chime.Millis(p.backoff.Wait(d.Attempts).Milliseconds())
		}
		if o.code == http.StatusGone {
			reason = o.err
		}
	}
	a.delivery, a.gone = d, d.Status != chime.DeliveryPending
	return a, reason, put(tx, p.webhook, d, chime.DeliveryPending, false)
}
