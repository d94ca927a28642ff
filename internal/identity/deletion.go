package identity

import (
	"context"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/store"
)

// Kinds of task. They are stored. The subject of a task is the user or bot, and empty for the app
// instance itself.
const (
	taskDeleteAppInstance = "delete app instance"
	taskDeleteUser        = "delete user" // or bot
)

// unfinished is the deletion of something that is gone already but whose removal is not done,
// or else the error missing. A client that repeats a delete after a failure goes on with it.
func unfinished(r store.Reader, app string, ref chime.Ref, missing error) (chime.Task, error) {
	task, found, err := jobs.Find(r, app, ref)
	if err == nil && !found {
		err = missing
	}
	return task, err
}

// removeAppInstance is the work of a task. It takes the app instance off the account's list and removes
// one table in each transaction: an engine may have to visit every entry of a range.
func (s *Service) removeAppInstance(ctx context.Context, task chime.Task) error {
	if err := s.store.Update(ctx, "", func(tx store.Tx) error { return s.unlist(tx, task.App, task.Order) }); err != nil {
		return err
	}
	under := store.Prefix(store.K(task.App))
	remove := func(table store.TableID) error {
		return s.store.Update(ctx, task.App, func(tx store.Tx) error { return tx.DeleteRange(table, under) })
	}

	for _, table := range store.UnderAppInstance {
		if err := remove(table); err != nil {
			return err
		}
	}
	return s.store.Update(ctx, task.App, func(tx store.Tx) error {
		if err := tx.DeleteRange(store.Removals.ID, under); err != nil { // one mark stands for all
			return err
		}
		if err := store.MarkRemoved(tx, task.App, ""); err != nil {
			return err
		}
		return tx.DeleteRange(store.Tasks.ID, under)
	})
}

// removeUser is the work of a task.
func (s *Service) removeUser(ctx context.Context, task chime.Task) error {
	return s.users.RemoveUser(ctx, task.App, task.Ref, task.Order)
}
