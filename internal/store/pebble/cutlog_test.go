package pebble

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	crdb "github.com/cockroachdb/pebble/v2"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// crashInCut leaves a folder of format 2 as a crash does in the middle of cutLog: the first of the
// events and traces have their new keys.
func crashInCut(t *testing.T, dir string) {
	t.Helper()
	db, err := crdb.Open(dir, tuned(Options{}.withDefaults().fit(dir), newDisk(Options{}.withDefaults().fs, dir, -1, newHealth(Options{}.withDefaults().Logger))))
	if err != nil {
		t.Fatal(err)
	}
	c, err := beginCut(db)
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("the power is gone")
	for _, table := range []store.TableID{store.TableEvents, store.TableTraces} {
		left := 3
		err := c.each(table, numbered(), func(key store.Key, value []byte) (bool, error) {
			if left--; left < 0 {
				return false, boom
			}
			columns, err := key.Columns()
			if err != nil {
				return false, err
			}
			to := store.Key(nil)
			if table == store.TableTraces {
				to = traceKeyOf(columns)
			} else {
				var e chime.Event
				if err := store.DecodeRecord(value, &e); err != nil {
					return false, err
				}
				to = store.K(e.App).Num(columns[0].(uint64))
				err = c.note(e.App)
			}
			return true, errors.Join(err, c.move(table, key, to, value))
		})
		if err != boom {
			t.Fatal(err)
		}
	}
	if err := errors.Join(c.batch.Commit(crdb.Sync), c.batch.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestCutsTheLog opens a folder that a version wrote which had one log for all: each app instance has
// the events that were its own, with their positions, and goes on behind the last of all.
func TestCutsTheLog(t *testing.T) {
	const app = "52fdfc07-2182-454f-963f-5f0f9a621d72"
	for name, crash := range map[string]bool{"in one go": false, "after a crash": true} {
		t.Run(name, func(t *testing.T) {
			dir := unpack(t, "format2/folder.tar.gz")
			if crash {
				crashInCut(t, dir)
			}
			for round := range uint64(2) { // the second finds the present format
				s, err := Open(dir, Options{})
				if err != nil {
					t.Fatal(err)
				}
				for app, want := range map[string][]string{
					"":      {"8 UPDATE_ACCOUNT"},
					app:     {"5 CREATE_CHANNEL_MODERATOR", "6 CREATE_CHANNEL_MEMBERSHIP", "7 CREATE_CHANNEL_MEMBERSHIP", "11 CREATE_CHANNEL_MESSAGE", "13 CREATE_CHANNEL_MESSAGE"},
					"gone":  {"10 CREATE_APP_INSTANCE"},
					"other": {"9 CREATE_APP_INSTANCE", "12 UPDATE_APP_INSTANCE", "14 UPDATE_APP_INSTANCE"},
					"quiet": nil, // all that happened in it was trimmed
				} {
					for n := range round {
						want = append(want, fmt.Sprint(15+n, " t"))
					}
					checkCut(t, s, app, want, 14+round)
				}
				checkCut(t, s, "new", nil, 0) // made afterwards
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// checkCut looks at a log that was trimmed up to position 4, and appends an event unless the log is
// new.
func checkCut(t *testing.T, s *Store, app string, want []string, end uint64) {
	t.Helper()
	const trimmed = 4
	ctx := context.Background()
	var got []string
	err := s.View(ctx, app, func(r store.Reader) error {
		if position, err := r.Position(); position != end || err != nil {
			t.Errorf("%q ends at %d, %v", app, position, err)
		}
		if end > 0 {
			if _, err := store.ReadEvents(r, app, trimmed-1, 1); !errors.Is(err, store.ErrTrimmed) {
				t.Errorf("%q before the trim: %v", app, err)
			}
		}
		events, err := store.ReadEvents(r, app, trimmed, 1000)
		for _, e := range events {
			got = append(got, fmt.Sprint(e.Position, " ", e.Type))
		}
		if end > 0 && len(events) > 1 {
			e, err := store.ReadEvent(r, app, events[1].Position)
			if err != nil || e.Type != events[1].Type {
				t.Errorf("%q at %d: %v", app, events[1].Position, err)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "events of "+app, got, want)
	if app == "other" {
		var traced []uint64
		err := s.View(ctx, app, func(r store.Reader) error {
			return store.UserTraces(r, app, "user/cy", trimmed, end, func(trace store.Trace) (bool, error) {
				traced = append(traced, trace.Position)
				return true, nil
			})
		})
		if err != nil || !slices.Equal(traced, []uint64{12, 14}) {
			t.Errorf("traces at %d, %v", traced, err)
		}
	}
	if end == 0 {
		return
	}

	// A reader that stopped at a position of the one log goes on there, and gets what comes next.
	cursor, err := s.Follow(app, trimmed)
	if err != nil {
		t.Fatal(err)
	}
	defer cursor.Close()
	err = s.Update(ctx, app, func(tx store.Tx) error {
		position, err := tx.Append(chime.Event{Type: "t", Topic: chime.Topic{App: app}})
		if position != end+1 {
			t.Errorf("%q goes on at %d", app, position)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n <= len(want); {
		events, err := cursor.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if n < len(want) && fmt.Sprint(e.Position, " ", e.Type) != want[n] || n == len(want) && e.Position != end+1 {
				t.Errorf("%q: event %d is %d %s", app, n, e.Position, e.Type)
			}
			n++
		}
	}
}
