package subscription

import (
	"context"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/store"
)

// atOnce is how many channels of a subscription have an event on its way at once.
const atOnce = 8

// poster posts the pending deliveries of a subscription while this node holds the lease of its follower.
type poster struct {
	*Service
	webhook

	room chan struct{} // holds one token when deliveries have left the queue
	wake chan struct{} // holds one token when there may be something to do

	mu    sync.Mutex
	stale bool // what is in memory has to be read again
}

func newPoster(s *Service, w webhook) *poster {
	return &poster{Service: s, webhook: w, room: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
}

// more says that deliveries were queued.
func (p *poster) more() { token(p.wake) }

// again says that the subscription or deliveries of it have changed.
func (p *poster) again() {
	p.mu.Lock()
	p.stale = true
	p.mu.Unlock()
	token(p.wake)
}

func (p *poster) takeStale() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.stale
	p.stale = false
	return was
}

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// begin posts until ctx ends.
func (p *poster) begin(ctx context.Context, _ string) (end func()) {
	p.Service.mu.Lock()
	p.posters[p.webhook] = p
	p.Service.mu.Unlock()
	var running sync.WaitGroup
	running.Go(func() { p.run(ctx) })
	return func() {
		running.Wait()
		p.Service.mu.Lock()
		defer p.Service.mu.Unlock()
		if p.posters[p.webhook] == p {
			delete(p.posters, p.webhook)
		}
	}
}

// run keeps the first pending deliveries in memory, and has those posted whose turn it is.
func (p *poster) run(ctx context.Context) {
	q := newQueue()
	outcomes := make(chan outcome, atOnce)
	var posting sync.WaitGroup
	defer posting.Wait()
	for ctx.Err() == nil {
		// Read what there is room for.
		if p.takeStale() {
			q.reset()
		}
		if err := p.fill(ctx, q); err != nil && ctx.Err() == nil {
			p.o.Log.Error("webhooks: cannot read what is to be posted, will retry", "webhook", p.id, "app_instance", p.app, "error", err, "after", firstWait)
			q.reset()
			follow.Sleep(ctx, firstWait)
			continue
		}

		// Post what is due.
		due, wait := q.due(p.now())
		for _, d := range due {
			posting.Go(func() { outcomes <- p.post(ctx, d) })
		}

		// Write what became of deliveries, those together that came together.
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-p.wake:
			q.unread = true
		case first := <-outcomes:
			p.conclude(ctx, q, drain(first, outcomes))
		}
		timer.Stop()
	}
}

// drain takes what is there of a channel.
func drain(first outcome, from <-chan outcome) []outcome {
	list := []outcome{first}
	for {
		select {
		case o := <-from:
			list = append(list, o)
		default:
			return list
		}
	}
}

// fill reads pending deliveries behind those that were read, for as many as there is room. A subscription that
// is disabled or gone has none.
func (p *poster) fill(ctx context.Context, q *queue) error {
	if !q.wantsMore() {
		return nil
	}
	whole := true
	err := p.o.Store.View(ctx, p.app, func(r store.Reader) error {
		whole = true
		hook, found, err := find(r, p.webhook)
		if err != nil || !found || hook.Disabled {
			return err
		}
		return eachInStatus(r, p.webhook, chime.DeliveryPending, q.last, func(d chime.WebhookDelivery) (bool, error) {
			whole = q.add(d)
			return whole, nil
		})
	})
	if err == nil {
		q.read(whole)
	}
	return err
}
