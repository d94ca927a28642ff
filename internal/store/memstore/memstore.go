// Package memstore keeps a store in memory. It is the model that other engines are compared
// with, and the store of tests that need no disk: the whole contract, except that everything
// is gone when the process ends.
package memstore

import (
	"context"
	"sync"

	"github.com/tidwall/btree"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Store is a store.Store in memory.
type Store struct {
	feeds *store.Feeds
	write sync.Mutex // held by the one Update that runs

	mu     sync.Mutex
	now    moment
	closed bool
}

// moment is everything at one time: entries by table byte and key, copied on write.
type moment struct{ entries *btree.BTreeG[entry] }

type entry struct {
	key   string
	value []byte
}

// New is an empty store.
func New() *Store {
	less := func(a, b entry) bool { return a.key < b.key }
	s := &Store{now: moment{entries: btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})}}
	s.feeds = store.NewFeeds(s.logEnd, s.readLog)
	return s
}

func (s *Store) logEnd(app string) (uint64, error) {
	m, err := s.take()
	if err != nil {
		return 0, err
	}
	return reader{&m, app}.Position()
}

func (s *Store) readLog(app string, after uint64, limit int) ([]*chime.Event, error) {
	m, err := s.take()
	if err != nil {
		return nil, err
	}
	return store.ReadEvents(reader{&m, app}, app, after, limit)
}

// take is a copy of the present moment.
func (s *Store) take() (moment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return moment{}, store.ErrUnavailable
	}
	return s.now.copy(), nil
}

func (m moment) copy() moment { return moment{entries: m.entries.Copy()} }

// View implements store.Store.
func (s *Store) View(ctx context.Context, app string, f func(store.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m, err := s.take()
	if err != nil {
		return err
	}
	return f(reader{&m, app})
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	m, err := s.take()
	if err != nil {
		return err
	}
	tx := &tx{reader: reader{&m, app}, scope: store.Scope(app)}
	if err := f(tx); err != nil {
		return err
	}
	s.mu.Lock()
	s.now = m
	s.mu.Unlock()
	s.feeds.Rewrite(app, tx.rewritten)
	s.feeds.Publish(app, tx.events)
	if tx.trimmed > 0 {
		s.feeds.Trim(app, tx.trimmed)
	}
	return nil
}

// Follow implements store.Store.
func (s *Store) Follow(app string, after uint64) (store.Cursor, error) {
	return s.feeds.Follow(app, after)
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.feeds.Close()
	return nil
}

type reader struct {
	m   *moment
	app string
}

// path is the place of a key among all tables.
func path(table store.TableID, key store.Key) string {
	return string([]byte{byte(table)}) + string(key)
}

func (r reader) Get(table store.TableID, key store.Key) ([]byte, error) {
	e, _ := r.m.entries.Get(entry{key: path(table, key)})
	return e.value, nil
}

func (r reader) GetMany(lookups []store.Lookup) (err error) {
	for i, l := range lookups {
		if lookups[i].Value, err = r.Get(l.Table, l.Key); err != nil {
			return err
		}
	}
	return nil
}

func (r reader) Position() (uint64, error) { return store.LogEnd(r, r.app) }

func (r reader) Scan(table store.TableID, rng store.Range, f func(store.Key, []byte) (bool, error)) (err error) {
	from, to := path(table, rng.From), path(table, rng.To)
	if len(rng.To) == 0 {
		to = path(table+1, nil)
	}
	visit := func(e entry) (more bool) {
		if e.key < from || e.key >= to {
			return false
		}
		more, err = f(store.Key(e.key[1:]), e.value)
		return more && err == nil
	}
	entries := r.m.entries.Copy()
	if !rng.Reverse {
		entries.Ascend(entry{key: from}, visit)
		return err
	}
	entries.Descend(entry{key: to}, func(e entry) bool { return e.key == to || visit(e) })
	return err
}

type tx struct {
	reader
	scope     store.Scope
	events    []chime.Event
	rewritten []*chime.Event
	trimmed   uint64
}

func (t *tx) Put(table store.TableID, key store.Key, value []byte) error {
	if err := t.scope.CheckKey(table, key); err != nil {
		return err
	}
	t.m.entries.Set(entry{key: path(table, key), value: append([]byte{}, value...)})
	return nil
}

func (t *tx) Delete(table store.TableID, key store.Key) error {
	if err := t.scope.CheckKey(table, key); err != nil {
		return err
	}
	t.m.entries.Delete(entry{key: path(table, key)})
	return nil
}

func (t *tx) DeleteRange(table store.TableID, rng store.Range) error {
	if err := t.scope.CheckRange(table, rng); err != nil {
		return err
	}
	return t.Scan(table, rng, func(key store.Key, _ []byte) (bool, error) { return true, t.Delete(table, key) })
}

func (t *tx) Append(event chime.Event) (uint64, error) {
	if err := t.scope.CheckEvent(event.App); err != nil {
		return 0, err
	}
	end, err := t.Position()
	if err != nil {
		return 0, err
	}
	event.Position, event.Ephemeral = end+1, false
	if err := store.PutEvent(t, event); err != nil {
		return 0, err
	}
	t.events = append(t.events, event)
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
	rewritten, err := store.RewriteEvents(t, string(t.scope), after, upTo, f)
	t.rewritten = append(t.rewritten, rewritten...)
	return err
}

// Restore implements store.Restorer.
func (t *tx) Restore(events []chime.Event) error {
	for i := range events {
		if err := t.scope.CheckEvent(events[i].App); err != nil {
			return err
		}
	}
	_, err := store.RestoreEvents(t, t.app, events)
	return err
}
