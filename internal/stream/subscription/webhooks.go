package subscription

import (
	"context"
	"encoding/base32"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/carillon"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreateWebhook makes a subscription, which gets the events after its creation, and answers its secret, which
// nothing shows again.
func (s *Service) CreateWebhook(ctx context.Context, req *carillon.CreateWebhookRequest) (*carillon.CreateWebhookResponse, error) {
	app, err := s.parseApp(req.AppInstanceARN)
	if err != nil {
		return nil, err
	}
	hook := chime.Webhook{Created: s.now(), Updated: s.now(), Enabled: s.age()}
	if err := s.set(&hook, app, req.Name, req.URL, req.DataType, req.EventTypes, req.Channels); err != nil {
		return nil, err
	}
	if hook.ID, err = newID(s.o.Random); err != nil {
		return nil, err
	}
	w := webhook{app, hook.ID}
	secret, sealed, err := s.newSecret(w)
	if err != nil {
		return nil, err
	}
	hook.Secrets = []chime.WebhookSecret{sealed}

	// The follower begins behind the event of the creation.
	err = s.o.Store.Update(ctx, app, func(tx store.Tx) (err error) {
		if err := requireApp(tx, app); err != nil {
			return err
		}
		if err := fits(tx, app, hook); err != nil {
			return err
		}
		if hook.Order, err = s.append(tx, chime.EventCreateWebhook, w); err != nil {
			return err
		}
		if err := store.Followings.Put(tx, w.following(), chime.Following{Position: hook.Order}); err != nil {
			return err
		}
		return store.Webhooks.Put(tx, w.key(), hook)
	})
	if err == nil {
		err = s.changed(ctx, w)
	}
	if err != nil {
		return nil, err
	}
	return &carillon.CreateWebhookResponse{WebhookARN: s.o.Site.WebhookARN(app, hook.ID), Secret: secret}, nil
}

// newID makes the id of a subscription: 24 letters and digits, with which the name of its follower is as long as
// one may be.
func newID(random io.Reader) (string, error) {
	var id [15]byte
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return "", err
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(id[:])), nil
}

// fits refuses a subscription beyond the limit, or with a name that another one has.
func fits(r store.Reader, app string, hook chime.Webhook) error {
	hooks, err := list(r, app)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(hooks, func(h chime.Webhook) bool { return h.ID == hook.ID })
	if len(others) >= MaxWebhooks {
		return api.ResourceLimitExceeded("the limit of %d webhooks per app instance is reached", MaxWebhooks)
	}
	if slices.ContainsFunc(others, func(h chime.Webhook) bool { return h.Name == hook.Name }) {
		return api.Conflict("Name: another webhook of the app instance has it")
	}
	return nil
}

func (s *Service) append(tx store.Tx, kind string, w webhook) (position uint64, err error) {
	return tx.Append(chime.Event{Type: kind, Time: s.now(), Topic: chime.Topic{App: w.app}, Object: w.id})
}

// set takes over what a request says of a subscription.
func (s *Service) set(hook *chime.Webhook, app, name, target string, dataType carillon.MessagingDataType, eventTypes, channels []string) error {
	u, err := url.Parse(target)
	if err != nil || u.User != nil || u.Fragment != "" {
		return api.BadRequest("Url", "must be a URL without user and fragment")
	}
	if err := s.o.Client.Check(u); err != nil {
		return api.BadRequest("Url", "may not be called: %v", err)
	}
	for _, name := range eventTypes {
		if !slices.Contains(streamed, name) {
			return api.BadRequest("EventTypes", "must be of %s", strings.Join(streamed, ", "))
		}
	}
	hook.Name, hook.URL, hook.DataType, hook.EventTypes = name, target, messaging.MessagingDataType(dataType), eventTypes

	// A channel is given by its ARN, or by a pattern over those of the app instance.
	hook.Channels = nil
	for _, c := range channels {
		if in := s.o.Site.AppOf(c); !strings.Contains(c, "*") && in != app {
			return api.BadRequest("Channels", "must be ARNs of channels of the app instance, or patterns in which * stands for any text")
		}
		hook.Channels = append(hook.Channels, chime.Pattern(c))
	}
	return nil
}

// streamed are the names of the events that streams, and so subscriptions, carry.
var streamed = func() (names []string) {
	for _, kind := range chime.EventKinds() {
		if name := kind.StreamName(); kind.Stream != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}()

// selects reports whether a subscription wants an event of a type that is streamed.
func selects(hook *chime.Webhook, dataType messaging.MessagingDataType, eventType, channelARN string) bool {
	return (hook.DataType == "" || hook.DataType == dataType) &&
		(len(hook.EventTypes) == 0 || slices.Contains(hook.EventTypes, eventType)) &&
		(len(hook.Channels) == 0 || slices.ContainsFunc(hook.Channels, func(p chime.Pattern) bool { return p.Matches(channelARN) }))
}

// ListWebhooks lists the subscriptions of an app instance in the order of their creation.
func (s *Service) ListWebhooks(ctx context.Context, req *carillon.ListWebhooksRequest) (*carillon.ListWebhooksResponse, error) {
	app, err := s.parseApp(req.AppInstanceARN)
	if err != nil {
		return nil, err
	}
	resp := new(carillon.ListWebhooksResponse)
	err = s.o.Store.View(ctx, app, func(r store.Reader) error {
		if err := requireApp(r, app); err != nil {
			return err
		}
		hooks, err := list(r, app)
		resp.Webhooks = nil
		for _, hook := range hooks {
			pending, _, failed := store.Counts.Get(r, webhook{app, hook.ID}.pending())
			if failed != nil {
				return failed
			}
			resp.Webhooks = append(resp.Webhooks, carillon.WebhookSummary{
				WebhookARN: s.o.Site.WebhookARN(app, hook.ID), Name: hook.Name, Status: statusOf(&hook),
				Pending: int(pending), FailingSince: shown(hook.FailingSince),
			})
		}
		return err
	})
	return resp, err
}

// DescribeWebhook shows a subscription without its secrets.
func (s *Service) DescribeWebhook(ctx context.Context, req *carillon.DescribeWebhookRequest) (*carillon.DescribeWebhookResponse, error) {
	w, err := s.parse(req.WebhookARN)
	if err != nil {
		return nil, err
	}
	var hook chime.Webhook
	var pending uint64
	err = s.o.Store.View(ctx, w.app, func(r store.Reader) (err error) {
		if hook, err = require(r, w); err == nil {
			pending, _, err = store.Counts.Get(r, w.pending())
		}
		return err
	})
	if err != nil {
		return nil, err
	}

	// What it selects and how it stands, without what signs.
	detail := &carillon.Webhook{
		WebhookARN: s.o.Site.WebhookARN(w.app, w.id), Name: hook.Name, URL: hook.URL,
		DataType: carillon.MessagingDataType(hook.DataType), EventTypes: hook.EventTypes,
		Status: statusOf(&hook), StatusReason: hook.Reason, Pending: int(pending), FailingSince: shown(hook.FailingSince),
		CreatedTimestamp: shown(hook.Created), LastUpdatedTimestamp: shown(hook.Updated),
	}
	for _, p := range hook.Channels {
		detail.Channels = append(detail.Channels, string(p))
	}
	if secrets := current(hook.Secrets, s.now()); len(secrets) > 1 {
		detail.FormerSecretUntil = shown(secrets[1].Until)
	}
	return &carillon.DescribeWebhookResponse{Webhook: detail}, nil
}

func statusOf(hook *chime.Webhook) carillon.WebhookStatus {
	if hook.Disabled {
		return carillon.WebhookStatusDisabled
	}
	return carillon.WebhookStatusEnabled
}

func shown(at chime.Millis) *time.Time {
	if at == 0 {
		return nil
	}
	t := at.Time()
	return &t
}

// UpdateWebhook replaces the name, the URL and what is selected, which also holds for events that are not
// queued yet. Without a Status that stays. What waits is tried again at once.
func (s *Service) UpdateWebhook(ctx context.Context, req *carillon.UpdateWebhookRequest) (*carillon.UpdateWebhookResponse, error) {
	w, err := s.parse(req.WebhookARN)
	if err != nil {
		return nil, err
	}
	now, age := s.now(), s.age()
	err = s.change(ctx, w, func(tx store.Tx, hook *chime.Webhook) error {
		if err := s.set(hook, w.app, req.Name, req.URL, req.DataType, req.EventTypes, req.Channels); err != nil {
			return err
		}
		hook.Updated = now.NotBefore(hook.Updated)
		switch {
		case req.Status == carillon.WebhookStatusDisabled && !hook.Disabled:
			hook.Disabled, hook.Reason = true, "by a call of UpdateWebhook"
		case req.Status == carillon.WebhookStatusEnabled && hook.Disabled:
			hook.Disabled, hook.Reason, hook.Enabled = false, "", age
			hook.FailingSince, hook.Failing = 0, 0
		}
		return fits(tx, w.app, *hook)
	})
	if err != nil {
		return nil, err
	}
	return &carillon.UpdateWebhookResponse{WebhookARN: req.WebhookARN}, nil
}

// change changes a subscription by a call.
func (s *Service) change(ctx context.Context, w webhook, f func(tx store.Tx, hook *chime.Webhook) error) error {
	err := s.o.Store.Update(ctx, w.app, func(tx store.Tx) error {
		hook, err := require(tx, w)
		if err != nil {
			return err
		}
		if err := f(tx, &hook); err != nil {
			return err
		}
		if _, err := s.append(tx, chime.EventUpdateWebhook, w); err != nil {
			return err
		}
		return store.Webhooks.Put(tx, w.key(), hook)
	})
	if err != nil {
		return err
	}
	return s.changed(ctx, w)
}

// DeleteWebhook removes a subscription with its deliveries. One that does not exist is gone already.
func (s *Service) DeleteWebhook(ctx context.Context, req *carillon.DeleteWebhookRequest) (*carillon.DeleteWebhookResponse, error) {
	w, err := s.parse(req.WebhookARN)
	if err != nil {
		return nil, err
	}
	found := false
	err = s.o.Store.Update(ctx, w.app, func(tx store.Tx) (err error) {
		if _, found, err = find(tx, w); err != nil || !found {
			return err
		}
		if _, err := s.append(tx, chime.EventDeleteWebhook, w); err != nil {
			return err
		}

		// Its record, the position of its follower, and what is listed of it.
		if err := store.Remove(tx,
			store.Webhooks.Row(w.key(), chime.Webhook{}), store.Followings.Row(w.following(), chime.Following{}), store.Counts.Row(w.pending(), 0),
		); err != nil {
			return err
		}
		if err := store.WebhookStates.DeletePrefix(tx, w.key()); err != nil {
			return err
		}
		return store.WebhookDeliveries.DeletePrefix(tx, w.key())
	})
	if err == nil && found {
		err = s.changed(ctx, w)
	}
	return nil, err
}
