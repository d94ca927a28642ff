package move_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/store/move"
	"github.com/carillon-chat/carillon/internal/store/pebble"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
	"github.com/carillon-chat/carillon/internal/store/postgres"
)

// Where logs of the test end: one is whole, one has lost its first events, one has none left.
var ends = map[string]uint64{"": 3, "whole": 600, "trimmed": 90, "gone": 70}

// fill gives a store rows in every table, of app instances and of the account, and logs.
func fill(t *testing.T, st store.Store) {
	t.Helper()
	for app, end := range ends {
		update(t, st, app, func(tx store.Tx) error {
			for _, title := range store.Titles() {
				rows := 2
				if title.ID == store.Messages.ID && app == "whole" {
					rows = 2500
				}
				if title.ID == store.TableLogs || title.ID == store.TableTraces || app != "" && !title.ID.OfAppInstances() {
					continue
				}
				for n := range rows {
					if err := tx.Put(title.ID, store.K(app, "a\x00b").Num(uint64(n)), fmt.Appendf(nil, "%d of %s", n, title.Name)); err != nil {
						return err
					}
				}
			}
			for n := range end {
				e := chime.Event{Topic: chime.Topic{App: app, Channel: "c"}, Type: "CREATE_CHANNEL_MESSAGE", MessageType: "STANDARD", Time: chime.Millis(n), Payload: []byte(`{"n":1}`)}
				if _, err := tx.Append(e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for app, upTo := range map[string]uint64{"trimmed": 70, "gone": 70} {
		update(t, st, app, func(tx store.Tx) error { return tx.TrimEvents(upTo) })
	}
}

func update(t *testing.T, st store.Store, app string, f func(store.Tx) error) {
	t.Helper()
	if err := st.Update(t.Context(), app, f); err != nil {
		t.Fatal(err)
	}
}

// engines open empty stores.
func engines(t *testing.T) map[string]func() store.Store {
	server := pgtest.Begin(t)
	closed := func(st store.Store, err error) store.Store {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		return st
	}
	return map[string]func() store.Store{
		"memory": func() store.Store { return closed(memstore.New(), nil) },
		"pebble": func() store.Store { return closed(pebble.Open(t.TempDir(), pebble.Options{})) },
		"postgres": func() store.Store {
			url, err := server.Database(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return closed(postgres.Open(t.Context(), url, postgres.Options{}))
		},
	}
}

// TestEveryEngineToEveryOther: a store moves from engine to engine, cut off again and again, and each goes on where the
// logs ended.
func TestEveryEngineToEveryOther(t *testing.T) {
	open := engines(t)
	from := open["memory"]()
	fill(t, from)
	for _, name := range []string{"pebble", "postgres", "postgres", "memory", "postgres", "pebble", "pebble", "memory"} {
		to := open[name]()
		cuts := 0
		var report move.Report
		for at := 1; ; at += 5 { // of the pieces
			ctx, cut := context.WithCancel(t.Context())
			pieces := 0
			var err error
			report, err = move.Run(ctx, move.Options{From: from, To: to, Shared: true, Progress: func(stage move.Stage, done, total uint64) {
				if pieces++; pieces >= at || stage == move.Checking && cuts < 10 {
					cut()
				}
				if done > total && total > 0 {
					t.Errorf("%s %d of %d", stage, done, total)
				}
			}})
			cut()
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("to %s: %v", name, err)
			}
			if cuts++; pieces > 20 && !errors.Is(move.Unfinished(t.Context(), to), move.ErrUnfinished) {
				t.Errorf("to %s: a part is taken for the whole", name)
			}
		}
		if cuts < 10 || report.Events != 623 || report.AppInstances != 4 {
			t.Errorf("to %s: %+v after %d cuts", name, report, cuts)
		}
		if err := move.Unfinished(t.Context(), to); err != nil {
			t.Errorf("to %s: %v", name, err)
		}
		compare(t, name, from, to)
		if _, err := move.Run(t.Context(), move.Options{From: from, To: to}); !errors.Is(err, move.ErrNotEmpty) {
			t.Errorf("once more to %s: %v", name, err)
		}
		from = to
	}

	// It is a store as any other.
	for app, end := range ends {
		cursor, err := from.Follow(app, end)
		if err != nil {
			t.Fatal(app, err)
		}
		defer cursor.Close()
		update(t, from, app, func(tx store.Tx) error {
			if at, err := tx.Append(chime.Event{Topic: chime.Topic{App: app}, Type: "X"}); at != end+1 || err != nil {
				t.Errorf("log of %q goes on at %d, %v, not behind %d", app, at, err, end)
			}
			return nil
		})
		if list, err := cursor.Next(t.Context()); err != nil || list[0].Position != end+1 {
			t.Errorf("a cursor of %q has %v, %v", app, list, err)
		}
	}
}

// compare looks at what readers see.
func compare(t *testing.T, name string, from, to store.Store) {
	t.Helper()
	for app, end := range ends {
		var seen [2]string
		for i, st := range []store.Store{from, to} {
			err := st.View(t.Context(), app, func(r store.Reader) error {
				position, err := r.Position()
				if err != nil || position != end {
					t.Errorf("%s: the log of %q ends at %d, %v", name, app, position, err)
				}
				start, err := store.LogStart(r, app)
				if err != nil {
					return err
				}
				list, err := store.ReadEvents(r, app, start, 1000)
				for _, e := range list {
					seen[i] += fmt.Sprintln(*e)
				}
				return errors.Join(err, store.ChannelTraces(r, chime.Topic{App: app, Channel: "c"}, start, end, func(trace store.Trace) (bool, error) {
					seen[i] += fmt.Sprintln(trace)
					return true, nil
				}))
			})
			if err != nil {
				t.Fatal(name, err)
			}
		}
		if seen[0] != seen[1] {
			t.Errorf("%s: the log of %q is another", name, app)
		}
	}
}

// TestWhatIsRefused: a target with data of its own, one begun from what the source is no longer, and one in which a byte is
// not what it was.
func TestWhatIsRefused(t *testing.T) {
	from := memstore.New()
	fill(t, from)
	begun := func() store.Store {
		to := memstore.New()
		ctx, cut := context.WithCancel(t.Context())
		defer cut()
		_, err := move.Run(ctx, move.Options{From: from, To: to, Progress: func(stage move.Stage, _, _ uint64) {
			if stage == move.Checking {
				cut()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		return to
	}

	for _, title := range store.Titles() {
		full := memstore.New()
		update(t, full, "", func(tx store.Tx) error { return tx.Put(title.ID, store.K(""), []byte("x")) })
		if _, err := move.Run(t.Context(), move.Options{From: from, To: full}); !errors.Is(err, move.ErrNotEmpty) {
			t.Errorf("with %s: %v", title.Name, err)
		}
	}

	damaged := begun()
	update(t, damaged, "whole", func(tx store.Tx) error {
		return tx.Put(store.Users.ID, store.K("whole", "a\x00b").Num(1), []byte("1 of userz"))
	})
	if _, err := move.Run(t.Context(), move.Options{From: from, To: damaged}); !errors.Is(err, move.ErrDiffers) {
		t.Errorf("a changed byte: %v", err)
	}
	longer := begun()
	update(t, longer, "whole", func(tx store.Tx) error {
		_, err := tx.Append(chime.Event{Topic: chime.Topic{App: "whole"}})
		return err
	})
	if _, err := move.Run(t.Context(), move.Options{From: from, To: longer}); !errors.Is(err, move.ErrDiffers) {
		t.Errorf("an event more: %v", err)
	}

	to := begun()
	update(t, from, "whole", func(tx store.Tx) error { return tx.Delete(store.Users.ID, store.K("whole", "a\x00b").Num(1)) })
	if _, err := move.Run(t.Context(), move.Options{From: from, To: to}); !errors.Is(err, move.ErrOtherSource) {
		t.Errorf("from another source: %v", err)
	}
}

// TestEveryTableIsMoved: each table of the schema is among the titles.
func TestEveryTableIsMoved(t *testing.T) {
	titles := map[string]bool{}
	for _, title := range store.Titles() {
		titles[fmt.Sprint(title.ID)] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "../schema.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	tables := 0
	ast.Inspect(file, func(node ast.Node) bool {
		pair, ok := node.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		if name, ok := pair.Key.(*ast.Ident); ok && name.Name == "ID" {
			if number, ok := pair.Value.(*ast.BasicLit); ok {
				tables++
				if !titles[number.Value] && number.Value != fmt.Sprint(store.Moves.ID) {
					t.Errorf("table %s is not moved", number.Value)
				}
			}
		}
		return true
	})
	if tables < 50 {
		t.Errorf("%d tables were found", tables)
	}
}
