package servicetest

import (
	"context"
	"sync"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Meter counts the steps of the transactions of a store: the entries that each reads and writes. A
// transaction holds up all others of its node, so a test of how long it takes asks for its steps, which
// no other load on the machine makes more. A step of the engine is one or two microseconds.
type Meter struct {
	store.Store

	mu   sync.Mutex
	most int
}

// rangeSteps is what a range counts that is removed: the engine looks at so many entries of it at most.
const rangeSteps = 129

// namesInAStep is how many names of an event take as long as an entry.
const namesInAStep = 10

// Most returns the steps of the transaction that had the most, since the last call.
func (m *Meter) Most() (steps int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	steps, m.most = m.most, 0
	return steps
}

// Update implements store.Store.
func (m *Meter) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	return m.Store.Update(ctx, app, func(tx store.Tx) error {
		metered := &meteredTx{Tx: tx}
		err := f(metered)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.most = max(m.most, metered.steps)
		return err
	})
}

type meteredTx struct {
	store.Tx
	steps int
}

func (t *meteredTx) Get(table store.TableID, key store.Key) ([]byte, error) {
	t.steps++
	return t.Tx.Get(table, key)
}

func (t *meteredTx) GetMany(lookups []store.Lookup) error {
	t.steps += len(lookups)
	return t.Tx.GetMany(lookups)
}

func (t *meteredTx) Scan(table store.TableID, rng store.Range, f func(store.Key, []byte) (bool, error)) error {
	t.steps++
	return t.Tx.Scan(table, rng, func(key store.Key, value []byte) (bool, error) {
		t.steps++
		return f(key, value)
	})
}

func (t *meteredTx) Put(table store.TableID, key store.Key, value []byte) error {
	t.steps++
	return t.Tx.Put(table, key, value)
}

func (t *meteredTx) Delete(table store.TableID, key store.Key) error {
	t.steps++
	return t.Tx.Delete(table, key)
}

func (t *meteredTx) DeleteRange(table store.TableID, rng store.Range) error {
	t.steps += rangeSteps
	return t.Tx.DeleteRange(table, rng)
}

func (t *meteredTx) Append(event chime.Event) (uint64, error) {
	t.steps += 2 + len(event.Also) + len(event.Join) + len(event.Leave) // with its traces
	if named := len(event.Only); named <= 100 {
		t.steps += named
	} else { // in the event alone, see store.PutEvent
		t.steps += named / namesInAStep
	}
	return t.Tx.Append(event)
}

func (t *meteredTx) TrimEvents(upTo uint64) error {
	t.steps += 2 * rangeSteps
	return t.Tx.TrimEvents(upTo)
}
