package flow

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreateChannelFlow makes a flow with an id of its own. Names need not be unique.
func (s *Service) CreateChannelFlow(ctx context.Context, req *messaging.CreateChannelFlowRequest) (*messaging.CreateChannelFlowResponse, error) {
	at, err := s.site.ParseKind("AppInstanceArn", req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}

	// What can be refused without a transaction is.
	processors, err := s.processors(req.Processors)
	if err != nil {
		return nil, err
	}
	if err := s.limit(len(processors), api.ResourceLimitExceededException); err != nil {
		return nil, err
	}

	id, err := chime.NewUUID(s.random)
	if err != nil {
		return nil, err
	}
	now := s.now()
	call, err := s.tokens.Call(idempotency.Scope{
		Operation: "CreateChannelFlow", App: at.App, Token: req.ClientRequestToken,
	}, req)
	if err != nil {
		return nil, err
	}

	flow := chime.Flow{ID: id, Name: req.Name, Processors: processors, Created: now, Updated: now}
	var created string

	// A repeated call answers the flow of the first, as long as it exists.
	err = s.store.Update(ctx, at.App, func(tx store.Tx) error {
		if err := identity.RequireApp(tx, "AppInstanceArn", at.App); err != nil {
			return err
		}
		exists := func(id string) (bool, error) { return store.Flows.Has(tx, key(at.App, id)) }
		created, err = call.Do(tx, exists, func() (string, error) {
			return id, s.create(tx, at.App, flow, chime.TagsOf(req.Tags))
		})
		return err
	})
	if err != nil {
		return nil, err
	}

	return &messaging.CreateChannelFlowResponse{ChannelFlowARN: s.site.ChannelFlowARN(at.App, created)}, nil
}

func (s *Service) create(tx store.Tx, app string, flow chime.Flow, tags []chime.Tag) (err error) {
	if flow.Order, err = tx.Append(event(chime.EventCreateFlow, app, flow.ID, flow.Created)); err != nil {
		return err
	}
	if err := store.Insert(tx, s.rows(app, flow)...); err != nil {
		return err
	}
	return identity.PutTags(tx, chime.Resource{App: app, Kind: chime.KindChannelFlow, ID: flow.ID}, tags)
}

// rows are the rows of a flow.
func (s *Service) rows(app string, flow chime.Flow) []store.Row {
	return []store.Row{
		store.Flows.Row(key(app, flow.ID), flow),
		store.FlowsInOrder.Row(store.K(app).Num(flow.Order), flow.ID),
		store.Counter{Key: store.K(app, "channel flows"), Limit: s.limits.FlowsPerApp, What: "channel flows per app instance"},
	}
}

// UpdateChannelFlow replaces name and processors. Messages that are on their way finish with
// the processors that they started with.
func (s *Service) UpdateChannelFlow(ctx context.Context, req *messaging.UpdateChannelFlowRequest) (*messaging.UpdateChannelFlowResponse, error) {
	at, err := s.parse(req.ChannelFlowARN)
	if err != nil {
		return nil, err
	}
	processors, err := s.processors(req.Processors)
	if err != nil {
		return nil, err
	}
	if err := s.limit(len(processors), api.BadRequestException); err != nil {
		return nil, err
	}

	now := s.now()
	err = s.store.Update(ctx, at.App, func(tx store.Tx) error {
		flow, err := require(tx, at)
		if err != nil {
			return err
		}
		flow.Name, flow.Processors, flow.Updated = req.Name, processors, now.NotBefore(flow.Updated)
		if err := store.Flows.Put(tx, key(at.App, at.ID), flow); err != nil {
			return err
		}
		_, err = tx.Append(event(chime.EventUpdateFlow, at.App, at.ID, now))
		return err
	})
	if err != nil {
		return nil, err
	}

	return &messaging.UpdateChannelFlowResponse{ChannelFlowARN: req.ChannelFlowARN}, nil
}

// DeleteChannelFlow removes a flow that no channel has any more; one that is in use is a
// ConflictException.
func (s *Service) DeleteChannelFlow(ctx context.Context, req *messaging.DeleteChannelFlowRequest) (*messaging.DeleteChannelFlowResponse, error) {
	at, err := s.parse(req.ChannelFlowARN)
	if err != nil {
		return nil, err
	}

	now := s.now()
	return nil, s.store.Update(ctx, at.App, func(tx store.Tx) error {
		flow, err := require(tx, at)
		if err != nil {
			return err
		}
		used, err := store.FlowChannels.HasPrefix(tx, key(at.App, at.ID))
		if err != nil {
			return err
		}
		if used {
			return api.Conflict("the channel flow is associated with a channel")
		}
		return s.remove(tx, at, flow, now)
	})
}

// event is an event of the log alone about a flow.
func event(kind, app, id string, now chime.Millis) chime.Event {
	return chime.Event{Type: kind, Time: now, Topic: chime.Topic{App: app}, Object: id}
}

// remove deletes every record of a flow.
func (s *Service) remove(tx store.Tx, at chime.Resource, flow chime.Flow, now chime.Millis) error {
	if err := store.Remove(tx, s.rows(at.App, flow)...); err != nil {
		return err
	}
	if err := identity.DeleteTags(tx, at); err != nil {
		return err
	}
	_, err := tx.Append(event(chime.EventDeleteFlow, at.App, at.ID, now))
	return err
}

// DescribeChannelFlow answers the flow as it is.
func (s *Service) DescribeChannelFlow(ctx context.Context, req *messaging.DescribeChannelFlowRequest) (*messaging.DescribeChannelFlowResponse, error) {
	at, err := s.parse(req.ChannelFlowARN)
	if err != nil {
		return nil, err
	}

	var flow chime.Flow
	err = s.store.View(ctx, at.App, func(r store.Reader) (err error) {
		flow, err = require(r, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &messaging.DescribeChannelFlowResponse{ChannelFlow: &messaging.ChannelFlow{
		ChannelFlowARN: s.site.ChannelFlowARN(at.App, at.ID), Name: flow.Name, Processors: show(flow.Processors),
		CreatedTimestamp: flow.Created.Optional(), LastUpdatedTimestamp: flow.Updated.Optional(),
	}}, nil
}

// ListChannelFlows lists the flows of the app instance in order of creation.
func (s *Service) ListChannelFlows(ctx context.Context, req *messaging.ListChannelFlowsRequest) (*messaging.ListChannelFlowsResponse, error) {
	at, err := s.site.ParseKind("AppInstanceArn", req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}

	resp := new(messaging.ListChannelFlowsResponse)
	page := store.NewPage("ListChannelFlows "+at.App, req.MaxResults, req.NextToken)
	err = s.store.View(ctx, at.App, func(r store.Reader) (err error) {
		if err := identity.RequireApp(r, "AppInstanceArn", at.App); err != nil {
			return err
		}
		resp.ChannelFlows, resp.NextToken, err = store.List(r, store.FlowsInOrder, store.Prefix(store.K(at.App)), page,
			func(id string) (messaging.ChannelFlowSummary, bool, error) {
				flow, found, err := store.Flows.Get(r, key(at.App, id))
				return messaging.ChannelFlowSummary{
					ChannelFlowARN: s.site.ChannelFlowARN(at.App, id), Name: flow.Name, Processors: show(flow.Processors),
				}, found, err
			})
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}
