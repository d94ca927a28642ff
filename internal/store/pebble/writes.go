package pebble

import (
	"bytes"
	"hash/maphash"

	crdb "github.com/cockroachdb/pebble/v2"
)

// writes are entries that transactions of a group set and deleted, in order. They are found by key, and
// the latest of them can be taken back.
type writes struct {
	list  []entry
	room  []byte // for keys and values
	index map[uint64]int32
}

// entry was set or deleted. Its key and value lie one after another in the room.
type entry struct {
	hash     uint64
	start    int
	key, len int   // of the key, and of key and value
	earlier  int32 // place of the write before with the same hash, or noWrite
	deletes  bool
	replaced bool // by a later write of the same key
}

const noWrite = -1

// keptWrites is the size up to which memory is used again.
const (
	keptWrites = 1 << 12
	keptRoom   = 4 << 20
)

// seed of the hashes of keys, which clients have a part in.
var seed = maphash.MakeSeed()

func (w *writes) add(key, value []byte, deletes bool) {
	if w.index == nil {
		w.index = make(map[uint64]int32)
	}
	hash := maphash.Bytes(seed, key)
	earlier, found := w.index[hash]
	if !found {
		earlier = noWrite
	}

	if same := w.latest(earlier, key); same != noWrite {
		w.list[same].replaced = true
	}
	start := len(w.room)
	w.room = append(append(w.room, key...), value...)
	w.index[hash] = int32(len(w.list))
	w.list = append(w.list, entry{hash, start, len(key), len(w.room) - start, earlier, deletes, false})
}

// latest is the place of the latest write of the key, among that at the place and those before it with
// the same hash, or noWrite.
func (w *writes) latest(at int32, key []byte) int32 {
	for at != noWrite && !bytes.Equal(w.keyOf(&w.list[at]), key) {
		at = w.list[at].earlier
	}
	return at
}

// find returns the value that was set last under the key, nil when it was deleted; known reports
// whether there is a write of it. The value is valid until the next add.
func (w *writes) find(key []byte) (value []byte, known bool) {
	if len(w.list) == 0 {
		return nil, false
	}
	at, found := w.index[maphash.Bytes(seed, key)]
	if !found {
		return nil, false
	}
	at = w.latest(at, key)
	if at == noWrite || w.list[at].deletes {
		return nil, at != noWrite
	}
	return w.valueOf(&w.list[at]), true
}

func (w *writes) keyOf(one *entry) []byte   { return w.room[one.start : one.start+one.key] }
func (w *writes) valueOf(one *entry) []byte { return w.room[one.start+one.key : one.start+one.len] }

// since returns the writes from that place on.
func (w *writes) since(start int) []entry { return w.list[start:] }

// size is how many bytes the writes from that place on have.
func (w *writes) size(start int) int {
	if start == len(w.list) {
		return 0
	}
	return len(w.room) - w.list[start].start
}

// takeBack forgets the writes from that place on.
func (w *writes) takeBack(start int) {
	for i := len(w.list) - 1; i >= start; i-- {
		one := &w.list[i]
		if one.earlier == noWrite {
			delete(w.index, one.hash)
		} else {
			w.index[one.hash] = one.earlier
		}
		if same := w.latest(one.earlier, w.keyOf(one)); same != noWrite {
			w.list[same].replaced = false
		}
		w.room = w.room[:one.start]
	}
	w.list = w.list[:start]
}

// copyTo puts the writes from that place on into a batch, but for those that were replaced.
func (w *writes) copyTo(batch *crdb.Batch, start int) error {
	for i := range w.list[start:] {
		one := &w.list[start+i]
		var err error
		switch {
		case one.replaced:
		case one.deletes:
			err = batch.Delete(w.keyOf(one), nil)
		default:
			err = batch.Set(w.keyOf(one), w.valueOf(one), nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// clear forgets all writes.
func (w *writes) clear() {
	if len(w.list) > keptWrites || cap(w.room) > keptRoom {
		*w = writes{}
		return
	}
	clear(w.index)
	w.list, w.room = w.list[:0], w.room[:0]
}
