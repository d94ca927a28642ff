package channel

import (
	"context"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel/elastic"
	"github.com/carillon-chat/carillon/internal/channel/expiration"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreateChannel makes a channel with its first members and moderators, all or nothing (spec 6.1).
// The creator becomes member and moderator, of an elastic channel moderator alone. Each initial
// member is notified of its own membership, and of no other.
func (s *Service) CreateChannel(ctx context.Context, req *messaging.CreateChannelRequest) (*messaging.CreateChannelResponse, error) {
	at, err := s.site.ParseKind("AppInstanceArn", req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}
	if err := elastic.Check(req, s.limits.SubChannelsPerChannel, s.limits.MembersPerSubChannel); err != nil {
		return nil, err
	}

	call, err := s.tokens.Call(idempotency.Scope{
		Operation: "CreateChannel", App: at.App, Bearer: chime.Ref(req.ChimeBearer), Token: req.ClientRequestToken,
	}, req)
	if err != nil {
		return nil, err
	}

	id, uid, err := s.newChannelIDs(req.ChannelID)
	if err != nil {
		return nil, err
	}

	// A repeated call answers the channel of the first, as long as it exists.
	var arn string
	err = s.store.Update(ctx, at.App, func(tx store.Tx) error {
		actor, err := identity.ResolveBearer(tx, s.site, req.ChimeBearer)
		if err != nil {
			return err
		}
		if actor.App != at.App {
			return api.Forbidden("ChimeBearer and AppInstanceArn belong to different app instances")
		}
		call.Within("", actor.Since)
		made, err := call.Do(tx, madeStill(tx, at.App), func() (string, error) {
			v := &Visit{Actor: actor, Channel: newChannel(req, id, uid, actor.Ref, s.now()), caller: actor.Ref, site: s.site}
			return id + "/" + uid, s.create(tx, v, req)
		})

		id, _, _ := strings.Cut(made, "/")
		arn = s.site.ChannelARN(at.App, id)
		return err
	})
	if err != nil {
		return nil, err
	}

	return &messaging.CreateChannelResponse{ChannelARN: arn}, nil
}

// madeStill reports of channels, by id and UID, whether they exist.
func madeStill(r store.Reader, app string) func(made string) (bool, error) {
	return func(made string) (bool, error) {
		id, uid, _ := strings.Cut(made, "/")
		_, found, err := channelAt(r, app, chime.ChannelEntry{ChannelID: id, UID: uid})
		return found, err
	}
}

func (s *Service) newChannelIDs(wanted *string) (id, uid string, err error) {
	if uid, err = chime.NewUUID(s.random); err != nil {
		return "", "", err
	}
	if wanted != nil {
		return *wanted, uid, nil
	}
	return uid, uid, nil
}

// newChannel returns the channel of a request, with the defaults of AWS.
func newChannel(req *messaging.CreateChannelRequest, id, uid string, creator chime.Ref, now chime.Millis) chime.Channel {
	c := chime.Channel{
		ID: id, UID: uid, Name: req.Name, Mode: req.Mode, Privacy: req.Privacy,
		CreatedBy: creator, Created: now, Updated: now,
	}

	c.Elastic = elastic.New(req.ElasticChannelConfiguration)
	switch {
	case c.Mode != "":
	case c.Elastic != nil:
		c.Mode = messaging.ChannelModeRestricted
	default:
		c.Mode = messaging.ChannelModeUnrestricted
	}

	if c.Privacy == "" {
		c.Privacy = messaging.ChannelPrivacyPublic
	}
	if req.Metadata != nil {
		c.Metadata = *req.Metadata
	}
	if c.Expiration = expiration.New(req.ExpirationSettings); c.Expiration != nil {
		c.Expiration.Due = c.Expiration.After(c.Created)
	}
	return c
}

// create writes the channel, its roles and its first members.
func (s *Service) create(tx store.Tx, v *Visit, req *messaging.CreateChannelRequest) error {
	taken, err := store.Channels.Has(tx, store.K(v.Actor.App, v.Channel.ID))
	if err != nil {
		return err
	}
	if taken {
		return api.Conflict("a channel with this ChannelId exists")
	}

	members, err := v.findAll(tx, "MemberArns", req.MemberARNs)
	if err != nil {
		return err
	}
	moderators, err := v.findAll(tx, "ModeratorArns", req.ModeratorARNs)
	if err != nil {
		return err
	}

	// The event's position orders the channel, so it is appended before the records.
	created, err := v.channelEvent(tx, chime.EventCreateChannel, v.Channel.Created)
	if err != nil {
		return err
	}
	created.Subject = v.Actor.Ref
	if v.Channel.Order, err = tx.Append(created); err != nil {
		return err
	}

	if err := store.Insert(tx, s.channelRows(v)...); err != nil {
		return err
	}
	if err := identity.PutTags(tx, v.resource(), chime.TagsOf(req.Tags)); err != nil {
		return err
	}

	// Roles last: their events follow that of the channel.
	for _, ref := range moderators {
		if err := s.addModerator(tx, v, ref, v.Channel.Created); err != nil {
			return err
		}
	}
	if v.Channel.Elastic != nil { // its creator is a moderator and no member
		seats, err := v.seats(tx)
		if err == nil {
			_, err = s.addSubChannel(tx, v, seats, v.Channel.Created)
		}
		return err
	}
	return s.addFirstMembers(tx, v, members)
}

// findAll reads a list of users or bots, with the caller first and without repeats.
func (v *Visit) findAll(r store.Reader, member string, arns []string) ([]chime.Ref, error) {
	refs := []chime.Ref{v.Actor.Ref}
	seen := map[chime.Ref]bool{v.Actor.Ref: true}
	for _, arn := range arns {
		ref, err := v.find(r, member, arn)
		if err != nil {
			return nil, err
		}
		if !seen[ref] {
			refs = append(refs, ref)
		}
		seen[ref] = true
	}
	return refs, nil
}

func (s *Service) addFirstMembers(tx store.Tx, v *Visit, members []chime.Ref) error {
	for _, ref := range members {
		m := v.newMembership(ref, messaging.ChannelMembershipTypeDefault, v.Channel.Created)
		e, err := v.membershipEvent(tx, chime.EventCreateMembership, m, v.Channel.Created)
		if err != nil {
			return err
		}
		e.Only, e.Join = []chime.Ref{ref}, []chime.Ref{ref}
		if err := s.addMember(tx, v, m, e); err != nil {
			return err
		}
	}
	return nil
}

// entryKey is the key of this channel in the list of channels of a user or bot.
func (v *Visit) entryKey(ref chime.Ref, order uint64) store.Key {
	return store.ChannelEntryKey(v.Actor.App, ref, order, v.Channel.UID)
}

func (v *Visit) entry() chime.ChannelEntry {
	return chime.ChannelEntry{ChannelID: v.Channel.ID, UID: v.Channel.UID}
}
