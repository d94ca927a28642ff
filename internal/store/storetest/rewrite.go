package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// rewrite replaces events in the middle of a log: every reader finds the new ones, in their places, whether it
// reads memory or the log, and no event beyond the bounds is given to change.
func rewrite(t *testing.T, h Harness) {
	s := h.open(t)
	kept := follow(t, s, 0) // so that the log's end is in memory
	appendEvents(t, s, "1", "2", "3")
	appendEvents(t, s, "4", "5")
	appendTo(t, s, "other", "1", "2", "3", "4", "5")
	var seen []string
	update(t, s, func(tx store.Tx) error {
		seen = nil
		return tx.RewriteEvents(1, 4, func(e *chime.Event) (bool, error) {
			seen = append(seen, string(e.Payload))
			if string(e.Payload) == "3" {
				return false, nil
			}
			e.Payload = []byte("new" + string(e.Payload))
			return true, nil
		})
	})
	same(t, "given to change", seen, []string{"2", "3", "4"})
	want := []string{"1:1", "2:new2", "3:3", "4:new4", "5:5"}
	same(t, "from memory", ready(t, kept), want)
	same(t, "from the log", ready(t, follow(t, s, 0)), want)
	same(t, "in another log", ready(t, followLog(t, s, "other", 0)), []string{"1:1", "2:2", "3:3", "4:4", "5:5"})

	// A transaction that fails changes nothing, and an event that it appends itself is not changed.
	failed := errors.New("failed")
	err := s.Update(t.Context(), app, func(tx store.Tx) error {
		err := tx.RewriteEvents(0, 9, func(e *chime.Event) (bool, error) { e.Payload = []byte("x"); return true, nil })
		return errors.Join(err, failed)
	})
	if !errors.Is(err, failed) {
		t.Error(err)
	}
	same(t, "after a failure", ready(t, follow(t, s, 0)), want)
	update(t, s, func(tx store.Tx) error {
		_, err := tx.Append(event("6"))
		return err
	})
	same(t, "what follows", ready(t, kept), []string{"6:6"})

	// The name of a user leaves the keys of traces as well.
	ann := chime.UserRef("ann")
	update(t, s, func(tx store.Tx) error {
		_, err := tx.Append(chime.Event{Type: "t", Topic: chime.Topic{App: app, Channel: "one"}, Join: []chime.Ref{ann}})
		return err
	})
	update(t, s, func(tx store.Tx) error {
		_, err := tx.Append(chime.Event{Type: "t", Topic: chime.Topic{App: app, Channel: "one"}, Leave: []chime.Ref{ann}})
		return err
	})
	update(t, s, func(tx store.Tx) error { return store.ForgetTraces(tx, app, ann, 7) })
	same(t, "traces that are left", userTraces(t, s, ann, 0, 9), []string{"8 moves"})
	err = s.View(t.Context(), app, func(r store.Reader) error {
		return r.Scan(store.TableTraces, store.Range{}, func(key store.Key, _ []byte) (bool, error) {
			if columns, err := key.Columns(); err != nil || strings.Contains(string(key), "ann") && !slices.Contains(columns, any(uint64(8))) {
				t.Errorf("a trace is left: %v %v", columns, err)
			}
			return true, nil
		})
	})
	if err != nil {
		t.Error(err)
	}
}
