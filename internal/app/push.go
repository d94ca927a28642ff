package app

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/outbound/jws"
	"github.com/carillon-chat/carillon/internal/push"
	"github.com/carillon-chat/carillon/internal/push/apns"
	"github.com/carillon-chat/carillon/internal/push/fcm"
	"github.com/carillon-chat/carillon/internal/push/webpush"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/unread"
)

// webApplication is what browsers need to subscribe to Web Push.
type webApplication struct {
	Name    string
	Pattern chime.Pattern // over ARNs of Pinpoint applications
	Key     string        // applicationServerKey
}

// buildPush makes what pushes notifications, and opens the credentials of its applications.
func (s *services) buildPush(ctx context.Context, a *App, counter *unread.Counter) error {
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
		applications, err := s.pushApplications(ctx, a, entry)
		if err != nil {
			return fmt.Errorf("the application %s of the setting push: %w", entry.Name, err)
		}
		o.Applications = append(o.Applications, applications...)
	}
	s.push = push.New(o)
	a.registry.MustRegister(sampler(a.samplePush))
	return nil
}

// pushApplications are those of an entry: of webpush one for each push service.
func (s *services) pushApplications(ctx context.Context, a *App, entry config.PushApplication) ([]push.Application, error) {
	application := push.Application{Name: entry.Name, Pattern: entry.Pattern, Badge: entry.Options["badge"] != "off"}
	var err error
	switch entry.Kind {
	case "apns":
		application.Sender, err = s.appleSender(a, entry)
	case "fcm":
		application.Sender, err = s.googleSender(a, entry)
	default:
		return s.webApplications(ctx, a, entry, application)
	}
	return []push.Application{application}, err
}

// webApplications are the push services of browsers, each an application of its own.
func (s *services) webApplications(ctx context.Context, a *App, entry config.PushApplication, application push.Application) (list []push.Application, err error) {
	o := webpush.Options{Client: s.outbound, Now: a.deps.Now, Contact: cmp.Or(entry.Options["contact"], "https://"+a.publicHost+"/")}
	o.Key, err = s.webPushKey(ctx, entry.Options["key-file"])
	if errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnavailable) {
		a.deps.Log.Warn("push: the store takes no changes, so the key of Web Push cannot be made; browsers get no notifications until the next start", "application", entry.Name, "error", err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	web := webApplication{Name: entry.Name, Pattern: entry.Pattern}
	if web.Key, err = webpush.PublicKey(o.Key); err != nil {
		return nil, err
	}
	s.webPush = append(s.webPush, web)

	known := webpush.Services()
	if own := entry.Services(); len(own) > 0 {
		known = append(known, webpush.Service{Name: "other", Hosts: own})
	}
	for _, o.Service = range known {
		application.Name = entry.Name + "-" + o.Service.Name
		if application.Sender, err = webpush.New(o); err != nil {
			return nil, err
		}
		list = append(list, application)
	}
	return list, nil
}

// webPushKey reads the key of a file, or the one that the node has made.
func (s *services) webPushKey(ctx context.Context, name string) (*ecdsa.PrivateKey, error) {
	if name == "" {
		return s.keyring.WebPushKey(ctx)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	key, err := jws.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	own, is := key.(*ecdsa.PrivateKey)
	if !is {
		return nil, fmt.Errorf("%s: the key is not on P-256", name)
	}
	return own, nil
}

func (s *services) googleSender(a *App, entry config.PushApplication) (push.Sender, error) {
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

// pagePush is what the chat page registers a browser with, and the key with which that subscribes; both are
// empty when the setting push has no application for it.
func (s *services) pagePush() (arn, key string) {
	arn = "arn:aws:mobiletargeting:" + s.site.Region + ":" + s.site.Account + ":apps/carillon-web"
	for _, web := range s.webPush {
		if web.Pattern.Matches(arn) {
			return arn, web.Key
		}
	}
	return "", ""
}
