package app

import (
	"crypto/tls"
	"fmt"
	"os"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/push"
	"github.com/carillon-chat/carillon/internal/push/apns"
	"github.com/carillon-chat/carillon/internal/push/fcm"
	"github.com/carillon-chat/carillon/internal/unread"
)

// buildPush makes what pushes notifications, and opens the credentials of its applications.
func (s *services) buildPush(a *App, counter *unread.Counter) error {
	entries, err := a.cfg.PushApplications()
	if err != nil {
		return err
	}
	o := push.Options{
		Store: a.store, Site: s.site, Now: a.deps.Now, Log: a.deps.Log, Messages: s.messages, Unread: counter, TTL: a.cfg.PushTTL, Queue: s.pushQueue,
	}
	if a.cfg.PushQuiet {
		o.Online = func(app string, user chime.Ref) bool { return s.hub.IsOnline(app, user) }
	}
	for _, entry := range entries {
		sender, err := s.pushSender(a, entry)
		if err != nil {
			return fmt.Errorf("the application %s of the setting push: %w", entry.Name, err)
		}
		o.Applications = append(o.Applications, push.Application{
			Name: entry.Name, Pattern: entry.Pattern, Sender: sender, Badge: entry.Options["badge"] != "off",
		})
	}
	s.push = push.New(o)
	a.registry.MustRegister(sampler(a.samplePush))
	return nil
}

func (s *services) pushSender(a *App, entry config.PushApplication) (push.Sender, error) {
	if entry.Kind == "apns" {
		return s.appleSender(a, entry)
	}
	text, err := os.ReadFile(entry.Options["credentials-file"])
	if err != nil {
		return nil, err
	}
	account, err := fcm.ReadAccount(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", entry.Options["credentials-file"], err)
	}
	return fcm.New(fcm.Options{
		Client: s.outbound, Account: account, Now: a.deps.Now, Endpoint: entry.Options["endpoint"], Notification: entry.Options["notification"] == "on",
	}), nil
}

func (s *services) appleSender(a *App, entry config.PushApplication) (push.Sender, error) {
	o := apns.Options{Topic: entry.Target, Client: s.outbound, Now: a.deps.Now, Endpoint: entry.Options["endpoint"]}
	if name := entry.Options["certificate-file"]; name != "" {
		certificate, err := tls.LoadX509KeyPair(name, name)
		if err != nil {
			return nil, err
		}
		if o.Client, err = openOutbound(a.cfg, certificate); err != nil {
			return nil, err
		}
		a.opened(func() error { o.Client.Close(); return nil })
		return apns.New(o), nil
	}
	key, err := os.ReadFile(entry.Options["key-file"])
	if err != nil {
		return nil, err
	}
	if o.Tokens, err = apns.NewTokens(key, entry.Options["key-id"], entry.Options["team-id"]); err != nil {
		return nil, fmt.Errorf("%s: %w", entry.Options["key-file"], err)
	}
	return apns.New(o), nil
}

func (a *App) samplePush(_, counter sample) {
	for _, c := range a.services.push.Counts() {
		for outcome, n := range map[string]uint64{
			"delivered": c.Delivered, "inactive": c.Gone, "refused": c.Refused, "expired": c.Expired, "quiet": c.Quiet,
		} {
			counter("carillon_push_notifications_total",
				"Notifications by what became of them, for each device: delivered to the push service, inactive (the device is not known any more), refused by it, expired, or not sent because the user is online (quiet).",
				float64(n), "application", c.Application, "outcome", outcome)
		}
		counter("carillon_push_retries_total", "Failed attempts that were made again. Many mean that a push service is away, throttles, or does not accept the credentials: carillon followers says why.",
			float64(c.Retried), "application", c.Application)
	}
	counter("carillon_push_dropped_total", "Messages that are not persistent and whose notification was not pushed, because too many waited.", float64(a.services.pushQueue.Dropped()))
}
