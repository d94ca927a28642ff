package channel

import (
	"context"
	"fmt"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// SearchChannels finds standard channels by their DEFAULT members: the caller's own, for admins
// all (spec 6.10). Every field must agree. The order is that in which one of the members joined.
func (s *Service) SearchChannels(ctx context.Context, req *messaging.SearchChannelsRequest) (*messaging.SearchChannelsResponse, error) {
	if req.ChimeBearer == nil {
		return nil, errNoBearer
	}
	resp := new(messaging.SearchChannelsResponse)
	err := s.store.View(ctx, s.site.AppOf(*req.ChimeBearer), func(r store.Reader) error {
		actor, err := identity.ResolveBearer(r, s.site, *req.ChimeBearer)
		if err != nil {
			return err
		}

		wanted, err := s.searched(r, actor.App, req.Fields)
		if err != nil {
			return err
		}
		// What is found has all of the wanted as members: the channels of one of them are enough.
		among := actor.Ref
		if actor.Admin {
			among = wanted.first
		}

		list := store.Prefix(store.K(actor.App, string(among)))
		page := store.NewPage(fmt.Sprintf("SearchChannels %s %s %s", actor.App, among, wanted.scope), req.MaxResults, req.NextToken)
		resp.Channels, resp.NextToken, err = store.List(r, store.MembershipsOf, list, page,
			func(at chime.ChannelEntry) (shown messaging.ChannelSummary, ok bool, err error) {
				c, found, err := channelAt(r, actor.App, at)
				if err != nil || !found || c.Elastic != nil {
					return shown, false, err
				}
				v := &Visit{Actor: actor, Channel: c, site: s.site}
				if ok, err = v.consistsOf(r, wanted); err != nil || !ok {
					return shown, false, err
				}
				shown, err = s.summaryFor(r, actor, c)
				return shown, true, err
			})
		return err
	})
	return resp, err
}

// search is the input of SearchChannels.
type search struct {
	members map[chime.Ref]bool // must all be members
	exactly []int              // sizes that sets of all the members must have: one for each EQUALS
	first   chime.Ref
	scope   string // distinguishes searches
}

// searched reads the fields of a search. A user that does not exist is refused with
// ForbiddenException.
func (s *Service) searched(r store.Reader, app string, fields []messaging.SearchField) (search, error) {
	wanted := search{members: make(map[chime.Ref]bool)}
	var scope strings.Builder

	for i, field := range fields {
		fmt.Fprintf(&scope, "%s %s", field.Key, field.Operator)
		set := make(map[chime.Ref]bool, len(field.Values))
		for j, arn := range field.Values {
			ref, err := findIdentity(r, s.site, app, fmt.Sprintf("Fields[%d].Values[%d]", i, j), arn)
			if err != nil {
				return search{}, err
			}

			if wanted.first == "" {
				wanted.first = ref
			}
			fmt.Fprintf(&scope, " %q", ref)
			set[ref], wanted.members[ref] = true, true
		}

		if field.Operator == messaging.SearchFieldOperatorEquals {
			wanted.exactly = append(wanted.exactly, len(set))
		}
	}

	if wanted.first == "" {
		return search{}, api.BadRequest("Fields", "must name at least one member")
	}
	wanted.scope = scope.String()
	return wanted, nil
}

// consistsOf reports whether the DEFAULT members of the channel are as wanted. An EQUALS whose set
// is as large as the channel, all of whose values are members, names all members.
func (v *Visit) consistsOf(r store.Reader, wanted search) (bool, error) {
	for ref := range wanted.members {
		m, found, err := v.MembershipOf(r, ref)
		if err != nil || !found || isHidden(m.Type) {
			return false, err
		}
	}
	if len(wanted.exactly) == 0 {
		return true, nil
	}

	size, enough := 0, len(wanted.members)
	members := store.Prefix(v.Prefix().Str(string(messaging.ChannelMembershipTypeDefault)))
	err := store.MembersInOrder.Each(r, members, func(store.Key, chime.Ref) (bool, error) {
		size++
		return size <= enough, nil
	})

	for _, n := range wanted.exactly {
		if n != size {
			return false, err
		}
	}
	return true, err
}
