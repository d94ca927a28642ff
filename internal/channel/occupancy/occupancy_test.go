package occupancy_test

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/channel/occupancy"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

var prefix = store.K("app", "channel")

// within runs f as a transaction with the occupancy as the store has it.
func within(t rapid.TB, s store.Store, target int, f func(store.Tx, *occupancy.Occupancy) error) {
	t.Helper()
	err := s.Update(context.Background(), "app", func(tx store.Tx) error {
		o, err := occupancy.Of(tx, prefix, target)
		if err != nil {
			return err
		}
		return f(tx, o)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOccupancy compares what is found with a list of the numbers of members, over more sub-channels
// than one node and than two levels have room for.
func TestOccupancy(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := memstore.New()
		defer s.Close()
		target := rapid.IntRange(2, 6).Draw(rt, "target")
		members := map[uint64]int{} // by number
		var last uint64
		add := func(n int) {
			within(rt, s, target, func(tx store.Tx, o *occupancy.Occupancy) error {
				for range n {
					number, err := o.Add(tx, fmt.Sprint("s", last+1))
					if err != nil || number != last+1 {
						rt.Fatalf("number %d after %d, %v", number, last, err)
					}
					last, members[number] = number, 0
				}
				return nil
			})
		}
		add(rapid.SampledFrom([]int{1, 30, 32, 33, 1023, 1024, 1060}).Draw(rt, "sub-channels"))

		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			number := uint64(rapid.IntRange(1, int(last)).Draw(rt, "number"))
			is, found := members[number]
			switch what := rapid.SampledFrom([]string{"join", "join", "fill", "leave", "remove", "add"}).Draw(rt, "what"); {
			case what == "add":
				add(1)
			case !found:
			case what == "remove":
				delete(members, number)
				within(rt, s, target, func(tx store.Tx, o *occupancy.Occupancy) error { return o.Remove(tx, number) })
			default:
				delta := map[string]int{"join": min(1, target-is), "fill": target - is, "leave": -min(1, is)}[what]
				members[number] += delta
				within(rt, s, target, func(tx store.Tx, o *occupancy.Occupancy) error { return o.Change(tx, number, delta) })
			}
			more := rapid.IntRange(0, target).Draw(rt, "more")
			within(rt, s, target, func(tx store.Tx, o *occupancy.Occupancy) error {
				compare(rt, tx, o, members, target, more, number)
				return nil
			})
		}
	})
}

func compare(t rapid.TB, r store.Reader, o *occupancy.Occupancy, members map[uint64]int, target, more int, except uint64) {
	t.Helper()
	var fullest, smallest, merger uint64
	for number := uint64(1); number <= 1200; number++ {
		n, found := members[number]
		if !found {
			continue
		}
		if got, err := o.Members(r, number); err != nil || got != n {
			t.Fatalf("%d has %d members, want %d: %v", number, got, n, err)
		}
		if n < target && (fullest == 0 || n > members[fullest]) {
			fullest = number
		}
		if smallest == 0 || n <= members[smallest] {
			smallest = number
		}
		if number != except && n+more <= target && (merger == 0 || n > members[merger]) {
			merger = number
		}
	}

	got, room, err := o.Fullest(r)
	if err != nil || got != sub(fullest) || fullest > 0 && room != target-members[fullest] {
		t.Fatalf("the fullest is %v with room for %d, want %d: %v", got, room, fullest, err)
	}
	got, fewest, err := o.Smallest(r)
	if err != nil || got != sub(smallest) || smallest > 0 && fewest != members[smallest] {
		t.Fatalf("the smallest is %v of %d, want %d: %v", got, fewest, smallest, err)
	}
	if got, err := o.FullestFor(r, more, except); err != nil || got != sub(merger) {
		t.Fatalf("with room for %d there is %v, want %d: %v", more, got, merger, err)
	}

	next := except + 1
	for _, found := members[next]; !found && next <= 1200; _, found = members[next] {
		next++
	}
	if next > 1200 {
		next = 0
	}
	if got, err := o.After(r, except); err != nil || got != sub(next) {
		t.Fatalf("after %d there is %v, want %d: %v", except, got, next, err)
	}
}

// sub is the sub-channel with a number, as the test names it.
func sub(number uint64) (s occupancy.Sub) {
	if number > 0 {
		s = occupancy.Sub{Number: number, ID: fmt.Sprint("s", number)}
	}
	return s
}

// TestMembersCostTheSame: what a member reads and writes does not follow the number of sub-channels.
func TestMembersCostTheSame(t *testing.T) {
	s := memstore.New()
	defer s.Close()
	const target = 2
	calls := func() (n int) {
		within(t, s, target, func(tx store.Tx, o *occupancy.Occupancy) error {
			counted := &counter{Tx: tx}
			sub, _, err := o.Fullest(counted)
			if err != nil {
				return err
			}
			err = o.Change(counted, sub.Number, 1)
			n = counted.calls
			return err
		})
		return n
	}
	var at []int
	for _, sub := range []int{40, 960} {
		within(t, s, target, func(tx store.Tx, o *occupancy.Occupancy) error {
			for range sub {
				if _, err := o.Add(tx, "s"); err != nil {
					return err
				}
			}
			return nil
		})
		at = append(at, calls())
	}
	if at[0] != at[1] || at[0] > 8 {
		t.Errorf("a member takes %d reads and writes of 40 sub-channels, %d of 1000", at[0], at[1])
	}
}

type counter struct {
	store.Tx
	calls int
}

func (c *counter) Get(table store.TableID, key store.Key) ([]byte, error) {
	c.calls++
	return c.Tx.Get(table, key)
}

func (c *counter) Put(table store.TableID, key store.Key, value []byte) error {
	c.calls++
	return c.Tx.Put(table, key, value)
}
