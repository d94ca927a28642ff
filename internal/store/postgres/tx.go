package postgres

import (
	"fmt"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// tx is a transaction of a batch. It reads what the transactions before it wrote, and then the database.
type tx struct {
	batch  *batch
	of     *request
	gather bool   // leaves the function at a read that needs a trip
	left   bool   // so it was left
	stack  []byte // of a panic
	over   overlay
	began  uint64 // position of the log
	wrote  bool
	size   int // of what was written, about

	events    []chime.Event
	rewritten []*chime.Event
	trimmed   uint64
	restored  []chime.Event
	moved     bool // the log was restored, and began is where it ends since
}

// maxBytes is far above any honest transaction.
const maxBytes = 256 << 20

// Get implements store.Reader.
func (t *tx) Get(table store.TableID, key store.Key) ([]byte, error) {
	if value, known := t.known(path(table, key)); known {
		return value, nil
	}
	one := [1]store.Lookup{{Table: table, Key: key}}
	err := t.read(one[:])
	return one[0].Value, err
}

// known finds what needs no trip to the database.
func (t *tx) known(path string) (value []byte, known bool) {
	if value, known = t.over.find(path); known {
		return value, true
	}
	value, known = t.batch.seen[path]
	return value, known
}

// GetMany implements store.Reader.
func (t *tx) GetMany(lookups []store.Lookup) error {
	var absent []store.Lookup
	var places []int
	for i := range lookups {
		l := &lookups[i]
		value, known := t.known(path(l.Table, l.Key))
		if l.Value = value; !known {
			absent, places = append(absent, *l), append(places, i)
		}
	}
	if len(absent) == 0 {
		return nil
	}
	if err := t.read(absent); err != nil {
		return err
	}
	for i, at := range places {
		lookups[at].Value = absent[i].Value
	}
	return nil
}

// read reads from the database, or leaves the function until that is done.
func (t *tx) read(lookups []store.Lookup) error {
	if !t.gather {
		return t.batch.read(lookups)
	}
	t.left = true
	for _, l := range lookups {
		l.Key = slices.Clone(l.Key)
		t.batch.wanted = append(t.batch.wanted, l)
	}
	return errLater
}

// read reads from the database, and remembers it: nothing of the log changes while the batch has its lock.
func (b *batch) read(lookups []store.Lookup) error {
	if err := getMany(b.send, lookups); err != nil {
		return err
	}
	for _, l := range lookups {
		at := path(l.Table, l.Key)
		if b.seenSize += len(at) + len(l.Value); b.seenSize < seenBytes {
			b.seen[at] = l.Value
		}
	}
	return nil
}

// Scan implements store.Reader.
func (t *tx) Scan(table store.TableID, rng store.Range, f func(store.Key, []byte) (bool, error)) error {
	if t.of.scans = true; t.gather {
		t.left = true
		return errLater
	}
	return t.over.copy().scan(t.batch.send, table, rng, f)
}

// Position implements store.Reader.
func (t *tx) Position() (uint64, error) { return t.began + uint64(len(t.events)), nil }

// Put implements store.Tx.
func (t *tx) Put(table store.TableID, key store.Key, value []byte) error {
	if err := t.admit(table, key, len(value)); err != nil {
		return err
	}
	t.over.set(path(table, key), notChanged(value))
	return nil
}

// Delete implements store.Tx.
func (t *tx) Delete(table store.TableID, key store.Key) error {
	if err := t.admit(table, key, 0); err != nil {
		return err
	}
	t.over.delete(path(table, key))
	return nil
}

// admit checks a write.
func (t *tx) admit(table store.TableID, key store.Key, value int) error {
	if err := store.Scope(t.batch.app).CheckKey(table, key); err != nil {
		return err
	}
	if r := relationOf(table); r.name == "" {
		return fmt.Errorf("table %d has no migration", table)
	}
	if t.size += len(key) + value; t.size > maxBytes {
		return fmt.Errorf("a transaction writes more than %d bytes", maxBytes)
	}
	t.wrote = true
	return nil
}

// DeleteRange implements store.Tx.
func (t *tx) DeleteRange(table store.TableID, rng store.Range) error {
	if err := store.Scope(t.batch.app).CheckRange(table, rng); err != nil {
		return err
	}
	if r := relationOf(table); r.name != "" {
		t.wrote = true
		t.over.clear(paths(table, rng))
	}
	return nil
}

// Append implements store.Tx.
func (t *tx) Append(event chime.Event) (uint64, error) {
	if err := store.Scope(t.batch.app).CheckEvent(event.App); err != nil {
		return 0, err
	}
	event.Position, event.Ephemeral = t.began+uint64(len(t.events))+1, false
	err := store.EncodeEvents(event.App, []chime.Event{event}, func(key store.Key, value []byte) error {
		return t.Put(store.TableEvents, key, value)
	})
	if err == nil {
		err = store.PutTraces(t, event)
	}
	if err != nil {
		return 0, err
	}
	t.events = append(t.events, event)
	return event.Position, nil
}

// TrimEvents implements store.Tx.
func (t *tx) TrimEvents(upTo uint64) error {
	end, err := t.Position()
	if err != nil {
		return err
	}
	t.trimmed = max(t.trimmed, min(upTo, end))
	return store.TrimEvents(t, t.batch.app, upTo, end)
}

// RewriteEvents implements store.Tx.
func (t *tx) RewriteEvents(after, upTo uint64, f func(*chime.Event) (bool, error)) error {
	rewritten, err := store.RewriteEvents(t, t.batch.app, after, min(upTo, t.began), f)
	t.rewritten = append(t.rewritten, rewritten...)
	return err
}
