package identity

import (
	"context"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/store"
)

// CreateAppInstance makes an app instance with an id of its own. Names need not be unique. The account
// takes it on its list first, then it comes to be; whatever lies between is taken up by a repeated call
// with the same token, and otherwise undone by ForgetUnborn.
func (s *Service) CreateAppInstance(ctx context.Context, req *wire.CreateAppInstanceRequest) (*wire.CreateAppInstanceResponse, error) {
	id, err := chime.NewUUID(s.random)
	if err != nil {
		return nil, err
	}

	now := s.now()
	call, err := s.tokens.Call(idempotency.Scope{Operation: "CreateAppInstance", Token: req.ClientRequestToken}, req)
	if err != nil {
		return nil, err
	}

	app := chime.AppInstance{Name: req.Name, Metadata: text(req.Metadata), Created: now, Updated: now}
	err = s.store.Update(ctx, "", func(tx store.Tx) (err error) {
		exists := func(id string) (found bool, err error) {
			app.Order, found, err = listed(tx, id)
			return found, err
		}
		app.ID, err = call.Do(tx, exists, func() (string, error) {
			app.Order, err = s.enlist(tx, id, now)
			return id, err
		})
		return err
	})
	if err != nil {
		return nil, err
	}

	err = s.store.Update(ctx, app.ID, func(tx store.Tx) error { return createAppInstance(tx, app, chime.TagsOf(req.Tags)) })
	if err != nil {
		return nil, err
	}
	return &wire.CreateAppInstanceResponse{AppInstanceARN: s.site.AppInstanceARN(app.ID)}, nil
}

// createAppInstance makes what the account has listed, once: it was there before if its log has begun.
func createAppInstance(tx store.Tx, app chime.AppInstance, tags []chime.Tag) error {
	if begun, err := tx.Position(); err != nil || begun > 0 {
		return err
	}
	if _, err := tx.Append(appEvent(chime.EventCreateAppInstance, app.ID, app.Created)); err != nil {
		return err
	}
	if err := store.AppInstances.Put(tx, store.K(app.ID), app); err != nil {
		return err
	}
	return PutTags(tx, chime.Resource{App: app.ID, Kind: chime.KindAppInstance}, tags)
}

// DescribeAppInstance answers the app instance as it is.
func (s *Service) DescribeAppInstance(ctx context.Context, req *wire.DescribeAppInstanceRequest) (*wire.DescribeAppInstanceResponse, error) {
	app, err := s.loadAppInstance(ctx, req.AppInstanceARN)
	if err != nil {
		return nil, err
	}
	return &wire.DescribeAppInstanceResponse{AppInstance: &wire.AppInstance{
		AppInstanceARN:       s.site.AppInstanceARN(app.ID),
		Name:                 app.Name,
		Metadata:             app.Metadata,
		CreatedTimestamp:     app.Created.Optional(),
		LastUpdatedTimestamp: app.Updated.Optional(),
	}}, nil
}

// loadAppInstance reads the record of the app instance that the ARN names.
func (s *Service) loadAppInstance(ctx context.Context, arn string) (app chime.AppInstance, err error) {
	res, err := s.site.ParseKind("AppInstanceArn", arn, chime.KindAppInstance)
	if err != nil {
		return app, err
	}
	err = s.store.View(ctx, res.App, func(r store.Reader) (err error) {
		app, err = appInstance(r, res.App)
		return err
	})
	return app, err
}

// UpdateAppInstance replaces name and metadata.
func (s *Service) UpdateAppInstance(ctx context.Context, req *wire.UpdateAppInstanceRequest) (*wire.UpdateAppInstanceResponse, error) {
	id, err := s.changeAppInstance(ctx, req.AppInstanceARN, chime.EventUpdateAppInstance, func(app *chime.AppInstance, now chime.Millis) {
		app.Name, app.Metadata, app.Updated = req.Name, text(req.Metadata), now
	})
	if err != nil {
		return nil, err
	}
	return &wire.UpdateAppInstanceResponse{AppInstanceARN: s.site.AppInstanceARN(id)}, nil
}

// changeAppInstance changes the record of an app instance together with the event, and returns the
// id of the app instance.
func (s *Service) changeAppInstance(ctx context.Context, arn, event string, change func(app *chime.AppInstance, now chime.Millis)) (string, error) {
	res, err := s.site.ParseKind("AppInstanceArn", arn, chime.KindAppInstance)
	if err != nil {
		return "", err
	}

	now := s.now()
	return res.App, s.store.Update(ctx, res.App, func(tx store.Tx) error {
		app, err := appInstance(tx, res.App)
		if err != nil {
			return err
		}
		change(&app, now)
		if err := store.AppInstances.Put(tx, store.K(app.ID), app); err != nil {
			return err
		}
		_, err = tx.Append(appEvent(event, app.ID, now))
		return err
	})
}

// ListAppInstances lists in order of creation.
func (s *Service) ListAppInstances(ctx context.Context, req *wire.ListAppInstancesRequest) (*wire.ListAppInstancesResponse, error) {
	resp := new(wire.ListAppInstancesResponse)
	p := store.NewPage("ListAppInstances", req.MaxResults, req.NextToken)
	err := s.store.View(ctx, "", func(r store.Reader) (err error) {
		resp.AppInstances, resp.NextToken, err = store.List(r, store.AppInstancesInOrder, store.Range{}, p,
			func(id string) (wire.AppInstanceSummary, bool, error) {
				app, found, err := store.AppInstances.Get(r, store.K(id)) // not yet or no longer, while it is listed
				return wire.AppInstanceSummary{
					AppInstanceARN: s.site.AppInstanceARN(id), Name: app.Name, Metadata: app.Metadata,
				}, found, err
			})
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// DeleteAppInstance takes the app instance away at once, and then all that is under it.
func (s *Service) DeleteAppInstance(ctx context.Context, req *wire.DeleteAppInstanceRequest) (*wire.DeleteAppInstanceResponse, error) {
	res, err := s.site.ParseKind("AppInstanceArn", req.AppInstanceARN, chime.KindAppInstance)
	if err != nil {
		return nil, err
	}
	now := s.now()
	var task chime.Task
	err = s.store.Update(ctx, res.App, func(tx store.Tx) (err error) {
		task, err = s.deleteAppInstance(tx, res.App, now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return nil, s.jobs.Do(context.WithoutCancel(ctx), task) // the client may leave, the work goes on
}

// deleteAppInstance removes the record, so that every ARN under it is refused, and leaves the
// rest as a task.
func (s *Service) deleteAppInstance(tx store.Tx, id string, now chime.Millis) (chime.Task, error) {
	app, found, err := store.AppInstances.Get(tx, store.K(id))
	if err != nil {
		return chime.Task{}, err
	}

	if !found {
		return unfinished(tx, id, "", noApp("AppInstanceArn"))
	}

	if err := store.AppInstances.Delete(tx, store.K(id)); err != nil {
		return chime.Task{}, err
	}
	if _, err := tx.Append(appEvent(chime.EventDeleteAppInstance, id, now)); err != nil {
		return chime.Task{}, err
	}
	return s.jobs.Enqueue(tx, chime.Task{Kind: taskDeleteAppInstance, App: id, Order: app.Order})
}

// appInstance reads a record that has to be there for the request to make sense.
func appInstance(r store.Reader, id string) (chime.AppInstance, error) {
	app, found, err := store.AppInstances.Get(r, store.K(id))
	if err == nil && !found {
		err = noApp("AppInstanceArn")
	}
	return app, err
}

// text is an optional text, empty when absent.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
