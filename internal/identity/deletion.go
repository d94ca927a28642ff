package identity

import (
	"context"
	"errors"
	"fmt"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Kinds of task. They are stored.
const (
	taskDeleteAppInstance = "delete app instance"
	taskDeleteUser        = "delete user" // or bot
)

// taskKey is where the deletion of a user or bot is noted, or that of the app instance when ref
// is empty, which sorts before those under it.
func taskKey(app string, ref chime.Ref) store.Key { return store.K(app, string(ref)) }

// begin notes work that goes on after this transaction.
func begin(tx store.Tx, task chime.Task) (chime.Task, error) {
	return task, store.Tasks.Put(tx, taskKey(task.App, task.Ref), task)
}

// unfinished is the deletion of something that is gone already but whose removal is not done,
// or else the error missing. A client that repeats a delete after a failure goes on with it.
func unfinished(r store.Reader, app string, ref chime.Ref, missing error) (chime.Task, error) {
	task, found, err := store.Tasks.Get(r, taskKey(app, ref))
	if err == nil && !found {
		err = missing
	}
	return task, err
}

// finish does the work of a task and then forgets the task. It may be repeated.
func (s *Service) finish(ctx context.Context, task chime.Task) error {
	switch task.Kind {
	case taskDeleteAppInstance:
		return s.removeAppInstance(ctx, task)
	case taskDeleteUser:
		return s.removeUser(ctx, task)
	}
	return fmt.Errorf("no such kind of task: %q", task.Kind)
}

// removeAppInstance removes one table in each transaction: an engine may have to visit every
// entry of a range.
func (s *Service) removeAppInstance(ctx context.Context, task chime.Task) error {
	under := store.Prefix(store.K(task.App))
	remove := func(table store.TableID) error {
		return s.store.Update(ctx, "", func(tx store.Tx) error { return tx.DeleteRange(table, under) })
	}
	for _, table := range store.UnderAppInstance {
		if err := remove(table); err != nil {
			return err
		}
	}
	return s.store.Update(ctx, "", func(tx store.Tx) error {
		if err := tx.DeleteRange(store.Removals.ID, under); err != nil { // one mark stands for all
			return err
		}
		if err := store.MarkRemoved(tx, task.App, ""); err != nil {
			return err
		}
		return tx.DeleteRange(store.Tasks.ID, under)
	})
}

func (s *Service) removeUser(ctx context.Context, task chime.Task) error {
	if err := s.users.RemoveUser(ctx, task.App, task.Ref, task.Order); err != nil {
		return err
	}
	return s.store.Update(ctx, "", func(tx store.Tx) error {
		current, found, err := store.Tasks.Get(tx, taskKey(task.App, task.Ref))
		if err != nil || !found || current.Order != task.Order { // a later deletion's own
			return err
		}
		return store.Tasks.Delete(tx, taskKey(task.App, task.Ref))
	})
}

// Resume finishes the deletions that a crash or a failure of the store left undone. One that
// fails again does not keep the others from being tried.
func (s *Service) Resume(ctx context.Context) error {
	var tasks []chime.Task
	err := s.store.View(ctx, "", func(r store.Reader) error {
		tasks = nil
		return store.Tasks.Each(r, store.Range{}, func(_ store.Key, task chime.Task) (bool, error) {
			if task.Kind == taskDeleteAppInstance || task.Kind == taskDeleteUser {
				tasks = append(tasks, task)
			}
			return true, nil
		})
	})
	if err != nil {
		return err
	}
	var failed []error
	var gone string // app instance whose other tasks go with it
	for _, task := range tasks {
		if task.App == gone {
			continue
		}
		if task.Kind == taskDeleteAppInstance {
			gone = task.App
		}
		if err := s.finish(ctx, task); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", task.Kind, err))
		}
	}
	return errors.Join(failed...)
}
