package postgres

import (
	"fmt"
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// TestAnnouncedElsewhere: what a node announces is at the cursors of another at once, and what it does not announce is found.
func TestAnnouncedElsewhere(t *testing.T) {
	url := database(t, shared(t, pgtest.Latest(t)))
	var b *Store
	var interest []string
	away := false
	a := open(t, url, Options{Announce: func(log string, events []chime.Event) {
		if !away {
			b.Announced(log, events)
		}
	}})
	b = open(t, url, Options{Interest: func(log string, on bool) { interest = append(interest, fmt.Sprint(log, " ", on)) }})

	c, err := b.Follow(app, 0)
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(1); n <= 20; n++ {
		away = n > 5 && n <= 10
		if _, err := add(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if end := b.feeds.Ends()[app]; !away && end != n {
			t.Errorf("event %d is committed and the other node has %d", n, end)
		}
	}
	expect(t, c, 0, 20)

	away = true // the last of all is lost
	if _, err := add(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	b.Behind(app)
	expect(t, c, 20, 21)
	c.Close()
	if want := []string{app + " true", app + " false"}; !slices.Equal(interest, want) {
		t.Errorf("interest is %q, want %q", interest, want)
	}
}
