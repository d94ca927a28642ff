package push

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/channel/members"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/chime/filter"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	callTTL  = time.Minute // for which a call is of use
	maxBadge = 1000        // unread messages that are counted

	// maxLooked bounds the members that one moment of the store is held for.
	maxLooked = 1000
)

// source is a message whose notification is pushed.
type source struct {
	event    *chime.Event // of the message; its Position is zero when that is not in the log
	message  chime.Message
	visit    *channel.Visit
	expires  time.Time
	collapse string
	filters  map[string]*filter.Rule // that were read already, by their text
}

func (s *Service) source(e *chime.Event, m chime.Message) *source {
	src := &source{event: e, message: m, visit: channel.EventVisit(s.o.Site, e), expires: e.Time.Time().Add(s.o.TTL), filters: map[string]*filter.Rule{}}
	if m.Push.Type == messaging.PushNotificationTypeVoip {
		src.expires = e.Time.Time().Add(min(s.o.TTL, callTTL))
		return src
	}
	sum := sha256.Sum256([]byte(e.App + "/" + e.Channel + "/" + e.Sub))
	src.collapse = base64.RawURLEncoding.EncodeToString(sum[:24])
	return src
}

func (s *source) isCall() bool { return s.message.Push.Type == messaging.PushNotificationTypeVoip }

// delivery is a notification for one device.
type delivery struct {
	*source
	ref      chime.Ref
	device   chime.Endpoint
	note     Notification
	known    bool // an application is there for the device
	attempts int  // that the device failed

	tried   bool // an attempt was made, or none is worth while
	outcome error
	ending  ending
	fault   *Fault
}

// gather finds the next devices that are sent the notification, about so many. next is where to go on, nil
// when all members were looked at.
func (p *pusher) gather(ctx context.Context, src *source, from store.Key, most int) (list []*delivery, next store.Key, err error) {
	err = p.o.Store.View(ctx, src.event.App, func(r store.Reader) error {
		list, next = nil, nil
		if src.message.Target != "" {
			_, found, err := src.visit.MembershipOf(r, src.message.Target)
			if err == nil && found {
				list, err = p.devices(r, src, src.message.Target)
			}
			return err
		}

		looked := 0
		behind := from // of the last that was looked at
		return members.Each(r, src.event.Topic, from, func(m members.Member) (bool, error) {
			if len(list) >= most || looked >= maxLooked {
				next = behind
				return false, nil
			}
			looked, behind = looked+1, m.Next
			if src.event.Position != 0 && m.Since > src.event.Position {
				return true, nil
			}
			more, err := p.devices(r, src, m.Ref)
			list = append(list, more...)
			return true, err
		})
	})
	return list, next, err
}

// devices finds the devices of a member that are sent the notification.
func (p *pusher) devices(r store.Reader, src *source, ref chime.Ref) (list []*delivery, err error) {
	if !ref.IsUser() || ref == src.message.Sender {
		return nil, nil
	}
	endpoints, err := identity.ActiveEndpoints(r, src.event.App, ref)
	if err != nil {
		return nil, err
	}
	for _, device := range endpoints {
		if d := p.delivery(src, ref, device); d != nil {
			list = append(list, d)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}

	// The rest is read for members with such a device alone.
	if p.o.Online(src.event.App, ref) {
		p.counts.quiet.Add(uint64(len(list)))
		return nil, nil
	}
	wanted, err := src.wanted(r, ref)
	if err != nil || !wanted {
		return nil, err
	}
	return list, p.count(r, src.event.App, ref, list)
}

// delivery is the notification for a device of the application, nil when the device is not sent it.
func (p *pusher) delivery(src *source, ref chime.Ref, device chime.Endpoint) *delivery {
	owner, known := p.owner(&device)
	if owner != p || known && src.isCall() && device.Type != typeGCM && device.VoipToken == "" {
		return nil
	}
	push := src.message.Push
	return &delivery{source: src, ref: ref, device: device, known: known, note: Notification{
		ID:        uuid.NewSHA1(namespace, []byte(src.event.App+"/"+src.event.Channel+"/"+src.message.ID+"/"+device.ID)).String(),
		MessageID: src.message.ID, ChannelARN: src.visit.ARN(), Title: push.Title, Body: push.Body,
		Call: src.isCall(), Collapse: src.collapse, Badge: -1, Expires: src.expires,
	}}
}

// typeGCM is the Type of the devices that have no token for calls.
const typeGCM = "GCM"

// namespace keeps ids that are made of names apart from UUIDs of other origins.
var namespace = uuid.MustParse("a3c0f5f6-1c0e-4d7b-8c55-0b9d6a6c1f02")

// count sets the badges of the devices of a user.
func (p *pusher) count(r store.Reader, app string, ref chime.Ref, list []*delivery) error {
	if !p.Badge {
		return nil
	}
	total, err := p.o.Unread.Total(r, app, ref, maxBadge)
	for _, d := range list {
		d.note.Badge = int(total)
	}
	return err
}

// wanted reports whether the preferences of a member let the notification pass (spec 6.7).
func (s *source) wanted(r store.Reader, ref chime.Ref) (bool, error) {
	m, found, err := s.visit.MembershipOf(r, ref)
	if err != nil || !found || m.Preferences == nil {
		return found, err
	}
	switch m.Preferences.AllowNotifications {
	case messaging.AllowNotificationsNone:
		return false, nil
	case messaging.AllowNotificationsFiltered:
		rule := s.filters[m.Preferences.FilterRule]
		if rule == nil {
			if rule, err = filter.Parse(m.Preferences.FilterRule); err != nil { // it was checked when it was set
				return false, nil
			}
			s.filters[m.Preferences.FilterRule] = rule
		}
		return rule.Match(s.message.Attributes), nil
	}
	return true, nil
}
