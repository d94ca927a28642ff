package pebble

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"math/bits"
	"slices"
	"sync/atomic"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/store"
)

// absent knows that most client request tokens were never used, so that a send with a new one does not
// look for it in every table of the disk. It belongs to the leader of the groups, as the one writer.
//
// The keys of store.Replies are a number, the part, which grows with time, and a hash. What is written is in
// filters. The latest parts that there were when the store was opened are read into filters, too, while the
// store is in use already; earlier parts are read from the disk.
type absent struct {
	floor uint64 // parts before it are read
	parts map[uint64]*part
}

// part is what was written to a part, since the store was opened and before.
type part struct {
	since  filter
	before atomic.Pointer[filter] // nil until it is known
}

const (
	numberLen  = 9 // of a column with its tag
	repliesLen = 1 + 3*numberLen
	keptParts  = 4 // a token is looked for in two
)

// newAbsent finds out which parts the database has. The iterator shows what was there, for fill.
func newAbsent(db *crdb.DB) (*absent, *crdb.Iterator, error) {
	a := &absent{parts: make(map[uint64]*part)}
	it, err := db.NewIter(&crdb.IterOptions{
		LowerBound: path(store.Replies.ID, nil), UpperBound: path(store.Replies.ID+1, nil),
	})
	if err != nil {
		return nil, nil, damage(err)
	}

	// The last part, and the one before it.
	for ok := it.Last(); ok && len(a.parts) < 2; ok = it.SeekLT(partPath(a.floor)) {
		number, _, fits := takeApart(it.Key())
		if !fits { // of a former version
			a.floor, a.parts = math.MaxUint64, nil
			break
		}
		a.floor, a.parts[number] = number, &part{}
	}
	if err := it.Error(); err != nil {
		return nil, nil, damage(errors.Join(err, it.Close()))
	}
	return a, it, nil
}

// fill reads what was in the parts when the store was opened, and closes the iterator. It ends early when the
// store closes; parts that it has not read, or that have too many entries, are read from the disk as before.
func fill(it *crdb.Iterator, parts map[uint64]*part, closing <-chan struct{}) {
	defer func() { _ = it.Close() }() // what could not be read is looked for when it is needed
	for number, part := range parts {
		before := &filter{}
		for ok := it.SeekGE(partPath(number)); ok; ok = it.Next() {
			of, hash, fits := takeApart(it.Key())
			if !fits || of != number {
				break
			}
			if !before.add(hash) || isClosed(closing) {
				return
			}
		}
		if it.Error() != nil {
			return
		}
		part.before.Store(before)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// partPath is the path before all entries of a part.
func partPath(number uint64) []byte { return path(store.Replies.ID, store.Key(nil).Num(number)) }

// has reports whether there is certainly no entry under the path.
func (a *absent) has(path []byte) bool {
	number, hash, fits := takeApart(path)
	if !fits || number < a.floor {
		return false
	}
	p, written := a.parts[number]
	if !written {
		return true
	}
	before := p.before.Load()
	return before != nil && !before.has(hash) && !p.since.has(hash)
}

// add notes an entry under the path.
func (a *absent) add(path []byte) {
	number, hash, fits := takeApart(path)
	if !fits || number < a.floor {
		return
	}
	p, written := a.parts[number]
	if !written {
		p = &part{}
		p.before.Store(&filter{})
		a.parts[number] = p
	}
	if !p.since.add(hash) {
		a.drop(number)
	}
	if len(a.parts) > keptParts {
		a.drop(slices.Min(slices.Collect(maps.Keys(a.parts))))
	}
}

// drop has a part, and those before it, read.
func (a *absent) drop(upTo uint64) {
	a.floor = upTo + 1
	maps.DeleteFunc(a.parts, func(number uint64, _ *part) bool { return number < a.floor })
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
