package pebble

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"

	"github.com/carillon-chat/carillon/internal/store"
)

// versions knows the number of the latest commit that wrote under a prefix, for prefixes that have a
// version. Prefixes share places, so a version may change without its entries.
type versions struct {
	seed   maphash.Seed
	places [versionPlaces]atomic.Uint64
	all    atomic.Uint64 // the latest commit that removed a range of more than one prefix
}

const versionPlaces = 1 << 14

// of returns the version of a prefix at a commit, zero when a later commit has written there.
func (v *versions) of(path []byte, commit uint64) uint64 {
	latest := max(v.place(path).Load(), v.all.Load())
	if latest > commit {
		return 0
	}
	return latest + 1 // a prefix that was not written to has a version as well
}

func (v *versions) place(path []byte) *atomic.Uint64 {
	return &v.places[maphash.Bytes(v.seed, path)%versionPlaces]
}

// wrote notes that a commit writes to an entry.
func (v *versions) wrote(path []byte, commit uint64) {
	columns := store.VersionColumns(store.TableID(path[0]))
	if columns == 0 {
		return
	}
	if prefix, ok := store.Key(path[1:]).First(columns); ok {
		v.place(path[:1+len(prefix)]).Store(commit)
	}
}

// removed notes that a commit removes the entries between the paths, the upper one excluded: under one prefix
// as a write there.
func (v *versions) removed(lower, upper []byte, number uint64) {
	columns := store.VersionColumns(store.TableID(lower[0]))
	if prefix, ok := store.Key(lower[1:]).First(columns); ok && columns > 0 && len(upper) > 1+len(prefix) && bytes.HasPrefix(upper, lower[:1+len(prefix)]) {
		v.place(lower[:1+len(prefix)]).Store(number)
		return
	}
	if coversTable(lower, upper, func(table byte) bool { return store.VersionColumns(store.TableID(table)) > 0 }) {
		v.all.Store(number)
	}
}

// Version implements store.Versioned for Views. A transaction sees its own writes, which have none.
func (r *reader) Version(table store.TableID, prefix store.Key) uint64 {
	columns := store.VersionColumns(table)
	if r.versions == nil || columns == 0 {
		return 0
	}
	if first, ok := prefix.First(columns); !ok || len(first) != len(prefix) {
		return 0
	}
	return r.versions.of(r.path(table, prefix), r.commits)
}
