package person

import (
	"context"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/carillon"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/identity"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/store"
)

// Disk is an engine that keeps what was overwritten or removed on disk for a while.
type Disk interface {
	// EraseRemoved erases the messages that are marked: see store.MarkRemoved.
	EraseRemoved(ctx context.Context) error
	// Erase is that of store.Engine.
	Erase(ctx context.Context, table store.TableID, ranges ...store.Range) error
	// EraseKeys is that of store.Engine.
	EraseKeys(ctx context.Context) error
}

// Sink keeps what streams have written where the node can change it.
type Sink interface {
	// Rewrite replaces each line by what f returns for it, without its line feed; nil removes it. It may be
	// called again after a crash.
	Rewrite(ctx context.Context, f func(line []byte) []byte) error
}

// Options of a Service. All are required, but for Disk and Sinks.
type Options struct {
	Store    store.Store
	Site     chime.Site
	Now      func() time.Time
	Random   io.Reader
	Jobs     *jobs.Queue
	Identity *identity.Service
	Messages *message.Service
	// Settle waits until the sessions of an app instance have all events of its log.
	Settle func(ctx context.Context, app string) error
	// Reread has what exports the log of an app instance forget what it has read of it.
	Reread func(ctx context.Context, app string) error
	Disk   Disk
	Sinks  []Sink
	// Wait waits for a time, or until ctx ends.
	Wait func(ctx context.Context, d time.Duration)
}

// Service answers the operations of the carillon API.
type Service struct {
	o Options
}

// taskErase is stored.
const (
	taskErase = "erase user"
	taskRef   = "erasure/" // names an erasure where tasks name a user or bot
)

// New makes a Service, and registers the work of its tasks with Options.Jobs.
func New(o Options) *Service {
	s := &Service{o: o}
	o.Jobs.Register(taskErase, s.erase)
	return s
}

func (s *Service) now() chime.Millis { return chime.At(s.o.Now()) }

const (
	userMember = "AppInstanceUserArn"
	appMember  = "AppInstanceArn"
)

func noUser() error {
	return api.NotFound("%s does not name an app instance user that exists or is remembered", userMember)
}

// EraseAppInstanceUser deletes a user at once, and begins to remove what the app instance has of it. For one
// that is being erased already it answers with that erasure.
func (s *Service) EraseAppInstanceUser(ctx context.Context, req *wire.EraseAppInstanceUserRequest) (*wire.EraseAppInstanceUserResponse, error) {
	res, err := s.o.Site.ParseKind(userMember, req.AppInstanceUserARN, chime.KindUser)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7FromReader(s.o.Random)
	if err != nil {
		return nil, err
	}

	e := chime.Erasure{ID: id.String(), User: res.ID, Delete: req.Messages == wire.ErasedMessagesDelete, Created: s.now()}
	var begun string
	err = s.o.Store.Update(ctx, res.App, func(tx store.Tx) (err error) {
		begun, err = s.begin(tx, res, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.o.Jobs.Wake()
	return &wire.EraseAppInstanceUserResponse{AppInstanceARN: s.o.Site.AppInstanceARN(res.App), ErasureID: begun}, nil
}

// begin begins an erasure, unless one of the user is under way, and returns its id.
func (s *Service) begin(tx store.Tx, res chime.Resource, e chime.Erasure) (id string, err error) {
	if err := identity.RequireApp(tx, userMember, res.App); err != nil {
		return "", err
	}
	id, underWay, err := store.ErasuresOf.Get(tx, store.K(res.App, res.ID))
	if err != nil {
		return "", err
	}
	if underWay {
		begun, _, err := store.Erasures.Get(tx, store.K(res.App, id))
		if err == nil && begun.Delete != e.Delete {
			err = api.Conflict("Messages: the user is being erased with another value")
		}
		return id, err
	}

	found, err := s.o.Identity.Withdraw(tx, res)
	if err != nil {
		return "", err
	}
	if !found {
		return "", noUser()
	}
	if err := store.Erasures.Put(tx, store.K(res.App, e.ID), e); err != nil {
		return "", err
	}
	if err := store.ErasuresOf.Put(tx, store.K(res.App, res.ID), e.ID); err != nil {
		return "", err
	}
	return e.ID, s.o.Jobs.Leave(tx, chime.Task{Kind: taskErase, App: res.App, Ref: chime.Ref(taskRef + e.ID)})
}

// DescribeErasure shows how far an erasure is.
func (s *Service) DescribeErasure(ctx context.Context, req *wire.DescribeErasureRequest) (*wire.DescribeErasureResponse, error) {
	res, err := s.o.Site.ParseKind(appMember, req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}
	e, found, err := s.read(ctx, res.App, req.ErasureID)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, api.NotFound("ErasureId does not name an erasure of the app instance")
	}
	shown := s.show(res.App, e)
	return &wire.DescribeErasureResponse{Erasure: &shown}, nil
}

// ListErasures lists the erasures of an app instance in the order in which they began.
func (s *Service) ListErasures(ctx context.Context, req *wire.ListErasuresRequest) (*wire.ListErasuresResponse, error) {
	res, err := s.o.Site.ParseKind(appMember, req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}
	resp := new(wire.ListErasuresResponse)
	p := store.NewPage("ListErasures "+res.App, req.MaxResults, req.NextToken)
	err = s.o.Store.View(ctx, res.App, func(r store.Reader) (err error) {
		if err := identity.RequireApp(r, appMember, res.App); err != nil {
			return err
		}
		resp.Erasures, resp.NextToken, err = store.List(r, store.Erasures, store.Prefix(store.K(res.App)), p,
			func(e chime.Erasure) (wire.Erasure, bool, error) { return s.show(res.App, e), true, nil })
		return err
	})
	return resp, err
}

func (s *Service) read(ctx context.Context, app, id string) (e chime.Erasure, found bool, err error) {
	err = s.o.Store.View(ctx, app, func(r store.Reader) (err error) {
		e, found, err = store.Erasures.Get(r, store.K(app, id))
		return err
	})
	return e, found, err
}

// stepNames are the steps as the API shows them.
var stepNames = [...]wire.ErasureStep{
	chime.EraseMemberships: wire.ErasureStepMemberships, chime.EraseMessages: wire.ErasureStepMessages, chime.EraseRecords: wire.ErasureStepRecords,
	chime.EraseLog: wire.ErasureStepLog, chime.EraseSinks: wire.ErasureStepSinks, chime.EraseNames: wire.ErasureStepNames, chime.EraseDisk: wire.ErasureStepDisk,
}

func (s *Service) show(app string, e chime.Erasure) wire.Erasure {
	shown := wire.Erasure{
		ErasureID: e.ID, ErasedAs: s.o.Site.RefARN(app, e.ErasedAs()), Messages: wire.ErasedMessagesRedact, Status: wire.ErasureStatusCompleted,
		MessageCount: int(e.Messages), RecordCount: int(e.Records), EventCount: int(e.Events),
		CreatedTimestamp: e.Created.Optional(), CompletedTimestamp: e.Completed.Optional(),
	}
	if e.Delete {
		shown.Messages = wire.ErasedMessagesDelete
	}
	if e.Step < chime.Erased {
		shown.Status, shown.Step = wire.ErasureStatusInProgress, stepNames[e.Step]
	}
	if e.User != "" {
		shown.AppInstanceUserARN = s.o.Site.RefARN(app, chime.UserRef(e.User))
	}
	return shown
}
