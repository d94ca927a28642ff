package identity

import (
	"context"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// holders are the users or the bots of app instances, with what their operations have in common.
type holders[V any] struct {
	kind    chime.Kind
	member  string // of a request that names one
	noun    string
	records store.Table[V]
	inOrder store.Table[string]
	// expiring are the rows that follow from expiration settings; nil when there are no such settings.
	expiring func(app string, record *V) []store.Row
}

var (
	users = holders[chime.User]{chime.KindUser, "AppInstanceUserArn", "user", store.Users, store.UsersInOrder, expiringUser}
	bots  = holders[chime.Bot]{chime.KindBot, "AppInstanceBotArn", "bot", store.Bots, store.BotsInOrder, nil}
)

// parse reads the member of a request that names one.
func (h holders[V]) parse(s *Service, arn string) (chime.Resource, error) {
	return s.site.ParseKind(h.member, arn, h.kind)
}

// missing is the refusal of one that does not exist.
func (h holders[V]) missing(x api.Exception) error {
	return x.Errorf("%s does not name an app instance %s that exists", h.member, h.noun)
}

// read reads the record of one that has to exist, else the error is the exception that the operation
// declares. The app instance has to exist as well.
func (h holders[V]) read(r store.Reader, res chime.Resource, declared api.Exception) (record V, err error) {
	if err := RequireApp(r, h.member, res.App); err != nil {
		return record, err
	}
	record, found, err := h.records.Get(r, store.K(res.App, res.ID))
	if err == nil && !found {
		err = h.missing(declared)
	}
	return record, err
}

// describe reads the record for an operation that answers NotFoundException.
func (h holders[V]) describe(ctx context.Context, s *Service, arn string) (res chime.Resource, record V, err error) {
	if res, err = h.parse(s, arn); err != nil {
		return res, record, err
	}
	err = s.store.View(ctx, res.App, func(r store.Reader) (err error) {
		record, err = h.read(r, res, api.NotFoundException)
		return err
	})
	return res, record, err
}

// change changes the record together with the event.
func (h holders[V]) change(ctx context.Context, s *Service, res chime.Resource, event string, change func(record *V, now chime.Millis)) error {
	now := s.now()
	return s.store.Update(ctx, res.App, func(tx store.Tx) error {
		record, err := h.read(tx, res, api.ForbiddenException)
		if err != nil {
			return err
		}
		if err := h.replace(tx, res, record, func(record *V) { change(record, now) }); err != nil {
			return err
		}
		_, err = tx.Append(eventOf(event, res.App, res.Ref(), now))
		return err
	})
}

// replace writes a changed record, and the rows that follow from it.
func (h holders[V]) replace(tx store.Tx, res chime.Resource, record V, change func(*V)) error {
	if err := store.Remove(tx, h.expiringRows(res.App, &record)...); err != nil {
		return err
	}
	change(&record)
	if err := store.Insert(tx, h.expiringRows(res.App, &record)...); err != nil {
		return err
	}
	return h.records.Put(tx, store.K(res.App, res.ID), record)
}

func (h holders[V]) expiringRows(app string, record *V) []store.Row {
	if h.expiring == nil {
		return nil
	}
	return h.expiring(app, record)
}

// rows are the rows of one that was created at the position.
func (h holders[V]) rows(s *Service, app, id string, order uint64, record V) []store.Row {
	rows := []store.Row{
		h.records.Row(store.K(app, id), record),
		h.inOrder.Row(store.K(app).Num(order), id),
	}
	if h.kind == chime.KindUser {
		rows = append(rows, counter(app, countUsers, s.limits.Users))
	}
	return append(rows, h.expiringRows(app, &record)...)
}

// delete takes one away at once, and does the task that is left.
func (h holders[V]) delete(ctx context.Context, s *Service, arn, event string) error {
	res, err := h.parse(s, arn)
	if err != nil {
		return err
	}

	now := s.now()
	var task chime.Task
	err = s.store.Update(ctx, res.App, func(tx store.Tx) (err error) {
		task, err = h.remove(tx, s, res, event, now)
		return err
	})
	if err != nil {
		return err
	}
	return s.jobs.Do(context.WithoutCancel(ctx), task) // the client may leave, the work goes on
}

// remove removes what one has in this package, keeps its name for what it wrote, and leaves the rest
// as a task.
func (h holders[V]) remove(tx store.Tx, s *Service, res chime.Resource, event string, now chime.Millis) (task chime.Task, err error) {
	app, ref := res.App, res.Ref()
	if err := RequireApp(tx, h.member, app); err != nil {
		return task, err
	}
	holder, name, found, err := profile(tx, app, ref)
	if err != nil {
		return task, err
	}
	if !found {
		return unfinished(tx, app, ref, h.missing(api.ForbiddenException))
	}

	record, _, err := h.records.Get(tx, store.K(app, res.ID))
	if err != nil {
		return task, err
	}
	if err := store.Remove(tx, h.rows(s, app, res.ID, holder.Since, record)...); err != nil {
		return task, err
	}
	if err := removeEndpoints(tx, app, ref); err != nil {
		return task, err
	}
	if err := s.deleteAdmin(tx, app, ref, now); err != nil {
		return task, err
	}
	if err := DeleteTags(tx, res); err != nil {
		return task, err
	}

	if err := store.FormerNames.Put(tx, store.K(app, string(ref)).Num(holder.Since), name); err != nil {
		return task, err
	}
	position, err := tx.Append(eventOf(event, app, ref, now))
	if err != nil {
		return task, err
	}
	return s.jobs.Enqueue(tx, chime.Task{Kind: taskDeleteUser, App: app, Ref: ref, Order: position})
}
