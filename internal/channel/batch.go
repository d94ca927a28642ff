package channel

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// BatchCreateChannelMembership makes up to 100 users or bots members with one event. Those that
// cannot be added are listed in Errors; the others are added all the same (spec 6.3).
func (s *Service) BatchCreateChannelMembership(ctx context.Context, req *messaging.BatchCreateChannelMembershipRequest) (*messaging.BatchCreateChannelMembershipResponse, error) {
	kind := req.Type
	if kind == "" {
		kind = messaging.ChannelMembershipTypeDefault
	}
	var resp *messaging.BatchCreateChannelMembershipResponse
	err := s.update(ctx, "BatchCreateChannelMembership", req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) (err error) {
		resp, err = s.batch(tx, v, kind, req.MemberARNs, req.SubChannelID)
		return err
	})
	return resp, DeclaresNotFound(err)
}

// batch decides which users and bots can be added, and adds them.
func (s *Service) batch(tx store.Tx, v *Visit, kind messaging.ChannelMembershipType, arns []string, sub *string) (*messaging.BatchCreateChannelMembershipResponse, error) {
	inviter, err := v.Identity(tx, v.Actor.Ref)
	if err != nil {
		return nil, err
	}
	// Lists that end up empty are answered all the same, for clients that iterate over them
	// unchecked.
	added := &messaging.BatchChannelMemberships{InvitedBy: inviter, Type: kind, Members: []messaging.Identity{}, ChannelARN: v.ARN()}
	resp := &messaging.BatchCreateChannelMembershipResponse{BatchChannelMemberships: added, Errors: []messaging.BatchCreateChannelMembershipError{}}

	those, err := s.batchMembers(tx, v, kind, arns, sub, resp)
	if err != nil {
		return resp, err
	}

	if v.Channel.Elastic != nil {
		return resp, s.batchElastic(tx, v, kind, those.all, sub, resp)
	}
	if err := RefuseSubChannel(sub); err != nil {
		return resp, err
	}

	// One event names all that join; its position orders their memberships.
	now, order := s.now(), uint64(0)
	if len(those.joining) > 0 {
		shown := *added
		if shown.Members, err = v.identities(tx, those.joining); err != nil {
			return nil, err
		}
		if order, err = v.appendBatchEvents(tx, &shown, kind, those.joining, now); err != nil {
			return nil, err
		}
	}

	for _, ref := range those.joining {
		m := v.newMembership(ref, kind, now)
		m.Order = order
		if err := store.Insert(tx, s.memberRows(v, m)...); err != nil {
			return nil, err
		}
	}

	if err := s.refuseFull(tx, v, those.secret...); err != nil {
		return nil, err
	}
	added.Members, err = v.identities(tx, those.all)
	return resp, err
}

// candidates are those of a batch that are answered as members: all in the order of the request,
// those of them that join, and those that are hidden members unknown to the caller.
type candidates struct{ all, joining, secret []chime.Ref }

// appendBatchEvents appends the events of a batch and returns the last position. The event of
// hidden members goes to the members that can manage the channel; a hidden member learns of itself
// alone (spec 3.5).
func (v *Visit) appendBatchEvents(tx store.Tx, added *messaging.BatchChannelMemberships, kind messaging.ChannelMembershipType, refs []chime.Ref, now chime.Millis) (order uint64, err error) {
	if !isHidden(kind) {
		return v.appendBatch(tx, *added, refs, nil, now)
	}

	managers, err := v.memberManagers(tx)
	if err != nil {
		return 0, err
	}
	var joining []chime.Ref // those that manage the channel themselves

	// Those that manage the channel share one event; each of the others gets its own.
	for _, ref := range refs {
		manages, err := v.isManager(tx, ref)
		if err != nil {
			return 0, err
		}
		if manages {
			joining = append(joining, ref)
			continue
		}

		own := *added
		if own.Members, err = v.identities(tx, []chime.Ref{ref}); err != nil {
			return 0, err
		}
		if order, err = v.appendBatch(tx, own, []chime.Ref{ref}, []chime.Ref{ref}, now); err != nil {
			return 0, err
		}
	}

	if only := append(managers, joining...); len(only) > 0 {
		return v.appendBatch(tx, *added, joining, only, now)
	}
	return order, nil
}

func (v *Visit) appendBatch(tx store.Tx, shown messaging.BatchChannelMemberships, join, only []chime.Ref, now chime.Millis) (uint64, error) {
	e := v.event(chime.EventBatchCreateMembership, now, "", shown.AppendJSON(nil, api.ISO))
	e.Join, e.Only = join, only
	return tx.Append(e)
}

func (v *Visit) identities(r store.Reader, refs []chime.Ref) ([]messaging.Identity, error) {
	list := make([]messaging.Identity, len(refs))
	for i, ref := range refs {
		shown, err := v.Identity(r, ref)
		if err != nil {
			return nil, err
		}
		list[i] = *shown
	}
	return list, nil
}

// batchElastic adds the members of a batch to an elastic channel one by one, each with an event of
// its own for the sub-channel that it comes to. Those for which no sub-channel has space are listed
// in Errors.
func (s *Service) batchElastic(tx store.Tx, v *Visit, kind messaging.ChannelMembershipType, refs []chime.Ref, sub *string, resp *messaging.BatchCreateChannelMembershipResponse) error {
	if isHidden(kind) {
		return errHiddenElastic
	}
	if !v.CanManage() { // the caller adds itself
		if err := refusePlacing(sub); err != nil {
			return err
		}
	}

	if sub != nil {
		if err := v.requireSubChannel(tx, *sub); err != nil {
			return err
		}
		resp.BatchChannelMemberships.SubChannelID = *sub
	}

	// All are admitted before the first is seated, so that neighbours share the choice of their place.
	entrants := make([]entrant, len(refs))
	var waiting []*chime.Membership
	for i, ref := range refs {
		e := &entrants[i]
		e.m = v.newMembership(ref, kind, s.now())
		already, err := s.admit(tx, v, &e.m, sub)
		switch {
		case errors.As(err, &e.refused) || err == nil && already:
		case err != nil:
			return err
		case e.m.Sub == "":
			waiting = append(waiting, &e.m)
		default:
			if err := s.welcome(tx, v, e.m); err != nil {
				return err
			}
		}
	}
	if len(waiting) > 0 {
		if _, err := s.seat(tx, v, waiting...); err != nil || v.again {
			return err // then those that have come in are members already
		}
	}
	return s.answerEntrants(tx, v, entrants, resp)
}

// entrant is one of a batch that may enter an elastic channel.
type entrant struct {
	m       chime.Membership
	refused *api.Error
}

// answerEntrants lists those that are members now, in the order of the request, and why the others are not.
func (s *Service) answerEntrants(r store.Reader, v *Visit, entrants []entrant, resp *messaging.BatchCreateChannelMembershipResponse) error {
	for _, e := range entrants {
		if e.refused == nil && e.m.Sub == "" {
			e.refused = v.errFull()
		}
		if e.refused != nil {
			resp.Errors = append(resp.Errors, messaging.BatchCreateChannelMembershipError{
				MemberARN: v.RefARN(e.m.Ref), ErrorCode: messaging.ErrorCode(e.refused.Code), ErrorMessage: e.refused.Message,
			})
			continue
		}
		member, err := v.Identity(r, e.m.Ref)
		if err != nil {
			return err
		}
		resp.BatchChannelMemberships.Members = append(resp.BatchChannelMemberships.Members, *member)
	}
	return nil
}

// batchMembers decides which of the batch can be added, and lists the others in the response. A
// caller that may add none of the batch is refused.
func (s *Service) batchMembers(r store.Reader, v *Visit, kind messaging.ChannelMembershipType, arns []string, sub *string, resp *messaging.BatchCreateChannelMembershipResponse) (those candidates, err error) {
	seen := make(map[string]bool, len(arns))
	allowed := false
	for _, arn := range arns {
		if seen[arn] {
			continue
		}
		seen[arn] = true

		res, err := v.site.ParseIdentity("MemberArns", arn)
		if err != nil && !api.ForbiddenException.Matches(err) {
			return those, err
		}
		may := err == nil && v.canAdd(res.Ref(), kind)
		allowed = allowed || may

		refusal, err := s.batchMember(r, v, kind, arn, res, sub, may, &those)
		if err != nil {
			return those, err
		}
		if refusal != nil {
			resp.Errors = append(resp.Errors, *refusal)
		}
	}
	return those, require(allowed || v.CanManage())
}

// batchMember adds one member of a batch to those that are answered as members, or returns why it
// cannot be one.
func (s *Service) batchMember(r store.Reader, v *Visit, kind messaging.ChannelMembershipType, arn string, res chime.Resource, sub *string, may bool, those *candidates) (*messaging.BatchCreateChannelMembershipError, error) {
	because := func(code messaging.ErrorCode, text string) *messaging.BatchCreateChannelMembershipError {
		return &messaging.BatchCreateChannelMembershipError{MemberARN: arn, ErrorCode: code, ErrorMessage: text}
	}

	// Permission and existence come first, so that the answer reveals no more.
	if !may {
		return because(messaging.ErrorCodeForbidden, v.reason("BatchCreateChannelMembership")), nil
	}
	ref, err := v.find(r, "MemberArns", arn)
	if err != nil {
		if api.ForbiddenException.Matches(err) {
			return because(messaging.ErrorCodeForbidden, "this is no user or bot of the app instance"), nil
		}
		return nil, err
	}

	if banned, err := v.isBanned(r, ref); err != nil {
		return nil, err
	} else if banned {
		return because(messaging.ErrorCodeForbidden, "this is banned from the channel"), nil
	}

	// A member as it is wanted stays as it is.
	if v.Channel.Elastic == nil {
		sub = nil // it is refused later
	}
	is, err := v.named(r, ref, sub)
	if err != nil {
		return nil, err
	}
	found := len(is) > 0
	if found && is[0].Type == kind {
		those.all = append(those.all, ref)
		return nil, nil
	}
	if found && v.canKnow(is[0]) {
		return because(messaging.ErrorCodeConflict, fmt.Sprintf("this is a %s member of the channel already", is[0].Type)), nil
	}

	var full *api.Error
	if err := s.memberships(v.Actor.App, ref).Fits(r, 1); errors.As(err, &full) {
		return because(messaging.ErrorCodeResourceLimitExceeded, full.Message), nil
	} else if err != nil {
		return nil, err
	}

	those.all = append(those.all, ref)
	if found {
		those.secret = append(those.secret, ref)
	} else {
		those.joining = append(those.joining, ref)
	}
	return nil, nil
}
