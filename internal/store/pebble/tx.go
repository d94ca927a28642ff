package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// source is what can be read: a snapshot, an indexed batch, the database.
type source interface {
	Get(key []byte) (value []byte, closer io.Closer, err error)
	NewIter(*crdb.IterOptions) (*crdb.Iterator, error)
}

// reader reads tables out of one source, for an app instance.
type reader struct {
	from source
	app  string
	ends *ends
	room []byte // for the key at hand

	cache    *cache    // or nil
	versions *versions // of a View, or nil
	commits  uint64    // number of the latest commit in from, when there is a cache
}

// path is where an entry is kept: the table's byte and the key.
func path(table store.TableID, key store.Key) []byte {
	return append(append(make([]byte, 0, len(key)+1), byte(table)), key...)
}

// path is the same in bytes that last until the next call.
func (r *reader) path(table store.TableID, key store.Key) []byte {
	r.room = append(append(r.room[:0], byte(table)), key...)
	return r.room
}

func (r *reader) Get(table store.TableID, key store.Key) ([]byte, error) {
	path := r.path(table, key)
	if r.cache == nil || !cachedTables[table] {
		return get(r.from, path)
	}

	value, known := r.cache.find(path, r.commits)
	if known {
		return value, nil
	}
	value, err := get(r.from, path)
	if err == nil {
		r.cache.put(path, value, r.commits)
	}
	return value, err
}

func get(from source, key []byte) ([]byte, error) {
	value, closer, err := from.Get(key)
	if errors.Is(err, crdb.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, damage(err)
	}
	kept := append(make([]byte, 0, len(value)), value...)
	return kept, damage(closer.Close())
}

// GetMany copies all values that are not cached into one piece of memory.
func (r *reader) GetMany(lookups []store.Lookup) (err error) {
	var all []byte
	for i := range lookups {
		l := &lookups[i]
		if cachedTables[l.Table] {
			if l.Value, err = r.Get(l.Table, l.Key); err != nil {
				return err
			}
			continue
		}

		value, closer, err := r.from.Get(r.path(l.Table, l.Key))
		if errors.Is(err, crdb.ErrNotFound) {
			l.Value = nil
			continue
		}
		if err != nil {
			return damage(err)
		}

		if all == nil {
			all = make([]byte, 0, max(len(value), roomForMany))
		}
		start := len(all)
		all = append(all, value...) // values before keep the memory that they have
		l.Value = all[start:len(all):len(all)]
		if err := closer.Close(); err != nil {
			return damage(err)
		}
	}
	return nil
}

// roomForMany is enough for a few records that are no messages.
const roomForMany = 512

func (r *reader) Scan(table store.TableID, rng store.Range, f func(store.Key, []byte) (bool, error)) (err error) {
	lower, upper := bounds(table, rng)
	if bytes.Compare(lower, upper) >= 0 {
		return nil
	}

	it, err := r.from.NewIter(&crdb.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return damage(err)
	}
	defer func() {
		if closed := it.Close(); err == nil {
			err = damage(closed)
		}
	}()

	first, next := it.First, it.Next
	if rng.Reverse {
		first, next = it.Last, it.Prev
	}
	for ok := first(); ok; ok = next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return damage(err)
		}
		if more, err := f(it.Key()[1:], value); err != nil || !more {
			return err
		}
	}
	return damage(it.Error())
}

func bounds(table store.TableID, rng store.Range) (lower, upper []byte) {
	lower, upper = path(table, rng.From), path(table, rng.To)
	if len(rng.To) == 0 {
		upper[0]++
	}
	return lower, upper
}

func (r *reader) Position() (uint64, error) { return r.ends.of(r) }

// tx is a transaction of a group. What it writes is among the writes of the group, until it has to find
// its own writes in ranges: from then on it is in an indexed batch.
type tx struct {
	reader  // of the database, or of the indexed batch
	group   *group
	start   int         // of its writes among those of the group
	indexed *crdb.Batch // or nil
	events  []chime.Event

	appended  int // size of the events, about
	rewritten []*chime.Event
	trimmed   uint64
	restored  uint64 // where the log ends that was restored
}

// eventSize is what an event takes without its payload, about.
const eventSize = 256

// maxBatch is far above any honest transaction and below what the engine can take.
const maxBatch = 1 << 30

// Get finds what the transactions of the group wrote before, then what is known of the entry, then the
// entry in the database.
func (t *tx) Get(table store.TableID, key store.Key) ([]byte, error) {
	path := t.path(table, key)
	if t.indexed != nil {
		return get(t.indexed, path)
	}
	if value, known := t.group.writes.find(path); known {
		return bytes.Clone(value), nil
	}
	if t.group.absent.has(path) {
		return nil, nil
	}
	return t.reader.Get(table, key)
}

// GetMany implements store.Reader.
func (t *tx) GetMany(lookups []store.Lookup) (err error) {
	for i := range lookups {
		l := &lookups[i]
		if l.Value, err = t.Get(l.Table, l.Key); err != nil {
			return err
		}
	}
	return nil
}

// Scan has the group commit what was written before, so that the database has it.
func (t *tx) Scan(table store.TableID, rng store.Range, f func(store.Key, []byte) (bool, error)) error {
	if t.indexed == nil {
		var err error
		if len(t.group.writes.since(t.start)) > 0 {
			err = t.indexWrites()
		} else {
			err = t.group.flush()
			t.start, t.commits = 0, t.group.store.commits
		}
		if err != nil {
			return err
		}
	}
	return t.reader.Scan(table, rng, f)
}

// indexWrites moves what the transaction wrote into an indexed batch.
func (t *tx) indexWrites() error {
	b := t.group.store.db.NewIndexedBatch()
	t.indexed, t.from, t.cache = b, b, nil // discard closes it
	writes := &t.group.writes
	if err := writes.copyTo(b, t.start); err != nil {
		return err
	}
	writes.takeBack(t.start)
	t.start = 0
	return t.group.flush()
}

// Position looks for the end of the log at the first transaction that needs it.
func (t *tx) Position() (uint64, error) {
	if n := len(t.events); n > 0 {
		return t.events[n-1].Position, nil
	}
	if t.restored > 0 {
		return t.restored, nil
	}
	if end, known := t.group.end(t.app); known {
		return end, nil
	}
	known, ok := t.ends.find(t.app)
	if !ok {
		position, err := store.LogEnd(t, t.app)
		if err != nil {
			return 0, err
		}
		known.position = position
		t.ends.found(t.app, position, t.group.store.commits)
	}
	return known.position, nil
}

func (t *tx) Put(table store.TableID, key store.Key, value []byte) error {
	if err := t.admit(table, key, len(value)); err != nil {
		return err
	}
	path := t.path(table, key)
	if t.indexed != nil {
		return t.indexed.Set(path, value, nil)
	}
	t.group.writes.add(path, value, false)
	return nil
}

func (t *tx) Delete(table store.TableID, key store.Key) error {
	if err := t.admit(table, key, 0); err != nil {
		return err
	}
	path := t.path(table, key)
	if t.indexed != nil {
		return t.indexed.Delete(path, nil)
	}
	t.group.writes.add(path, nil, true)
	return nil
}

// admit checks a write.
func (t *tx) admit(table store.TableID, key store.Key, value int) error {
	if err := store.Scope(t.app).CheckKey(table, key); err != nil {
		return err
	}
	if t.size()+len(key)+value > maxBatch {
		return fmt.Errorf("a transaction writes more than %d bytes", maxBatch)
	}
	return nil
}

// size is how many bytes the transaction has written.
func (t *tx) size() int {
	if t.indexed != nil {
		return t.indexed.Len() + t.appended
	}
	return t.group.writes.size(t.start) + t.appended
}

// hasWritten reports whether the transaction has anything to commit.
func (t *tx) hasWritten() bool {
	if t.indexed != nil && len(t.events) == 0 {
		return !t.indexed.Empty()
	}
	return t.size() > 0
}

// smallRange is how many entries are removed one by one: the mark that removes a range as a
// whole makes later reads near it dearer.
const smallRange = 128

func (t *tx) DeleteRange(table store.TableID, rng store.Range) error {
	if err := store.Scope(t.app).CheckRange(table, rng); err != nil {
		return err
	}
	lower, upper := bounds(table, rng)
	if bytes.Compare(lower, upper) >= 0 {
		return nil
	}

	// A range mark slows later reads, so few entries are removed one by one.
	var keys []store.Key
	err := t.Scan(table, store.Range{From: rng.From, To: rng.To}, func(key store.Key, _ []byte) (bool, error) {
		keys = append(keys, bytes.Clone(key))
		return len(keys) <= smallRange, nil
	})
	if err != nil {
		return err
	}
	if len(keys) <= smallRange {
		for _, key := range keys {
			if err := t.Delete(table, key); err != nil {
				return err
			}
		}
		return nil
	}

	if t.indexed == nil {
		if err := t.indexWrites(); err != nil {
			return err
		}
	}
	return t.indexed.DeleteRange(lower, upper, nil)
}

func (t *tx) Append(event chime.Event) (uint64, error) {
	if err := store.Scope(t.app).CheckEvent(event.App); err != nil {
		return 0, err
	}
	end, err := t.Position()
	if err != nil {
		return 0, err
	}
	event.Position, event.Ephemeral = end+1, false
	if err := store.PutTraces(t, event); err != nil {
		return 0, err
	}
	t.events = append(t.events, event) // group.commit writes them
	t.appended += len(event.Payload) + eventSize
	return event.Position, nil
}

func (t *tx) TrimEvents(upTo uint64) error {
	end, err := t.Position()
	if err != nil {
		return err
	}
	t.trimmed = max(t.trimmed, min(upTo, end))
	return store.TrimEvents(t, t.app, upTo, end)
}

func (t *tx) RewriteEvents(after, upTo uint64, f func(*chime.Event) (bool, error)) error {
	rewritten, err := store.RewriteEvents(t, t.app, after, upTo, f)
	t.rewritten = append(t.rewritten, rewritten...)
	return err
}
