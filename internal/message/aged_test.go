package message

import (
	"slices"
	"testing"
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
