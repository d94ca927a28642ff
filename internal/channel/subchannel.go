package channel

import (
	"cmp"
	"context"
	"slices"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel/occupancy"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// errNoSubChannel is what most operations answer for a sub-channel that does not exist.
var errNoSubChannel error = api.Forbidden("SubChannelId does not name a sub-channel that you may use")

// EnterSub is Enter for a call about messages, which are kept by sub-channel when the channel is
// elastic (spec 5.5, 6.8). A member means its own sub-channel, by name or without; a caller that
// manages the channel names any that exists. All others have no sub-channel and are refused before
// the answer could reveal which exist.
func EnterSub(r store.Reader, site chime.Site, bearer, channelARN string, sub *string) (*Visit, error) {
	v, err := arrive(r, site, bearer, channelARN, nil)
	if err != nil {
		return nil, err
	}
	return v, v.enterSub(r, sub)
}

// EnterSender is EnterSub for a send, which takes a DEFAULT membership and no other role: whether a
// member of a standard channel has one in addition is not looked up. ahead is what the caller wants to be
// read along with it; its values are set unless the request is malformed.
func EnterSender(r store.Reader, site chime.Site, bearer, channelARN string, sub *string, ahead []store.Lookup) (*Visit, error) {
	v, err := arrive(r, site, bearer, channelARN, ahead)
	switch {
	case err != nil:
		return nil, err
	case v.CanSend() && v.Channel.Elastic == nil:
		return v, RefuseSubChannel(sub)
	}
	return v, v.enterSub(r, sub)
}

func (v *Visit) enterSub(r store.Reader, sub *string) error {
	if err := v.enter(r); err != nil {
		return err
	}
	if err := require(v.CanRead()); err != nil {
		return err
	}
	return v.choose(r, sub)
}

// choose makes a visit be about the sub-channel that the call names or means.
func (v *Visit) choose(r store.Reader, sub *string) error {
	if v.Channel.Elastic == nil {
		return RefuseSubChannel(sub)
	}

	// A member that is no manager has one sub-channel, and may name no other.
	if !v.CanManage() {
		if v.Membership == nil {
			return ErrRole
		}
		v.Sub = v.Membership.Sub
		return require(sub == nil || *sub == v.Sub)
	}

	// A manager names any that exists, as a member of it or not.
	if err := v.RequireSub(sub); err != nil {
		return err
	}
	if err := v.requireSubChannel(r, *sub); err != nil {
		return err
	}

	v.Sub, v.Membership = *sub, nil
	m, found, err := v.MembershipOf(r, v.Actor.Ref)
	if found {
		v.Membership = &m
	}
	return err
}

// RequireSub refuses a call about an elastic channel that names no sub-channel.
func (v *Visit) RequireSub(id *string) error {
	if id == nil && v.Channel.Elastic != nil {
		return api.BadRequest("SubChannelId", "is required: the channel is elastic")
	}
	return nil
}

// RefuseSubChannel refuses a SubChannelId: only elastic channels have sub-channels.
func RefuseSubChannel(id *string) error {
	if id != nil {
		return api.BadRequest("SubChannelId", "must be absent: the channel is not elastic")
	}
	return nil
}

// errHiddenElastic refuses hidden members, which elastic channels do not have (spec 3.4).
var errHiddenElastic error = api.BadRequest("Type", "must be DEFAULT: the channel is elastic")

// refuseElastic refuses a call that elastic channels do not support (spec 3.4).
func (v *Visit) refuseElastic() error {
	if v.Channel.Elastic != nil {
		return api.BadRequest("ChannelArn", "must not name an elastic channel")
	}
	return nil
}

func (v *Visit) requireSubChannel(r store.Reader, id string) error {
	found, err := store.SubChannels.Has(r, v.Prefix().Str(id))
	if err == nil && !found {
		err = errNoSubChannel
	}
	return err
}

// History is what the keys of the messages begin with that the visit is about, and the key of
// their Activity.
func (v *Visit) History() store.Key {
	if v.Sub == "" {
		return v.Prefix()
	}
	return v.Prefix().Str(v.Sub)
}

// Touch moves the last message time of an elastic channel as a whole. That of History's sub-channel
// is moved by the caller.
func (v *Visit) Touch(tx store.Tx, at chime.Millis) error {
	if v.Sub == "" {
		return nil
	}
	channel, _, err := store.Activities.Get(tx, v.Prefix())
	if err != nil {
		return err
	}
	channel.LastMessage = at.NotBefore(channel.LastMessage)
	return store.Activities.Put(tx, v.Prefix(), channel)
}

// CanEditOwn reports whether the caller may change a message that it sent. On an elastic channel
// this takes being in the message's sub-channel still.
func (v *Visit) CanEditOwn() bool { return v.CanSend() || v.CanManage() && v.Channel.Elastic == nil }

// membershipsOf reads all memberships of a user or bot in the channel, oldest first: at most one
// unless it is a moderator of an elastic channel.
func (v *Visit) membershipsOf(r store.Reader, ref chime.Ref) (all []chime.Membership, err error) {
	sub, several := "", false
	if v.Channel.Elastic != nil {
		if sub, several, err = v.subChannelOf(r, ref); err != nil || sub == "" && !several {
			return nil, err
		}
	}
	if !several {
		m, found, err := store.Memberships.Get(r, v.memberKey(ref, sub))
		if found {
			all = []chime.Membership{m}
		}
		return all, err
	}

	err = store.Memberships.Each(r, store.Prefix(v.key(ref)), func(_ store.Key, m chime.Membership) (bool, error) {
		all = append(all, m)
		return true, nil
	})
	slices.SortFunc(all, func(a, b chime.Membership) int { return cmp.Compare(a.Order, b.Order) })
	return all, err
}

// subChannelOf finds the sub-channel of a user or bot, unless it may have several or is not to be found
// by key.
func (v *Visit) subChannelOf(r store.Reader, ref chime.Ref) (sub string, several bool, err error) {
	if !v.Channel.Elastic.Indexed {
		return "", true, nil
	}
	if isModerator, err := v.isModerator(r, ref); err != nil || isModerator {
		return "", true, err
	}
	sub, _, err = store.MemberSubChannels.Get(r, v.key(ref))
	return sub, false, err
}

// ListSubChannels lists the sub-channels of an elastic channel, oldest first. Moderators are not
// counted as members.
func (s *Service) ListSubChannels(ctx context.Context, req *messaging.ListSubChannelsRequest) (*messaging.ListSubChannelsResponse, error) {
	resp := &messaging.ListSubChannelsResponse{ChannelARN: req.ChannelARN}
	err := s.view(ctx, "ListSubChannels", req.ChimeBearer, req.ChannelARN, func(r store.Reader, v *Visit) (err error) {
		if err := require(v.CanManage()); err != nil {
			return err
		}
		if v.Channel.Elastic == nil {
			return api.BadRequest("ChannelArn", "must name an elastic channel")
		}
		seats, err := occupancy.Of(r, v.Prefix(), v.Channel.Elastic.TargetMemberships)
		if err != nil {
			return err
		}
		page := store.NewPage("ListSubChannels "+v.Channel.UID, req.MaxResults, req.NextToken)
		resp.SubChannels, resp.NextToken, err = store.List(r, store.SubChannelsInOrder, store.Prefix(v.Prefix()), page,
			func(id string) (messaging.SubChannelSummary, bool, error) {
				sub, found, err := store.SubChannels.Get(r, v.Prefix().Str(id))
				if err == nil && sub.Number > 0 {
					sub.Members, err = seats.Members(r, sub.Number)
				}
				return messaging.SubChannelSummary{SubChannelID: id, MembershipCount: sub.Members}, found, err
			})
		return err
	})
	return resp, err
}
