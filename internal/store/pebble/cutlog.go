package pebble

import (
	"errors"
	"fmt"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// cutLog gives each app instance, and the account, its events out of the one log that there was. They
// keep their positions, and every log goes on after the last position of all, so that whatever holds a
// position goes on meaning the same. The marks of the log's age are begun anew.
//
// The log can be long, so it goes in commits of its own. Keys of the old form begin with a number and
// those of the new form with the app instance, so what a crash interrupts goes on where it ended.
func cutLog(db *crdb.DB, b *crdb.Batch) error {
	cut, err := beginCut(db)
	if err != nil || cut == nil {
		return err
	}
	defer func() { _ = cut.batch.Close() }() // frees memory and knows no error
	for _, step := range []func() error{cut.noteApps, cut.moveEvents, cut.moveTraces} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := cut.batch.Commit(crdb.Sync); err != nil {
		return err
	}
	return b.DeleteRange(path(store.LogMarks.ID, nil), path(store.LogMarks.ID+1, nil), nil)
}

// cut is a migration under way.
type cut struct {
	db    *crdb.DB
	batch *crdb.Batch
	log   []byte          // record of each log
	noted map[string]bool // app instances whose logs have one
}

// beginCut finds out what the log held, or had held before a crash; nil when there never was an event.
func beginCut(db *crdb.DB) (*cut, error) {
	c := &cut{db: db, batch: db.NewBatch(), noted: make(map[string]bool)}
	var err error
	if c.log, err = get(db, path(store.TableLogs, store.K(""))); err != nil || c.log != nil {
		return c, err
	}
	last, err := readLast(db)
	if err != nil || last.position == 0 {
		return nil, err
	}

	log := store.Log{Trimmed: last.position, Base: last.position}
	err = c.each(store.TableEvents, numbered(), func(key store.Key, _ []byte) (bool, error) {
		position, err := number(key, 0)
		log.Trimmed = position - 1
		return false, err
	})
	if err != nil {
		return nil, err
	}
	if c.log, err = store.EncodeRecord(log); err != nil {
		return nil, err
	}
	return c, db.Set(path(store.TableLogs, store.K("")), c.log, crdb.Sync)
}

// numbered is the range of the keys that begin with a number.
func numbered() store.Range {
	return store.Range{From: store.K().Num(0), To: store.K().Num(^uint64(0))}
}

// each calls f for the entries of the range until it returns false or an error.
func (c *cut) each(table store.TableID, rng store.Range, f func(key store.Key, value []byte) (bool, error)) error {
	return (&reader{from: c.db}).Scan(table, rng, f)
}

// note gives the log of an app instance its record.
func (c *cut) note(app string) error {
	if c.noted[app] {
		return nil
	}
	c.noted[app] = true
	return c.batch.Set(path(store.TableLogs, store.K(app)), c.log, nil)
}

// noteApps gives those logs a record that may have no event any more.
func (c *cut) noteApps() error {
	for _, table := range [...]store.TableID{store.AppInstances.ID, store.Tasks.ID} {
		err := c.each(table, store.Range{}, func(key store.Key, _ []byte) (bool, error) {
			app, err := key.App()
			if err != nil {
				return false, err
			}
			return true, c.note(app)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *cut) moveEvents() error {
	return c.each(store.TableEvents, numbered(), func(key store.Key, value []byte) (bool, error) {
		position, err := number(key, 0)
		if err != nil {
			return false, err
		}
		var e chime.Event
		if err := store.DecodeRecord(value, &e); err != nil {
			return false, fmt.Errorf("event %d: %w", position, err)
		}
		return true, errors.Join(c.note(e.App), c.move(store.TableEvents, key, store.K(e.App).Num(position), value))
	})
}

func (c *cut) moveTraces() error {
	return c.each(store.TableTraces, numbered(), func(key store.Key, value []byte) (bool, error) {
		columns, err := key.Columns()
		if err != nil || len(columns) != 5 {
			return false, errors.Join(err, fmt.Errorf("%w: the key of a trace", store.ErrCorrupt))
		}
		return true, c.move(store.TableTraces, key, traceKeyOf(columns), value)
	})
}

// traceKeyOf is the key of a trace whose key had these columns.
func traceKeyOf(columns []any) store.Key {
	part, _ := columns[0].(uint64)
	app, _ := columns[1].(string)
	uid, _ := columns[2].(string)
	who, _ := columns[3].(string)
	position, _ := columns[4].(uint64)
	return store.K(app).Num(part).Str(uid).Str(who).Num(position)
}

// move writes an entry under another key. Both halves are in one commit.
func (c *cut) move(table store.TableID, from, to store.Key, value []byte) error {
	if err := c.batch.Set(path(table, to), value, nil); err != nil {
		return err
	}
	if err := c.batch.Delete(path(table, from), nil); err != nil {
		return err
	}
	if c.batch.Len() < migrationBatch {
		return nil
	}
	if err := c.batch.Commit(crdb.NoSync); err != nil {
		return err
	}
	c.batch.Reset()
	return nil
}

// number is a column of a key.
func number(key store.Key, column int) (uint64, error) {
	columns, err := key.Columns()
	if err != nil {
		return 0, err
	}
	n, ok := columns[column].(uint64)
	if !ok {
		return 0, fmt.Errorf("%w: the key of an event", store.ErrCorrupt)
	}
	return n, nil
}
