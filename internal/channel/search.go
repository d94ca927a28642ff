package channel

import (
	"context"
	"fmt"

	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel/search"
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

		wanted, err := search.Read(req.Fields, func(member, arn string) (chime.Ref, error) {
			return findIdentity(r, s.site, actor.App, member, arn)
		})
		if err != nil {
			return err
		}
		// What is found has all of the wanted as members: the channels of one of them are enough.
		among := actor.Ref
		if actor.Admin {
			among = wanted.First
		}

		list := store.Prefix(store.K(actor.App, string(among)))
		page := store.NewPage(fmt.Sprintf("SearchChannels %s %s %s", actor.App, among, wanted.Scope), req.MaxResults, req.NextToken)
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

// consistsOf reports whether the DEFAULT members of the channel are as wanted. An EQUALS whose set
// is as large as the channel, all of whose values are members, names all members.
func (v *Visit) consistsOf(r store.Reader, wanted search.Wanted) (bool, error) {
	for ref := range wanted.Members {
		m, found, err := v.MembershipOf(r, ref)
		if err != nil || !found || isHidden(m.Type) {
			return false, err
		}
	}
	if len(wanted.Exactly) == 0 {
		return true, nil
	}

	size, enough := 0, len(wanted.Members)
	members := store.Prefix(v.Prefix().Str(string(messaging.ChannelMembershipTypeDefault)))
	err := store.MembersInOrder.Each(r, members, func(store.Key, chime.Ref) (bool, error) {
		size++
		return size <= enough, nil
	})

	for _, n := range wanted.Exactly {
		if n != size {
			return false, err
		}
	}
	return true, err
}
