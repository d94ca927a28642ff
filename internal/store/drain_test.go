package store_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

func TestDrain(t *testing.T) {
	for name, tc := range map[string]struct {
		most  int
		stop  string // the record after which there is enough to do
		steps []string
	}{
		"in one":     {5, "", []string{"[a b c d]"}},
		"all":        {4, "", []string{"[a b c d]"}},
		"in pieces":  {3, "", []string{"[a b c]", "[d]"}},
		"enough":     {3, "b", []string{"[a b]", "[c d]"}},
		"enough now": {4, "d", []string{"[a b c d]"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			defer s.Close()
			err := update(t, s, func(tx store.Tx) error {
				for i, id := range []string{"a", "b", "c", "d"} {
					if err := store.UsersInOrder.Put(tx, store.K("a").Num(uint64(i)), id); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}

			var steps []string
			for rng := store.Prefix(store.K("a")); rng.From != nil; {
				var ids []string
				err := update(t, s, func(tx store.Tx) (err error) {
					rng.From, err = store.UsersInOrder.Drain(tx, rng, tc.most, func(id string) (bool, error) {
						ids = append(ids, id)
						return id != tc.stop, nil
					})
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				steps = append(steps, fmt.Sprint(ids))
			}
			if !slices.Equal(steps, tc.steps) {
				t.Errorf("drained %q, want %q", steps, tc.steps)
			}
			err = s.View(t.Context(), "a", func(r store.Reader) error {
				return store.UsersInOrder.Each(r, store.Range{}, func(key store.Key, id string) (bool, error) {
					t.Errorf("%s is left", id)
					return true, nil
				})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
