package channel

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel/managers"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreateChannelBan keeps a user or bot out of the channel until the ban is deleted, and ends the
// membership that it has. Admins and moderators cannot be banned (rule w). Sockets are notified of
// the end of the membership alone.
func (s *Service) CreateChannelBan(ctx context.Context, req *messaging.CreateChannelBanRequest) (*messaging.CreateChannelBanResponse, error) {
	resp := &messaging.CreateChannelBanResponse{ChannelARN: req.ChannelARN}
	err := s.update(ctx, "CreateChannelBan", req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		if err := require(v.CanManage()); err != nil {
			return err
		}
		ref, err := v.find(tx, "MemberArn", req.MemberARN)
		if err != nil {
			return err
		}

		if err := v.refuseManager(tx, ref); err != nil {
			return err
		}
		if banned, err := v.isBanned(tx, ref); err != nil {
			return err
		} else if banned {
			return api.Conflict("MemberArn is banned already")
		}

		if err := s.ban(tx, v, ref, s.now()); err != nil {
			return err
		}
		resp.Member, err = v.Identity(tx, ref)
		return err
	})
	return resp, err
}

func (v *Visit) refuseManager(r store.Reader, ref chime.Ref) error {
	manages, err := managers.Manages(r, v.Actor.App, v.Channel.UID, ref)
	if err == nil && manages {
		err = api.Forbidden("MemberArn is an admin or a moderator, who cannot be banned")
	}
	return err
}

// ban writes the ban with its event and ends the memberships of the banned.
func (s *Service) ban(tx store.Tx, v *Visit, ref chime.Ref, now chime.Millis) (err error) {
	b := chime.Ban{Ref: ref, CreatedBy: v.Actor.Ref, Created: now}
	if b.Order, err = v.appendBan(tx, chime.EventCreateBan, b, now); err != nil {
		return err
	}
	if err := store.Insert(tx, v.banRows(b)...); err != nil {
		return err
	}

	memberships, err := v.membershipsOf(tx, ref)
	if err != nil {
		return err
	}
	return s.removeMembers(tx, v, ref, memberships, now)
}

// isBanned reports whether a user or bot is banned from the channel.
func (v *Visit) isBanned(r store.Reader, ref chime.Ref) (bool, error) {
	return store.Bans.Has(r, v.key(ref))
}

// refuseBanned refuses to give a banned user or bot a role in the channel, whatever the caller's
// role.
func (v *Visit) refuseBanned(r store.Reader, member string, ref chime.Ref) error {
	banned, err := v.isBanned(r, ref)
	if err == nil && banned {
		err = api.Forbidden("%s is banned from the channel", member)
	}
	return err
}

// DeleteChannelBan lifts a ban. The membership that it ended does not come back. Lifting one
// that there is not is done already.
func (s *Service) DeleteChannelBan(ctx context.Context, req *messaging.DeleteChannelBanRequest) (*messaging.DeleteChannelBanResponse, error) {
	err := s.update(ctx, "DeleteChannelBan", req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) error {
		if err := require(v.CanManage()); err != nil {
			return err
		}
		ref, err := v.parse("MemberArn", req.MemberARN)
		if err != nil {
			return err
		}
		b, found, err := store.Bans.Get(tx, v.key(ref))
		if err != nil || !found {
			return err
		}
		return v.removeBan(tx, b, s.now())
	})
	return nil, err
}

func (v *Visit) removeBan(tx store.Tx, b chime.Ban, now chime.Millis) error {
	if _, err := v.appendBan(tx, chime.EventDeleteBan, b, now); err != nil {
		return err
	}
	return store.Remove(tx, v.banRows(b)...)
}

// appendBan appends an event about a ban.
func (v *Visit) appendBan(tx store.Tx, kind string, b chime.Ban, now chime.Millis) (position uint64, err error) {
	shown, err := v.showBan(tx, b)
	if err != nil {
		return 0, err
	}
	return tx.Append(v.eventOf(kind, now, b.Ref, shown.AppendJSON(nil, api.ISO)))
}

func (v *Visit) showBan(r store.Reader, b chime.Ban) (*messaging.ChannelBan, error) {
	member, err := v.Identity(r, b.Ref)
	if err != nil {
		return nil, err
	}
	by, err := v.IdentityAt(r, b.CreatedBy, b.Order)
	return &messaging.ChannelBan{Member: member, ChannelARN: v.ARN(), CreatedTimestamp: b.Created.Optional(), CreatedBy: by}, err
}

// DescribeChannelBan answers one ban to callers that can manage the channel.
func (s *Service) DescribeChannelBan(ctx context.Context, req *messaging.DescribeChannelBanRequest) (*messaging.DescribeChannelBanResponse, error) {
	resp := new(messaging.DescribeChannelBanResponse)
	err := s.view(ctx, "DescribeChannelBan", req.ChimeBearer, req.ChannelARN, func(r store.Reader, v *Visit) error {
		if err := require(v.CanManage()); err != nil {
			return err
		}

		ref, err := v.parse("MemberArn", req.MemberARN)
		if err != nil {
			return err
		}
		b, found, err := store.Bans.Get(r, v.key(ref))
		if err != nil {
			return err
		}

		if !found {
			return api.NotFound("MemberArn is not banned from the channel")
		}
		resp.ChannelBan, err = v.showBan(r, b)
		return err
	})
	return resp, DeclaresNotFound(err)
}

// ListChannelBans lists the bans in the order in which they were made.
func (s *Service) ListChannelBans(ctx context.Context, req *messaging.ListChannelBansRequest) (*messaging.ListChannelBansResponse, error) {
	resp := &messaging.ListChannelBansResponse{ChannelARN: req.ChannelARN}
	err := s.view(ctx, "ListChannelBans", req.ChimeBearer, req.ChannelARN, func(r store.Reader, v *Visit) error {
		if err := require(v.CanManage()); err != nil {
			return err
		}
		page := store.NewPage("ListChannelBans "+v.Channel.UID, req.MaxResults, req.NextToken)
		var err error
		resp.ChannelBans, resp.NextToken, err = store.List(r, store.BansInOrder, store.Prefix(v.Prefix()), page,
			func(ref chime.Ref) (messaging.ChannelBanSummary, bool, error) {
				member, err := v.Identity(r, ref)
				return messaging.ChannelBanSummary{Member: member}, true, err
			})
		return err
	})
	return resp, err
}
