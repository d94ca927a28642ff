package app

import (
	"context"

	"github.com/carillon-chat/carillon/internal/channel"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/throttle"
)

func identityLimits(l config.Limits) identity.Limits {
	return identity.Limits{AppInstances: l.AppInstances, Users: l.Users, Admins: l.Admins, Endpoints: l.Endpoints}
}

func channelLimits(l config.Limits) channel.Limits {
	return channel.Limits{
		ChannelsPerApp: l.Channels, MembersPerChannel: l.Members, MembershipsPerUser: l.Memberships,
		ModeratorsPerChannel: l.Moderators, ElasticChannelsPerApp: l.Elastic,
		SubChannelsPerChannel: l.SubChannels, MembersPerSubChannel: l.SubMembers,
	}
}

func flowLimits(l config.Limits) flow.Limits {
	return flow.Limits{FlowsPerApp: l.Flows, ProcessorsPerFlow: l.Processors}
}

// buildLimiter returns the limiter of the rates, nil when all are off.
func (a *App) buildLimiter() (*throttle.Limiter, error) {
	site := chime.Site{Region: a.cfg.Region, Account: a.cfg.Account}
	return throttle.New(throttle.Options{
		Rates: a.cfg.RatesByName(), Now: a.deps.Now,
		Elastic: func(ctx context.Context, channelARN string) bool {
			res, err := site.ParseKind("ChannelArn", channelARN, chime.KindChannel)
			if err != nil {
				return false // the service will refuse it
			}
			var elastic bool
			err = a.store.View(ctx, res.App, func(r store.Reader) error {
				c, _, err := store.Channels.Get(r, store.K(res.App, res.ID))
				elastic = c.Elastic != nil
				return err
			})
			return err == nil && elastic
		},
	})
}
