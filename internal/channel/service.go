package channel

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/channel/managers"
	"github.com/carillon-chat/carillon/internal/channel/turns"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/store"
)

// Limits of spec 11.1. Zero is no limit.
type Limits struct {
	ChannelsPerApp        int
	MembersPerChannel     int // of a standard channel
	MembershipsPerUser    int
	ModeratorsPerChannel  int
	ElasticChannelsPerApp int
	SubChannelsPerChannel int // the most that an elastic channel may have
	MembersPerSubChannel  int // the most that an elastic channel may have
}

// Options of a Service.
type Options struct {
	Store  store.Store
	Site   chime.Site
	Now    func() time.Time
	Random io.Reader
	Limits Limits
	Tokens idempotency.Tokens // remembers client request tokens
	Jobs   *jobs.Queue        // does what is too much for one transaction
	// Piece is how many memberships one transaction writes at most, four times as many while hardly another
	// transaction runs; zero means DefaultPiece.
	Piece int
}

// DefaultPiece is about a millisecond of work, which all other transactions wait for.
const DefaultPiece = 25

// Service answers the operations on channels and memberships.
type Service struct {
	store  store.Store
	site   chime.Site
	clock  func() time.Time
	random io.Reader
	limits Limits
	tokens idempotency.Tokens
	jobs   *jobs.Queue
	piece  int
	turns  *turns.Turns
}

// New makes a Service, and registers the work of its tasks with Options.Jobs.
func New(o Options) *Service {
	s := &Service{
		store: o.Store, site: o.Site, clock: o.Now, random: o.Random, limits: o.Limits,
		tokens: o.Tokens, jobs: o.Jobs, piece: cmp.Or(o.Piece, DefaultPiece), turns: turns.New(o.Store),
	}
	o.Jobs.Register(taskDeleteChannel, s.removeRest)
	o.Jobs.Register(taskRebalance, s.rebalanceRest)
	return s
}

// most is how many memberships one transaction writes at most.
func (s *Service) most() int { return s.piece * s.turns.Pieces() }

func (s *Service) now() chime.Millis { return chime.At(s.clock()) }

// view runs f on one moment, for a caller on a channel. The operation is named when it is refused.
func (s *Service) view(ctx context.Context, operation, bearer, channelARN string, f func(store.Reader, *Visit) error) error {
	return s.store.View(ctx, s.site.AppOf(channelARN), func(r store.Reader) error {
		v, err := Enter(r, s.site, bearer, channelARN)
		if err != nil {
			return err
		}
		return v.Explain(operation, f(r, v))
	})
}

// update runs f as a transaction, for a caller on a channel, and then the task that f left in Visit.rest.
// As long as f sets Visit.again, it is run again for the rest of what was asked for.
func (s *Service) update(ctx context.Context, operation, bearer, channelARN string, f func(store.Tx, *Visit) error) error {
	return s.run(ctx, call{operation, bearer, channelARN, s.store.Update}, f)
}

// updateMany is update for a call that writes many memberships.
func (s *Service) updateMany(ctx context.Context, operation, bearer, channelARN string, f func(store.Tx, *Visit) error) error {
	return s.run(ctx, call{operation, bearer, channelARN, s.turns.Update}, f)
}

// call changes a channel.
type call struct {
	operation, bearer, channelARN string

	transact func(ctx context.Context, app string, f func(store.Tx) error) error
}

func (s *Service) run(ctx context.Context, c call, f func(store.Tx, *Visit) error) error {
	app := s.site.AppOf(c.channelARN)
	var found *managers.Found
	for {
		var v *Visit
		err := c.transact(ctx, app, func(tx store.Tx) (err error) {
			if v, err = Enter(tx, s.site, c.bearer, c.channelARN); err != nil {
				return err
			}
			v.budget, v.managers = s.most(), found
			if adopted, err := s.adopt(tx, v); err != nil || !adopted {
				v.again = true
				return err
			}
			return v.Explain(c.operation, f(tx, v))
		})

		switch {
		case errors.Is(err, managers.ErrMany):
			found, err = managers.Find(ctx, s.store, app, v.Channel.UID)
			v.again = true
		case err == nil && v.rest != nil:
			err = s.jobs.Do(context.WithoutCancel(ctx), *v.rest) // the client may leave, the work goes on
		}
		if err != nil || !v.again {
			return err
		}
	}
}

// DeclaresNotFound turns the refusal of a channel or sub-channel that does not exist, or that the
// caller may not know, into the NotFoundException that some operations declare.
func DeclaresNotFound(err error) error {
	switch {
	case errors.Is(err, errNoChannel):
		return api.NotFound("the channel does not exist")
	case errors.Is(err, errNoSubChannel):
		return api.NotFound("the sub-channel does not exist")
	}
	return err
}

// event is an event of the channel about what the object names.
func (v *Visit) event(kind string, now chime.Millis, object string, payload []byte) chime.Event {
	return chime.Event{
		Type: kind, Time: now, Topic: v.Topic().Whole(), ChannelID: v.Channel.ID, Object: object, Actor: v.caller,
		MessageType: chime.EventKindOf(kind).MessageType(), Payload: payload,
	}
}

// eventOf is an event of the channel about a user or bot. It is for the log alone.
func (v *Visit) eventOf(kind string, now chime.Millis, subject chime.Ref, payload []byte) chime.Event {
	e := v.event(kind, now, string(subject), payload)
	e.Subject = subject
	return e
}

func isHidden(t messaging.ChannelMembershipType) bool {
	return t == messaging.ChannelMembershipTypeHidden
}
