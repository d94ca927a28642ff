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
	feed  *store.Feed
	write sync.Mutex // held by the one Update that runs

	mu     sync.Mutex
	now    moment
	closed bool
}

// moment is everything at one time: entries by table byte and key, copied on write.
type moment struct {
	entries  *btree.BTreeG[entry]
	position uint64
}

type entry struct {
	key   string
	value []byte
}

// New is an empty store.
func New() *Store {
	less := func(a, b entry) bool { return a.key < b.key }
	s := &Store{now: moment{entries: btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})}}
	s.feed = store.NewFeed(0, s.readLog)
	return s
}

func (s *Store) readLog(after uint64, limit int) (events []*chime.Event, err error) {
	err = s.View(context.Background(), "", func(r store.Reader) error {
		events, err = store.ReadEvents(r, after, limit)
		return err
	})
	return events, err
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

func (m moment) copy() moment { return moment{entries: m.entries.Copy(), position: m.position} }

// View implements store.Store.
func (s *Store) View(ctx context.Context, _ string, f func(store.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m, err := s.take()
	if err != nil {
		return err
	}
	return f(reader{&m})
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, _ string, f func(store.Tx) error) error {
	s.write.Lock()
	defer s.write.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	m, err := s.take()
	if err != nil {
		return err
	}
	tx := &tx{reader: reader{&m}}
	if err := f(tx); err != nil {
		return err
	}
	s.mu.Lock()
	s.now = m
	s.mu.Unlock()
	s.feed.Publish(tx.events)
	if tx.trimmed > 0 {
		s.feed.Trim(tx.trimmed)
	}
	return nil
}

// Announce implements store.Store.
func (s *Store) Announce(events ...chime.Event) { s.feed.Announce(events) }

// Follow implements store.Store.
func (s *Store) Follow(_ string, after uint64) (store.Cursor, error) { return s.feed.Follow(after) }

// Close implements store.Store.
func (s *Store) Close() error {
	s.write.Lock()
	defer s.write.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.feed.Close()
	return nil
}

type reader struct{ m *moment }

// path is the place of a key among all tables.
func path(table store.TableID, key store.Key) string {
	return string([]byte{byte(table)}) + string(key)
}

func (r reader) Get(table store.TableID, key store.Key) ([]byte, error) {
	e, _ := r.m.entries.Get(entry{key: path(table, key)})
	return e.value, nil
}

func (r reader) Position() (uint64, error) { return r.m.position, nil }

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
	events  []chime.Event
	trimmed uint64
}

func (t *tx) Put(table store.TableID, key store.Key, value []byte) error {
	t.m.entries.Set(entry{key: path(table, key), value: append([]byte{}, value...)})
	return nil
}

func (t *tx) Delete(table store.TableID, key store.Key) error {
	t.m.entries.Delete(entry{key: path(table, key)})
	return nil
}

func (t *tx) DeleteRange(table store.TableID, rng store.Range) error {
	return t.Scan(table, rng, func(key store.Key, _ []byte) (bool, error) { return true, t.Delete(table, key) })
}

func (t *tx) Append(event chime.Event) (uint64, error) {
	event.Position, event.Ephemeral = t.m.position+1, false
	if err := store.PutEvent(t, event.Position, event); err != nil {
		return 0, err
	}
	t.m.position++
	t.events = append(t.events, event)
	return event.Position, nil
}

func (t *tx) TrimEvents(upTo uint64) error {
	t.trimmed = max(t.trimmed, min(upTo, t.m.position))
	return store.TrimEvents(t, upTo)
}
