package pebble

import (
	"encoding/binary"
	"maps"
	"math"
	"math/bits"
	"slices"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/store"
)

// absent knows that most client request tokens were never used, so that a send with a new one does not
// look for it in every table of the disk. It belongs to the leader of the groups, as the one writer.
//
// The keys of store.Replies are a number, the part, which grows with time, and a hash. What was
// written to parts that begin after the store was opened is in filters; earlier parts are read.
type absent struct {
	floor uint64 // parts before it are read
	parts map[uint64]*filter
}

const (
	numberLen  = 9 // of a column with its tag
	repliesLen = 1 + 3*numberLen
	keptParts  = 4 // a token is looked for in two
)

// newAbsent finds out which parts the database has.
func newAbsent(db *crdb.DB) (*absent, error) {
	a := &absent{parts: make(map[uint64]*filter)}
	it, err := db.NewIter(&crdb.IterOptions{
		LowerBound: path(store.Replies.ID, nil), UpperBound: path(store.Replies.ID+1, nil),
	})
	if err != nil {
		return nil, damage(err)
	}
	if it.Last() {
		if a.floor = math.MaxUint64; len(it.Key()) == repliesLen {
			part, _, _ := takeApart(it.Key())
			a.floor = part + 1
		}
	}
	return a, damage(it.Close())
}

// has reports whether there is certainly no entry under the path.
func (a *absent) has(path []byte) bool {
	part, hash, fits := takeApart(path)
	if !fits || part < a.floor {
		return false
	}
	f, written := a.parts[part]
	return !written || !f.has(hash)
}

// add notes an entry under the path.
func (a *absent) add(path []byte) {
	part, hash, fits := takeApart(path)
	if !fits || part < a.floor {
		return
	}
	f, written := a.parts[part]
	if !written {
		f = &filter{}
		a.parts[part] = f
	}
	if !f.add(hash) {
		a.drop(part)
	}
	if len(a.parts) > keptParts {
		a.drop(slices.Min(slices.Collect(maps.Keys(a.parts))))
	}
}

// drop has a part, and those before it, read.
func (a *absent) drop(upTo uint64) {
	a.floor = upTo + 1
	maps.DeleteFunc(a.parts, func(part uint64, _ *filter) bool { return part < a.floor })
}

// takeApart finds the columns of a path of store.Replies.
func takeApart(path []byte) (part, hash uint64, fits bool) {
	if len(path) != repliesLen || path[0] != byte(store.Replies.ID) {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(path[2:]), binary.BigEndian.Uint64(path[2+numberLen:]), true
}

// filter is a Bloom filter of hashes that grows: each piece has twice the bits of the one before.
type filter struct {
	pieces [][]uint64
	room   int // hashes that the latest piece still takes
}

const (
	bitsEach    = 12 // for a hash: one in three hundred is taken for another
	probes      = 8
	firstFilter = 1 << 13 // words
	mostPieces  = 8       // 16 MiB, for 11 million hashes
)

// add reports false when the filter takes no more.
func (f *filter) add(hash uint64) bool {
	if f.room == 0 {
		if len(f.pieces) == mostPieces {
			return false
		}
		words := firstFilter << len(f.pieces)
		f.pieces = append(f.pieces, make([]uint64, words))
		f.room = words * 64 / bitsEach
	}
	f.room--
	piece := f.pieces[len(f.pieces)-1]
	for at := range probed(hash, len(piece)) {
		piece[at/64] |= 1 << (at % 64)
	}
	return true
}

// has reports whether the hash may have been added.
func (f *filter) has(hash uint64) bool {
	for _, piece := range f.pieces {
		all := true
		for at := range probed(hash, len(piece)) {
			if all = piece[at/64]&(1<<(at%64)) != 0; !all {
				break
			}
		}
		if all {
			return true
		}
	}
	return false
}

// probed are the bits of a hash among so many words, a power of two.
func probed(hash uint64, words int) func(yield func(uint64) bool) {
	return func(yield func(uint64) bool) {
		step := bits.RotateLeft64(hash, 32) | 1
		for range probes {
			if !yield(hash & uint64(words*64-1)) {
				return
			}
			hash += step
		}
	}
}
