package channel

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/chime/filter"
	"github.com/carillon-chat/carillon/internal/store"
)

// PutChannelMembershipPreferences sets which messages are pushed to the caller, a member of any
// type. No caller can do it for another (rule n). It replaces what was set before.
func (s *Service) PutChannelMembershipPreferences(ctx context.Context, req *messaging.PutChannelMembershipPreferencesRequest) (*messaging.PutChannelMembershipPreferencesResponse, error) {
	preferences, err := newPreferences(req.Preferences)
	if err != nil {
		return nil, err
	}
	resp := &messaging.PutChannelMembershipPreferencesResponse{ChannelARN: req.ChannelARN, Preferences: showPreferences(preferences)}
	err = s.update(ctx, "PutChannelMembershipPreferences", req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		if err := v.requireOwn(req.MemberARN); err != nil {
			return err
		}
		m := *v.Membership
		m.Preferences = preferences
		if _, err := tx.Append(v.eventOf(chime.EventPutPreferences, s.now(), m.Ref, nil)); err != nil {
			return err
		}
		resp.Member = v.Self()
		return v.SaveMembership(tx, m)
	})
	return resp, err
}

// GetChannelMembershipPreferences answers the caller's own preferences.
func (s *Service) GetChannelMembershipPreferences(ctx context.Context, req *messaging.GetChannelMembershipPreferencesRequest) (*messaging.GetChannelMembershipPreferencesResponse, error) {
	resp := &messaging.GetChannelMembershipPreferencesResponse{ChannelARN: req.ChannelARN}
	err := s.view(ctx, "GetChannelMembershipPreferences", req.ChimeBearer, req.ChannelARN, func(_ store.Reader, v *Visit) error {
		if err := v.requireOwn(req.MemberARN); err != nil {
			return err
		}
		resp.Member, resp.Preferences = v.Self(), showPreferences(v.Membership.Preferences)
		return nil
	})
	return resp, err
}

// requireOwn refuses all callers but a member of a standard channel that names itself.
func (v *Visit) requireOwn(memberARN string) error {
	ref, err := v.parse("MemberArn", memberARN)
	if err != nil {
		return err
	}
	if err := require(v.Membership != nil && ref == v.Actor.Ref); err != nil {
		return err
	}
	return v.refuseElastic()
}

// newPreferences is nil for the default, which pushes everything.
func newPreferences(p *messaging.ChannelMembershipPreferences) (*chime.Preferences, error) {
	if p == nil || p.PushNotifications == nil {
		return nil, nil
	}
	const member = "Preferences.PushNotifications.FilterRule"
	rule := p.PushNotifications.FilterRule
	kept := &chime.Preferences{AllowNotifications: p.PushNotifications.AllowNotifications}

	if rule == nil {
		if kept.AllowNotifications == messaging.AllowNotificationsFiltered {
			return nil, api.BadRequest(member, "is required when AllowNotifications is FILTERED")
		}
		return kept, nil
	}

	if _, err := filter.Parse(*rule); err != nil {
		return nil, api.BadRequest(member, "%s", err)
	}
	kept.FilterRule = *rule
	return kept, nil
}

func showPreferences(p *chime.Preferences) *messaging.ChannelMembershipPreferences {
	shown := &messaging.PushNotificationPreferences{AllowNotifications: messaging.AllowNotificationsAll}
	if p != nil {
		shown.AllowNotifications = p.AllowNotifications
		if p.FilterRule != "" {
			shown.FilterRule = &p.FilterRule
		}
	}
	return &messaging.ChannelMembershipPreferences{PushNotifications: shown}
}
