package app

import (
	"context"

	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/stream/subscription"
)

// buildWebhooks makes what posts events to the webhooks that app instances subscribe.
func (s *services) buildWebhooks(a *App, clock *store.Clock) {
	s.webhooks = subscription.New(subscription.Options{
		Store: a.store, Site: s.site, Clock: clock, Now: a.deps.Now, Random: a.deps.Random, Log: a.deps.Log,
		Client: s.outbound, Sealer: s.keyring, Body: s.messages.Body, Retry: a.cfg.WebhookRetry, Keep: a.cfg.WebhookKeep,
	})
	a.registry.MustRegister(sampler(a.sampleWebhooks))
}

func (a *App) sampleWebhooks(gauge, counter sample) {
	webhooks := a.services.webhooks
	c := webhooks.Counts()
	for outcome, n := range map[string]uint64{"delivered": c.Delivered, "failed": c.Failed} {
		counter("carillon_webhook_deliveries_total", "Deliveries to webhooks that came to an end: delivered, or failed because they were not taken for webhook-retry or the log no longer had the event.",
			float64(n), "outcome", outcome)
	}
	counter("carillon_webhook_failed_attempts_total", "Attempts to post to webhooks that were not taken. Each delivery is tried again for webhook-retry.", float64(c.FailedAttempts))

	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	status, err := webhooks.Status(ctx)
	if err != nil { // the store says so elsewhere
		return
	}
	const name, help = "carillon_webhooks", "Webhooks that app instances subscribe: enabled, those of them whose latest attempt failed, and disabled, which get nothing until they are enabled again."
	gauge(name, help, float64(status.Enabled), "status", "enabled")
	gauge(name, help, float64(status.Failing), "status", "failing")
	gauge(name, help, float64(status.Disabled), "status", "disabled")
	gauge("carillon_webhook_deliveries_pending", "Deliveries that are queued and not taken yet. Beyond 1,000 of a webhook, events wait in the log: see carillon_follower_lag_events of webhooks.", float64(status.Pending))
}
