package flow

import (
	"io"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/store"
)

// Limits of spec 11.1. Zero is no limit.
type Limits struct {
	FlowsPerApp       int
	ProcessorsPerFlow int // the API takes three at most, whatever the limit
}

// Options of a Service.
type Options struct {
	Store  store.Store
	Site   chime.Site
	Now    func() time.Time
	Random io.Reader
	Limits Limits
	Tokens idempotency.Tokens // remembers client request tokens
	// Messages are those that pass flows. Nil for a service that is asked for flows alone.
	Messages *message.Service
}

// Service answers the operations on channel flows. It is safe for concurrent use.
type Service struct {
	store  store.Store
	site   chime.Site
	clock  func() time.Time
	random io.Reader
	limits Limits
	tokens idempotency.Tokens

	messages *message.Service
}

// New makes a Service.
func New(o Options) *Service {
	return &Service{
		store: o.Store, site: o.Site, clock: o.Now, random: o.Random, limits: o.Limits,
		tokens: o.Tokens, messages: o.Messages,
	}
}

func (s *Service) now() chime.Millis { return chime.At(s.clock()) }

// errNoFlow is what operations answer for a flow that does not exist, where they do not declare
// NotFoundException (spec 10.5).
var errNoFlow error = api.Forbidden("ChannelFlowArn does not name a channel flow that exists")

// find reads the flow that the resource names. One of a deleted app instance is gone with it.
func find(r store.Reader, at chime.Resource) (flow chime.Flow, found bool, err error) {
	if found, err = store.AppInstances.Has(r, store.K(at.App)); err != nil || !found {
		return flow, false, err
	}
	return store.Flows.Get(r, key(at.App, at.ID))
}

// require is find for a flow that has to be there.
func require(r store.Reader, at chime.Resource) (chime.Flow, error) {
	flow, found, err := find(r, at)
	if err == nil && !found {
		err = errNoFlow
	}
	return flow, err
}

func key(app, id string) store.Key { return store.K(app, id) }

func (s *Service) parse(arn string) (chime.Resource, error) {
	return s.site.ParseKind("ChannelFlowArn", arn, chime.KindChannelFlow)
}
