// Package storetest shows that an engine keeps the contract of package store. An engine's test
// is a call of Run.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Harness is one engine with its own empty data.
type Harness struct {
	// Open opens the data. After Close of what it returned it is called again where a test
	// is about opening anew.
	Open func() (store.Store, error)
	// Excused names tests that the engine need not pass, and why.
	Excused map[string]string
}

var suite = []struct {
	name string
	run  func(t *testing.T, h Harness)
}{
	{"GetPutDelete", getPutDelete},
	{"GetMany", getMany},
	{"KeysSortAsColumns", keysSortAsColumns},
	{"ScanBounds", scanBounds},
	{"TablesAreApart", tablesAreApart},
	{"LargeRecords", largeRecords},
	{"SeesOwnWrites", seesOwnWrites},
	{"ScanWhileWriting", scanWhileWriting},
	{"CallbackErrors", callbackErrors},
	{"BehavesAsModel", behavesAsModel},
	{"AbortLeavesNothing", abortLeavesNothing},
	{"PanicLeavesNothing", panicLeavesNothing},
	{"EndedContext", endedContext},
	{"CountersLoseNothing", countersLoseNothing},
	{"NoWriteSkew", noWriteSkew},
	{"ViewIsOneMoment", viewIsOneMoment},
	{"Positions", positions},
	{"LogsAreApart", logsAreApart},
	{"Scope", scope},
	{"Poll", poll},
	{"EventsKeepEverything", eventsKeepEverything},
	{"ContentIsNotInTheLog", contentIsNotInTheLog},
	{"EventsWaitForCommit", eventsWaitForCommit},
	{"EventsBeforeUpdateReturns", eventsBeforeUpdateReturns},
	{"CursorsAgree", cursorsAgree},
	{"LaggingCursor", laggingCursor},
	{"FollowFromAnywhere", followFromAnywhere},
	{"FollowBeyondTheEnd", followBeyondTheEnd},
	{"Trim", trim},
	{"Rewrite", rewrite},
	{"Traces", traces},
	{"CursorContext", cursorContext},
	{"Close", closing},
	{"PagesAreExact", pagesAreExact},
	{"PageTokens", pageTokens},
	{"FloorsMove", floorsMove},
	{"ForgedTokensStayInside", forgedTokensStayInside},
	{"Reopen", reopen},
	{"ReopenTrimmed", reopenTrimmed},
}

// Run shows that the engine keeps the contract. fresh makes a harness for each test.
func Run(t *testing.T, fresh func(t *testing.T) Harness) {
	known := map[string]bool{}
	for _, test := range suite {
		known[test.name] = true
		t.Run(test.name, func(t *testing.T) {
			h := fresh(t)
			if reason, ok := h.Excused[test.name]; ok {
				t.Skip("excused:", reason)
			}
			test.run(t, h)
		})
	}
	for name := range fresh(t).Excused {
		if !known[name] {
			t.Errorf("the engine is excused from %q, which is no test", name)
		}
	}
}

// open opens the harness's store and closes it when the test ends.
func (h Harness) open(t *testing.T) store.Store {
	t.Helper()
	s, err := h.Open()
	if err != nil {
		t.Fatal("open:", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return s
}

// app is the app instance that most tests are about.
const app = "app"

// Tables the tests write to; three is the neighbour of two.
const one, two, three store.TableID = 200, 202, 203

func update(t *testing.T, s store.Store, f func(store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), app, f); err != nil {
		t.Fatal("update:", err)
	}
}

func view(t *testing.T, s store.Store, f func(store.Reader) error) {
	t.Helper()
	if err := s.View(context.Background(), app, f); err != nil {
		t.Fatal("view:", err)
	}
}

func put(t *testing.T, s store.Store, table store.TableID, key store.Key, value string) {
	t.Helper()
	update(t, s, func(tx store.Tx) error { return tx.Put(table, key, []byte(value)) })
}

// get reads one value; "none" stands for no entry.
func get(t *testing.T, s store.Store, table store.TableID, key store.Key) (value string) {
	t.Helper()
	view(t, s, func(r store.Reader) (err error) {
		value, err = read(r, table, key)
		return err
	})
	return value
}

func read(r store.Reader, table store.TableID, key store.Key) (string, error) {
	value, err := r.Get(table, key)
	if value == nil {
		return "none", err
	}
	return string(value), err
}

// scan lists "value" of each entry of the range.
func scan(r store.Reader, table store.TableID, rng store.Range) (values []string, err error) {
	err = r.Scan(table, rng, func(_ store.Key, value []byte) (bool, error) {
		values = append(values, string(value))
		return true, nil
	})
	return values, err
}

func event(name string) chime.Event {
	return chime.Event{Time: 1, Type: chime.EventUpdateChannel, Topic: chime.Topic{App: app}, Payload: []byte(name)}
}

// appendEvents appends one event for each name in one transaction.
func appendEvents(t *testing.T, s store.Store, names ...string) {
	t.Helper()
	appendTo(t, s, app, names...)
}

// appendTo does so to the log of any app instance.
func appendTo(t *testing.T, s store.Store, app string, names ...string) {
	t.Helper()
	err := s.Update(context.Background(), app, func(tx store.Tx) error {
		for _, name := range names {
			e := event(name)
			e.App = app
			if _, err := tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal("append:", err)
	}
}

func follow(t *testing.T, s store.Store, after uint64) store.Cursor {
	t.Helper()
	return followLog(t, s, app, after)
}

func followLog(t *testing.T, s store.Store, app string, after uint64) store.Cursor {
	t.Helper()
	c, err := s.Follow(app, after)
	if err != nil {
		t.Fatalf("follow %d: %v", after, err)
	}
	t.Cleanup(c.Close)
	return c
}

// ended is a context that has ended: a cursor then gives only what is there.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// ready takes all events that the cursor has without waiting, as "position:payload".
func ready(t *testing.T, c store.Cursor) (list []string) {
	t.Helper()
	for {
		events, err := c.Next(ended())
		if errors.Is(err, context.Canceled) {
			return list
		}
		if err != nil {
			t.Fatal("next:", err)
		}
		for _, e := range events {
			list = append(list, fmt.Sprintf("%d:%s", e.Position, e.Payload))
		}
	}
}

// same compares what the model and the store hold.
func same(t failer, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}
