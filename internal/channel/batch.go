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

// BatchCreateChannelMembership makes up to 100 users or bots members with one event. Those who
// cannot be added are listed in Errors; the others are added all the same (spec 6.3).
func (s *Service) BatchCreateChannelMembership(ctx context.Context, req *messaging.BatchCreateChannelMembershipRequest) (*messaging.BatchCreateChannelMembershipResponse, error) {
	kind := req.Type
	if kind == "" {
		kind = messaging.ChannelMembershipTypeDefault
	}
	var resp *messaging.BatchCreateChannelMembershipResponse
	err := s.update(ctx, req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) (err error) {
		resp, err = s.batch(tx, v, kind, req.MemberARNs, req.SubChannelID)
		return err
	})
	return resp, DeclaresNotFound(err)
}

func (s *Service) batch(tx store.Tx, v *Visit, kind messaging.ChannelMembershipType, arns []string, sub *string) (*messaging.BatchCreateChannelMembershipResponse, error) {
	inviter, err := v.Identity(tx, v.Actor.Ref)
	if err != nil {
		return nil, err
	}
	// Lists that end up empty are answered all the same, for callers who go through them unasked.
	added := &messaging.BatchChannelMemberships{InvitedBy: inviter, Type: kind, Members: []messaging.Identity{}, ChannelARN: v.ARN()}
	resp := &messaging.BatchCreateChannelMembershipResponse{BatchChannelMemberships: added, Errors: []messaging.BatchCreateChannelMembershipError{}}
	refs, err := s.batchMembers(tx, v, kind, arns, resp)
	if err != nil {
		return resp, err
	}
	if v.Channel.Elastic != nil {
		return resp, s.batchElastic(tx, v, kind, refs, sub, resp)
	}
	if err := RefuseSubChannel(sub); err != nil || len(refs) == 0 {
		return resp, err
	}
	now := s.now()
	if added.Members, err = v.identities(tx, refs); err != nil {
		return nil, err
	}
	order, err := v.tellBatch(tx, added, kind, refs, now)
	for i := 0; i < len(refs) && err == nil; i++ {
		err = s.saveNewMember(tx, v, v.newMembership(refs[i], kind, now), order)
	}
	return resp, err
}

// tellBatch appends the event of a batch and answers its position. That of hidden members goes
// to the members who manage the channel; a hidden member learns of itself alone (spec 3.5).
func (v *Visit) tellBatch(tx store.Tx, added *messaging.BatchChannelMemberships, kind messaging.ChannelMembershipType, refs []chime.Ref, now chime.Millis) (order uint64, err error) {
	if !hidden(kind) {
		return v.appendBatch(tx, *added, refs, nil, now)
	}
	managers, err := v.memberManagers(tx)
	if err != nil {
		return 0, err
	}
	var joining []chime.Ref // who manage the channel themselves
	for _, ref := range refs {
		manages, err := v.manages(tx, ref)
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

func (v *Visit) appendBatch(tx store.Tx, told messaging.BatchChannelMemberships, join, only []chime.Ref, now chime.Millis) (uint64, error) {
	e := v.event(chime.EventBatchCreateMembership, now, told.AppendJSON(nil, api.ISO))
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

// batchElastic adds the members of a batch to an elastic channel one by one, each with an event
// of its own for the sub-channel that it comes to. Those for whom there is no room are listed in
// Errors.
func (s *Service) batchElastic(tx store.Tx, v *Visit, kind messaging.ChannelMembershipType, refs []chime.Ref, sub *string, resp *messaging.BatchCreateChannelMembershipResponse) error {
	if hidden(kind) {
		return errHiddenElastic
	}
	if !v.Manages() { // who adds itself
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
	for _, ref := range refs {
		m := v.newMembership(ref, kind, s.now())
		var refused *api.Error
		if err := s.admit(tx, v, &m, sub); errors.As(err, &refused) {
			resp.Errors = append(resp.Errors, messaging.BatchCreateChannelMembershipError{
				MemberARN: v.RefARN(ref), ErrorCode: messaging.ErrorCode(refused.Code), ErrorMessage: refused.Message,
			})
			continue
		} else if err != nil {
			return err
		}
		if err := s.welcome(tx, v, m); err != nil {
			return err
		}
		member, err := v.Identity(tx, ref)
		if err != nil {
			return err
		}
		resp.BatchChannelMemberships.Members = append(resp.BatchChannelMemberships.Members, *member)
	}
	return nil
}

// batchMembers decides who can be added, and lists the others in the response. A caller who
// may add nobody of the batch is refused.
func (s *Service) batchMembers(r store.Reader, v *Visit, kind messaging.ChannelMembershipType, arns []string, resp *messaging.BatchCreateChannelMembershipResponse) ([]chime.Ref, error) {
	var refs []chime.Ref
	seen := make(map[string]bool, len(arns))
	allowed := false
	for _, arn := range arns {
		if seen[arn] {
			continue
		}
		seen[arn] = true
		res, err := v.site.ParseIdentity("MemberArns", arn)
		if err != nil && !api.ForbiddenException.Matches(err) {
			return nil, err
		}
		may := err == nil && v.mayAdd(res.Ref(), kind)
		allowed = allowed || may
		refusal, err := s.refusal(r, v, arn, res, may)
		if err != nil {
			return nil, err
		}
		if refusal != nil {
			resp.Errors = append(resp.Errors, *refusal)
			continue
		}
		refs = append(refs, res.Ref())
	}
	return refs, require(allowed || v.Manages())
}

// refusal says why one member of a batch cannot be added, nil when it can.
func (s *Service) refusal(r store.Reader, v *Visit, arn string, res chime.Resource, may bool) (*messaging.BatchCreateChannelMembershipError, error) {
	because := func(code messaging.ErrorCode, text string) *messaging.BatchCreateChannelMembershipError {
		return &messaging.BatchCreateChannelMembershipError{MemberARN: arn, ErrorCode: code, ErrorMessage: text}
	}
	if !may {
		return because(messaging.ErrorCodeForbidden, "you are not allowed to add this member"), nil
	}
	if _, err := v.find(r, "MemberArns", arn); err != nil {
		if api.ForbiddenException.Matches(err) {
			return because(messaging.ErrorCodeForbidden, "this is no user or bot of the app instance"), nil
		}
		return nil, err
	}
	if banned, err := v.bans(r, res.Ref()); err != nil {
		return nil, err
	} else if banned {
		return because(messaging.ErrorCodeForbidden, "this is banned from the channel"), nil
	}
	if v.Channel.Elastic == nil { // else admit tells, by sub-channel
		if _, found, err := v.MembershipOf(r, res.Ref()); err != nil {
			return nil, err
		} else if found {
			return because(messaging.ErrorCodeConflict, "this is a member of the channel already"), nil
		}
	}
	n, _, err := store.Counts.Get(r, v.membershipsCount(res.Ref()))
	if limit := s.limits.MembershipsPerUser; err == nil && limit > 0 && n >= uint64(limit) {
		return because(messaging.ErrorCodeResourceLimitExceeded, fmt.Sprintf("the limit of %d memberships per user is reached", limit)), nil
	}
	return nil, err
}
