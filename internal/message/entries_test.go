package message_test

import (
	"context"
	"testing"

	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// puts is a store that counts what transactions write, by table.
type puts struct {
	store.Store
	by map[store.TableID]int
}

func (p *puts) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	return p.Store.Update(ctx, app, func(tx store.Tx) error { return f(countedTx{tx, p.by}) })
}

type countedTx struct {
	store.Tx
	by map[store.TableID]int
}

func (t countedTx) Put(table store.TableID, key store.Key, value []byte) error {
	t.by[table]++
	return t.Tx.Put(table, key, value)
}

// A send writes its message, the activity of the channel and the answer to its token. With the trace of its
// event that is four entries; the event is in a record of the log that it shares with others, see pebble's
// TestEventsOfACommitShareRecords.
func TestEntriesOfASend(t *testing.T) {
	st := &puts{Store: memstore.New(), by: make(map[store.TableID]int)}
	w := servicetest.Over(t, st, "ann")
	w.AddChannel("ann", "general")
	clear(st.by)
	w.Send(w.Text("ann", "general", "Hello"))
	want := map[store.TableID]int{store.Messages.ID: 1, store.Activities.ID: 1, store.Replies.ID: 1}
	for table, n := range st.by {
		if n != want[table] {
			t.Errorf("%d entries of table %d, want %d", n, table, want[table])
		}
	}
	if len(st.by) != len(want) {
		t.Errorf("entries by table: %v", st.by)
	}
}
