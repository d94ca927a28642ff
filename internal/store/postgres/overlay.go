package postgres

import (
	"bytes"
	"slices"

	"github.com/tidwall/btree"

	"github.com/carillon-chat/carillon/internal/store"
)

// overlay is what transactions of a batch wrote, over what the database has. A copy is made at once, and neither changes
// the other.
type overlay struct {
	entries *btree.BTreeG[entry]
	cleared []interval // that were removed before what entries has was written
}

// entry was set or deleted.
type entry struct {
	path    string // table and key
	value   []byte
	deleted bool
}

// interval is a range of paths, from <= path < to.
type interval struct{ from, to string }

func newOverlay() overlay {
	less := func(a, b entry) bool { return a.path < b.path }
	return overlay{entries: btree.NewBTreeGOptions(less, btree.Options{NoLocks: true, Degree: 16})}
}

func (o *overlay) copy() overlay {
	return overlay{o.entries.Copy(), slices.Clip(o.cleared)}
}

// path is a key among all tables.
func path(table store.TableID, key store.Key) string {
	b := make([]byte, 0, len(key)+1)
	return string(append(append(b, byte(table)), key...))
}

// paths is a range among all tables.
func paths(table store.TableID, rng store.Range) interval {
	to := path(table, rng.To)
	if len(rng.To) == 0 {
		to = path(table+1, nil)
	}
	return interval{path(table, rng.From), to}
}

func (o *overlay) set(path string, value []byte) { o.entries.Set(entry{path: path, value: value}) }
func (o *overlay) delete(path string)            { o.entries.Set(entry{path: path, deleted: true}) }

// clear removes all of an interval.
func (o *overlay) clear(in interval) {
	if in.from >= in.to {
		return
	}
	for _, e := range o.within(in, false) {
		o.entries.Delete(e)
	}
	o.cleared = append(o.cleared, in)
}

// find is what is known of a path; value is nil when it was removed.
func (o *overlay) find(path string) (value []byte, known bool) {
	if e, found := o.entries.Get(entry{path: path}); found {
		return e.value, true
	}
	_, cleared := o.clearing(path)
	return nil, cleared
}

// clearing is an interval with the path that was removed.
func (o *overlay) clearing(path string) (interval, bool) {
	for _, in := range o.cleared {
		if in.from <= path && path < in.to {
			return in, true
		}
	}
	return interval{}, false
}

// within lists the entries of an interval in order, or in reverse.
func (o *overlay) within(in interval, reverse bool) (list []entry) {
	o.entries.Ascend(entry{path: in.from}, func(e entry) bool {
		if e.path < in.to {
			list = append(list, e)
			return true
		}
		return false
	})
	if reverse {
		slices.Reverse(list)
	}
	return list
}

// scan reads a range of the database with the overlay over it. f may write: the overlay is a copy.
func (o overlay) scan(send trip, table store.TableID, rng store.Range, f func(store.Key, []byte) (bool, error)) error {
	in := paths(table, rng)
	if in.from >= in.to {
		return nil
	}
	own := o.within(in, rng.Reverse)
	hand := func(e entry) (bool, error) {
		if e.deleted {
			return true, nil
		}
		return f(store.Key(e.path[1:]), e.value)
	}

	for p := newPages(send, table, rng); !p.done; {
		page, err := p.next()
		if err != nil {
			return err
		}
		for _, row := range page {
			at := path(table, row.key)

			// First what the overlay has before the row.
			for len(own) > 0 && comesBefore(own[0].path, at, rng.Reverse) {
				e := own[0]
				own = own[1:]
				if more, err := hand(e); err != nil || !more {
					return err
				}
			}
			if len(own) > 0 && own[0].path == at { // it replaces the row
				continue
			}
			if cleared, is := o.clearing(at); is {
				p.pass(cleared, in)
				continue
			}
			if more, err := f(row.key, row.value); err != nil || !more {
				return err
			}
		}
	}

	for _, e := range own {
		if more, err := hand(e); err != nil || !more {
			return err
		}
	}
	return nil
}

func comesBefore(a, b string, reverse bool) bool {
	if reverse {
		return a > b
	}
	return a < b
}

// pass has the next page begin behind what was removed.
func (p *pages) pass(cleared, in interval) {
	if p.done {
		return
	}
	switch {
	case p.reverse:
		p.skip(store.Key(max(cleared.from, in.from)[1:]))
	case cleared.to >= in.to:
		p.done = true
	default:
		p.skip(store.Key(cleared.to[1:]))
	}
}

// notChanged is a copy for the overlay: what the caller has given may be used for something else.
func notChanged(value []byte) []byte { return notNil(bytes.Clone(value)) }
