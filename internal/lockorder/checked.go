//go:build lockcheck

package lockorder

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"sync"
)

// Mutex is a mutual exclusion lock of a rank. The zero value is unlocked.
type Mutex[R Rank] struct{ mu sync.Mutex }

// Lock locks m. It panics when the goroutine holds a lock that has to be taken after m, or one of the
// same rank.
func (m *Mutex[R]) Lock() {
	g, index := goroutine(), indexOf[R]()
	locks.check(g, index)
	m.mu.Lock()
	locks.add(m, g, index)
}

// Unlock unlocks m, which another goroutine may have locked.
func (m *Mutex[R]) Unlock() {
	locks.remove(m, indexOf[R]())
	m.mu.Unlock()
}

// indexOf is the index of a rank in the order.
func indexOf[R Rank]() int {
	var rank R
	for i, o := range order {
		if o.rank == any(rank) {
			return i
		}
	}
	panic("lockorder: a rank without a place in the order")
}

// locks are those that the goroutines of the process hold.
var locks = held{by: make(map[uint64]indexes), holders: make(map[any]uint64)}

// held is which goroutine holds which locks.
type held struct {
	mu      sync.Mutex
	by      map[uint64]indexes // by goroutine
	holders map[any]uint64     // goroutines by the *Mutex that they hold
}

// indexes are those of the locks that one goroutine holds, a bit for each.
type indexes uint32

func (h *held) check(g uint64, index int) {
	h.mu.Lock()
	later := h.by[g] >> index
	h.mu.Unlock()
	for i, o := range order[index:] {
		if later&(1<<i) != 0 {
			panic(fmt.Sprintf("lockorder: %s is locked while %s is held", order[index].name, o.name))
		}
	}
}

func (h *held) add(m any, g uint64, index int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.by[g] |= 1 << index
	h.holders[m] = g
}

func (h *held) remove(m any, index int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.holders[m]
	delete(h.holders, m)
	if h.by[g] &^= 1 << index; h.by[g] == 0 {
		delete(h.by, g)
	}
}

var traces = sync.Pool{New: func() any { return new([64]byte) }}

// goroutine is the number of the calling goroutine. The runtime has it in stack traces alone.
func goroutine() uint64 {
	trace := traces.Get().(*[64]byte)
	defer traces.Put(trace)
	text := bytes.TrimPrefix(trace[:runtime.Stack(trace[:], false)], []byte("goroutine "))
	number, _, _ := bytes.Cut(text, []byte(" "))
	g, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		panic("lockorder: a stack trace does not begin with the number of its goroutine")
	}
	return g
}
