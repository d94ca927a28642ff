package store

import (
	"fmt"
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
)

// A log is of interest while it has cursors, however many.
func TestLogsWithCursorsAreOfInterest(t *testing.T) {
	var told []string
	f := NewFeeds(func(string) (uint64, error) { return 0, nil }, func(string, uint64, int) ([]*chime.Event, error) { return nil, nil })
	f.Interest = func(app string, on bool) { told = append(told, fmt.Sprint(app, " ", on)) }
	follow := func(app string) Cursor {
		c, err := f.Follow(app, 0)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, second, other := follow("A"), follow("A"), follow("B")
	first.Close()
	first.Close()
	other.Close()
	second.Close()
	follow("A")
	if want := []string{"A true", "B true", "B false", "A false", "A true"}; !slices.Equal(told, want) {
		t.Errorf("got %q, want %q", told, want)
	}
}
