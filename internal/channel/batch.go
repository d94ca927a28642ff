package channel

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel/managers"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// BatchCreateChannelMembership makes up to 100 users or bots members. Those that cannot be added are
// listed in Errors; the others are added all the same (spec 6.3). A standard channel has one event for
// all of them and takes one transaction. In an elastic channel each has an event of its own, so up to
// Options.Piece of them come in with each transaction: when a later one fails, the members of the earlier
// ones stay, and a repeated call answers them as members.
func (s *Service) BatchCreateChannelMembership(ctx context.Context, req *messaging.BatchCreateChannelMembershipRequest) (*messaging.BatchCreateChannelMembershipResponse, error) {
	b := batch{
		kind: cmp.Or(req.Type, messaging.ChannelMembershipTypeDefault), sub: req.SubChannelID, arns: withoutRepeats(req.MemberARNs),
	}
	resp := newBatchResponse()
	for first := true; first || b.done < len(b.arns); first = false {
		var part *messaging.BatchCreateChannelMembershipResponse
		var done int
		err := s.updateMany(ctx, "BatchCreateChannelMembership", req.ChimeBearer, req.ChannelARN, func(tx store.Tx, v *Visit) (err error) {
			part, done, err = s.batchPiece(tx, v, b)
			return err
		})
		if err != nil {
			return nil, DeclaresNotFound(err)
		}

		part.BatchChannelMemberships.Members = append(resp.BatchChannelMemberships.Members, part.BatchChannelMemberships.Members...)
		part.Errors = append(resp.Errors, part.Errors...)
		resp, b.done = part, done
	}
	return resp, nil
}

// batch is what a BatchCreateChannelMembership asks for, and how far it has come.
type batch struct {
	kind messaging.ChannelMembershipType
	sub  *string
	arns []string
	done int // of the ARNs
}

func withoutRepeats(arns []string) (once []string) {
	seen := make(map[string]bool, len(arns))
	for _, arn := range arns {
		if !seen[arn] {
			once = append(once, arn)
		}
		seen[arn] = true
	}
	return once
}

// newBatchResponse has lists that are answered also when they end up empty, for clients that iterate over
// them unchecked.
func newBatchResponse() *messaging.BatchCreateChannelMembershipResponse {
	return &messaging.BatchCreateChannelMembershipResponse{
		BatchChannelMemberships: &messaging.BatchChannelMemberships{Members: []messaging.Identity{}},
		Errors:                  []messaging.BatchCreateChannelMembershipError{},
	}
}

// batchPiece decides which users and bots of the next piece can be added, and adds them. done is how far
// the batch has come then.
func (s *Service) batchPiece(tx store.Tx, v *Visit, b batch) (resp *messaging.BatchCreateChannelMembershipResponse, done int, err error) {
	if b.done == 0 {
		if err := v.admitBatch(b); err != nil {
			return nil, 0, err
		}
	}

	resp = newBatchResponse()
	added := resp.BatchChannelMemberships
	added.Type, added.ChannelARN = b.kind, v.ARN()
	if added.InvitedBy, err = v.Identity(tx, v.Actor.Ref); err != nil {
		return nil, 0, err
	}

	piece := b.arns[b.done:]
	if v.Channel.Elastic != nil {
		piece = piece[:min(len(piece), s.most())]
	}
	those, err := s.batchMembers(tx, v, b, piece, resp)
	switch {
	case err != nil:
	case v.Channel.Elastic != nil:
		err = s.batchElastic(tx, v, b, those.all, resp)
	default:
		err = s.batchStandard(tx, v, b, those, resp)
	}
	return resp, b.done + len(piece), err
}

// admitBatch refuses a batch that names what cannot be a member, and a caller that may add none of the
// batch.
func (v *Visit) admitBatch(b batch) error {
	allowed := v.CanManage()
	for _, arn := range b.arns {
		res, err := v.site.ParseIdentity("MemberArns", arn)
		if err != nil && !api.ForbiddenException.Matches(err) {
			return err
		}
		allowed = allowed || err == nil && v.canAdd(res.Ref(), b.kind)
	}
	return require(allowed)
}

// batchStandard adds the members of a batch to a standard channel with one event, whose position orders
// their memberships.
func (s *Service) batchStandard(tx store.Tx, v *Visit, b batch, those candidates, resp *messaging.BatchCreateChannelMembershipResponse) (err error) {
	if err := RefuseSubChannel(b.sub); err != nil {
		return err
	}

	added := resp.BatchChannelMemberships
	now, order := s.now(), uint64(0)
	if len(those.joining) > 0 {
		shown := *added
		if shown.Members, err = v.identities(tx, those.joining); err != nil {
			return err
		}
		if order, err = v.appendBatchEvents(tx, &shown, b.kind, those.joining, now); err != nil {
			return err
		}
	}

	for _, ref := range those.joining {
		m := v.newMembership(ref, b.kind, now)
		m.Order = order
		if err := store.Insert(tx, s.memberRows(v, m)...); err != nil {
			return err
		}
	}

	if err := s.refuseFull(tx, v, those.secret...); err != nil {
		return err
	}
	added.Members, err = v.identities(tx, those.all)
	return err
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

	told, err := managers.Members(tx, v.Actor.App, v.Channel.UID, v.managers)
	if err != nil {
		return 0, err
	}
	var joining []chime.Ref // those that manage the channel themselves

	// Those that manage the channel share one event; each of the others gets its own.
	for _, ref := range refs {
		manages, err := managers.Manages(tx, v.Actor.App, v.Channel.UID, ref)
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

	if only := append(told, joining...); len(only) > 0 {
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
func (s *Service) batchElastic(tx store.Tx, v *Visit, b batch, refs []chime.Ref, resp *messaging.BatchCreateChannelMembershipResponse) error {
	sub := b.sub
	if isHidden(b.kind) {
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
		e.m = v.newMembership(ref, b.kind, s.now())
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

// batchMembers decides which of the ARNs can be added, and lists the others in the response.
func (s *Service) batchMembers(r store.Reader, v *Visit, b batch, arns []string, resp *messaging.BatchCreateChannelMembershipResponse) (those candidates, err error) {
	for _, arn := range arns {
		res, err := v.site.ParseIdentity("MemberArns", arn)
		may := err == nil && v.canAdd(res.Ref(), b.kind)
		refusal, err := s.batchMember(r, v, b, arn, may, &those)
		if err != nil {
			return those, err
		}
		if refusal != nil {
			resp.Errors = append(resp.Errors, *refusal)
		}
	}
	return those, nil
}

// batchMember adds one member of a batch to those that are answered as members, or returns why it
// cannot be one.
func (s *Service) batchMember(r store.Reader, v *Visit, b batch, arn string, may bool, those *candidates) (*messaging.BatchCreateChannelMembershipError, error) {
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
	sub := b.sub
	if v.Channel.Elastic == nil {
		sub = nil // it is refused later
	}
	is, err := v.named(r, ref, sub)
	if err != nil {
		return nil, err
	}
	found := len(is) > 0
	if found && is[0].Type == b.kind {
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
