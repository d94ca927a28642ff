package message

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// No memory keeps pages of a history from which messages were removed by age.
func TestPagesOfWhatIsTooOldAreForgotten(t *testing.T) {
	st := memstore.New()
	defer st.Close()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	date := chime.At(now)
	s := New(Options{Store: st, Now: func() time.Time { return now }})
	old, young := chime.MessageIDFrom(date-chime.Millis(48*time.Hour/time.Millisecond), 1), chime.MessageIDFrom(date, 2)
	histories := map[history]string{{"c", ""}: old, {"e", "sub-1"}: old, {"e", "sub-2"}: young, {"y", ""}: young}
	err := st.Update(t.Context(), "a", func(tx store.Tx) error {
		for in, id := range histories {
			key := store.K("a", in.channel)
			if in.sub != "" {
				key = key.Str(in.sub)
			}
			if err := store.Messages.Put(tx, key.Str(id), chime.Message{ID: id}); err != nil {
				return err
			}
		}
		return store.AppInstances.Put(tx, store.K("a"), chime.AppInstance{ID: "a", Retention: &chime.Retention{Days: 1}})
	})
	if err != nil {
		t.Fatal(err)
	}
	for in := range histories {
		s.newest.put(opening{in, 50}, Versions{}, encoded{text: []byte("text")})
	}

	if err := s.RemoveAged(t.Context(), "a", date); err != nil {
		t.Fatal(err)
	}
	var left []string
	for in, id := range histories {
		_, found := s.newest.find(opening{in, 50}, Versions{})
		if found != (id == young) {
			t.Errorf("a page of %v is kept: %v", in, found)
		}
	}
	err = st.View(t.Context(), "a", func(r store.Reader) error {
		return store.Messages.Each(r, store.Range{}, func(_ store.Key, m chime.Message) (bool, error) {
			left = append(left, m.ID)
			return true, nil
		})
	})
	if want := []string{young, young}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q; %v", left, want, err)
	}
}

// slowStore is a store whose transactions take a time.
type slowStore struct {
	store.Store
	each  time.Duration
	taken time.Duration // by all together
	count int
}

func (s *slowStore) Update(ctx context.Context, app string, f func(store.Tx) error) error {
	time.Sleep(s.each)
	s.taken += s.each
	s.count++
	return s.Store.Update(ctx, app, f)
}

// TestRemovalByAgeLeavesTheStoreToOthers removes many messages of one channel, and few of many: in a tenth of the time at most.
func TestRemovalByAgeLeavesTheStoreToOthers(t *testing.T) {
	for name, shape := range map[string]struct{ channels, messages, transactions int }{
		"one channel": {1, 10 * agedAtOnce, 10}, "many channels": {20 * agedTogether, 1, 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := memstore.New()
				defer st.Close()
				date := chime.At(time.Now())
				old := date - chime.Millis(48*time.Hour/time.Millisecond)
				err := st.Update(t.Context(), "a", func(tx store.Tx) error {
					for c := range shape.channels {
						for m := range shape.messages {
							id := chime.MessageIDFrom(old, uint64(m))
							key := store.K("a", string(rune('a'+c%26))+string(rune('a'+c/26))).Str(id)
							if err := store.Messages.Put(tx, key, chime.Message{ID: id}); err != nil {
								return err
							}
						}
					}
					return store.AppInstances.Put(tx, store.K("a"), chime.AppInstance{ID: "a", Retention: &chime.Retention{Days: 1}})
				})
				if err != nil {
					t.Fatal(err)
				}

				slow := &slowStore{Store: st, each: time.Millisecond}
				s := New(Options{Store: slow, Now: time.Now})
				began := time.Now()
				if err := s.RemoveAged(t.Context(), "a", date); err != nil {
					t.Fatal(err)
				}
				// The rest behind the last is nothing to wait for.
				if all := time.Since(began) + 10*slow.each; slow.taken > all/10 || all > 12*slow.taken {
					t.Errorf("%d transactions took %v of %v", slow.count, slow.taken, all)
				}
				if slow.count > shape.transactions+1 {
					t.Errorf("%d transactions, want %d", slow.count, shape.transactions)
				}
			})
		})
	}
}
