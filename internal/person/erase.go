package person

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/follow/jobs"
	"github.com/carillon-chat/carillon/internal/store"
)

// run is the work of one task on one erasure.
type run struct {
	*Service
	app string
	e   chime.Erasure // as it is stored
	alias
}

// steps do what an erasure has to do, from where it is on. The error of one is that of a commit or of what it
// calls, and errOvertaken.
var steps = [chime.Erased]func(*run, context.Context) error{
	chime.EraseMemberships: (*run).eraseMemberships,
	chime.EraseMessages:    (*run).eraseMessages,
	chime.EraseRecords:     (*run).eraseRecords,
	chime.EraseLog:         (*run).eraseLog,
	chime.EraseSinks:       (*run).eraseSinks,
	chime.EraseNames:       (*run).eraseNames,
	chime.EraseDisk:        (*run).eraseDisk,
}

var (
	// errOvertaken reports that another node has done what was to be done.
	errOvertaken = errors.New("the erasure has gone on elsewhere")
	// errNamed reports a record that names the user in a way that only its owner can change. It is one of
	// work under way, which ends.
	errNamed = errors.New("a record of work under way names the user")
)

// erase is the work of a task.
func (s *Service) erase(ctx context.Context, task chime.Task) error {
	id := string(task.Ref[len(taskRef):])
	for {
		e, found, err := s.read(ctx, task.App, id)
		if err != nil || !found || e.Step >= chime.Erased { // not found: the app instance was deleted
			return err
		}
		r := &run{Service: s, app: task.App, e: e, alias: newAlias(s.o.Site, task.App, chime.UserRef(e.User), e.ErasedAs())}
		if err := steps[e.Step](r, ctx); err != nil && !errors.Is(err, errOvertaken) {
			return err
		}
	}
}

// update is a transaction that changes the erasure, which has to be where this run has it. Then it rests.
func (r *run) update(ctx context.Context, f func(tx store.Tx, e *chime.Erasure) error) error {
	began := time.Now()
	var changed chime.Erasure
	err := r.o.Store.Update(ctx, r.app, func(tx store.Tx) error {
		e, found, err := store.Erasures.Get(tx, store.K(r.app, r.e.ID))
		if err != nil {
			return err
		}
		if !found || e.Step != r.e.Step || e.Table != r.e.Table || !bytes.Equal(e.At, r.e.At) || e.Channel != r.e.Channel || e.Position != r.e.Position {
			return errOvertaken
		}
		if err := f(tx, &e); err != nil {
			return err
		}
		changed = e
		return store.Erasures.Put(tx, store.K(r.app, e.ID), e)
	})
	if err == nil {
		r.e = changed
		r.o.Wait(ctx, min(time.Since(began), mostRest))
	}
	return err
}

// mostRest bounds how long a run rests after a transaction.
const mostRest = 20 * time.Millisecond

// next begins the next step.
func (r *run) next(ctx context.Context) error {
	return r.update(ctx, func(_ store.Tx, e *chime.Erasure) error {
		e.Begin(e.Step + 1)
		return nil
	})
}

// eraseMemberships ends what the user has in channels, as the deletion of a user does.
func (r *run) eraseMemberships(ctx context.Context) error {
	r.o.Messages.ForgetLive(r.app, r.user)
	var task chime.Task
	var left bool
	err := r.o.Store.View(ctx, r.app, func(reader store.Reader) (err error) {
		task, left, err = jobs.Find(reader, r.app, r.user)
		return err
	})
	if err == nil && left {
		err = r.o.Jobs.Do(ctx, task)
	}
	if err != nil {
		return err
	}
	return r.next(ctx)
}

// eraseSinks rewrites what streams have written, when nothing of the former log is written any more.
func (r *run) eraseSinks(ctx context.Context) error {
	if err := r.o.Reread(ctx, r.app); err != nil {
		return err
	}
	for _, sink := range r.o.Sinks {
		if err := sink.Rewrite(ctx, r.rewriteLine); err != nil {
			return err
		}
	}
	return r.next(ctx)
}

// eraseNames removes the id from answers to client request tokens and from the erasure.
func (r *run) eraseNames(ctx context.Context) error {
	for from := store.Key(nil); ; {
		found, next, err := r.findReplies(ctx, from)
		if err != nil {
			return err
		}
		for keys := range slices.Chunk(found, changedAtOnce) {
			err := r.update(ctx, func(tx store.Tx, e *chime.Erasure) error {
				for _, key := range keys {
					if err := store.Replies.Delete(tx, key); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		if from = next; from == nil {
			break
		}
	}

	return r.update(ctx, func(tx store.Tx, e *chime.Erasure) error {
		if err := store.ErasuresOf.Delete(tx, store.K(r.app, e.User)); err != nil {
			return err
		}
		e.User = ""
		e.Begin(chime.EraseDisk)
		return nil
	})
}

// findReplies finds answers that name the user from a key on. next is where to go on, nil at the end.
func (r *run) findReplies(ctx context.Context, from store.Key) (found []store.Key, next store.Key, err error) {
	id := []byte(r.user.ID())
	err = r.o.Store.View(ctx, "", func(reader store.Reader) error {
		found, next = nil, nil
		read := 0
		return reader.Scan(store.Replies.ID, store.Range{From: from}, func(key store.Key, value []byte) (bool, error) {
			if read++; read > readAtOnce {
				next = slices.Clone(key)
				return false, nil
			}
			if !bytes.Contains(value, id) {
				return true, nil
			}
			var reply chime.Reply
			err := store.DecodeRecord(value, &reply)
			if reply.Value == r.user.ID() {
				found = append(found, slices.Clone(key))
			}
			return true, err
		})
	})
	return found, next, err
}

// eraseDisk has the engine forget what was changed, one table after another.
func (r *run) eraseDisk(ctx context.Context) error {
	if r.o.Disk != nil {
		if r.e.Table == 0 {
			if err := r.o.Disk.EraseRemoved(ctx); err != nil {
				return err
			}
		}
		for _, table := range erasedTables() {
			if r.e.Table >= chime.TableNumber(table) {
				continue
			}
			if err := r.o.Disk.Erase(ctx, table, rangeOf(table, r.app)); err != nil {
				return err
			}
			err := r.update(ctx, func(_ store.Tx, e *chime.Erasure) error {
				e.Table = chime.TableNumber(table)
				return nil
			})
			if err != nil {
				return err
			}
		}
		if err := r.o.Disk.EraseKeys(ctx); err != nil {
			return err
		}
	}
	return r.update(ctx, func(_ store.Tx, e *chime.Erasure) error {
		e.Begin(chime.Erased)
		e.Completed = r.now().NotBefore(e.Created)
		return nil
	})
}
