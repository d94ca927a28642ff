package idempotency_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/idempotency"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

type params struct {
	Content    string
	Metadata   *string
	Attributes map[string][]string
}

var scope = idempotency.Scope{
	Operation: "SendChannelMessage", App: "app", Parent: "uid", Bearer: chime.UserRef("alice"), Token: "token",
}

// bench counts the changes that calls made.
type bench struct {
	t       *testing.T
	store   store.Store
	tokens  idempotency.Tokens
	changes int
}

// do is one call at a moment of store time, in milliseconds.
func (b *bench) do(at int64, s idempotency.Scope, p any) (string, error) {
	b.t.Helper()
	b.wait(at)
	call, err := b.tokens.Call(s, p)
	if err != nil {
		b.t.Fatal(err)
	}
	var value string
	err = b.store.Update(context.Background(), "", func(tx store.Tx) (err error) {
		value, err = call.Do(tx, nil, func() (string, error) {
			b.changes++
			return fmt.Sprint("change ", b.changes), nil
		})
		return err
	})
	return value, err
}

// wait lets the bubble's time pass until the moment.
func (b *bench) wait(at int64) {
	time.Sleep(time.Duration(at)*time.Millisecond - b.tokens.Clock.Now())
}

func (b *bench) want(value string) func(string, error) {
	return func(got string, err error) {
		b.t.Helper()
		if err != nil || got != value {
			b.t.Errorf("got %q, %v; want %q", got, err, value)
		}
	}
}

// newBench begins at store time zero; it is to be called in a bubble.
func newBench(t *testing.T, window time.Duration) *bench {
	return on(t, memstore.New(), window)
}

// on goes on with a store that has been open before.
func on(t *testing.T, s store.Store, window time.Duration) *bench {
	clock, err := store.OpenClock(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, store: s, tokens: idempotency.Tokens{Window: window, Clock: clock}}
}

func TestRepeatedCallIsAnsweredAsTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 0)
		b.want("change 1")(b.do(1000, scope, params{Content: "hello"}))
		b.want("change 1")(b.do(2000, scope, params{Content: "hello"}))
		if b.changes != 1 {
			t.Errorf("%d changes were made", b.changes)
		}
	})
}

func TestOtherParametersConflict(t *testing.T) {
	metadata := ""
	for name, other := range map[string]any{
		"text":              params{Content: "goodbye"},
		"empty, not absent": params{Content: "hello", Metadata: &metadata},
		"map":               params{Content: "hello", Attributes: map[string][]string{"a": {"1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 0)
				b.want("change 1")(b.do(1000, scope, params{Content: "hello"}))
				_, err := b.do(2000, scope, other)
				var refused *api.Error
				if !errors.As(err, &refused) || refused.Type != "ConflictException" || !strings.Contains(refused.Message, "ClientRequestToken") {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestEqualParametersHashEqually(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 0)
		for range 20 { // maps come in another order each time
			attributes := map[string][]string{}
			for i := range 10 {
				attributes[fmt.Sprint(i)] = []string{"x"}
			}
			b.want("change 1")(b.do(1000, scope, &params{Content: "hello", Attributes: attributes}))
		}
	})
}

func TestScopesKeepTokensApart(t *testing.T) {
	others := map[string]idempotency.Scope{}
	for name, change := range map[string]func(*idempotency.Scope){
		"operation": func(s *idempotency.Scope) { s.Operation = "CreateChannel" },
		"app":       func(s *idempotency.Scope) { s.App = "other" },
		"parent":    func(s *idempotency.Scope) { s.Parent = "other" },
		"bearer":    func(s *idempotency.Scope) { s.Bearer = chime.UserRef("bob") },
		"token":     func(s *idempotency.Scope) { s.Token = "other" },
		"shifted":   func(s *idempotency.Scope) { s.App, s.Parent = "appuid", "" },
	} {
		s := scope
		change(&s)
		others[name] = s
	}
	for name, other := range others {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 0)
				b.want("change 1")(b.do(1000, scope, params{Content: "hello"}))
				b.want("change 2")(b.do(1000, other, params{Content: "goodbye"}))
			})
		})
	}
}

func TestWithoutTokenEveryCallCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 0)
		s := scope
		s.Token = ""
		b.want("change 1")(b.do(1000, s, params{}))
		b.want("change 2")(b.do(1000, s, params{}))
	})
}

func TestAnswersAreRememberedForTheWindowExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = int64(60_000)
		for _, first := range []int64{600_000, 600_001, 630_000, 659_999} { // across a bucket
			b := newBench(t, time.Minute)
			b.want("change 1")(b.do(first, scope, params{}))
			b.want("change 1")(b.do(first+window-1, scope, params{}))
			b.want("change 2")(b.do(first+window, scope, params{}))
		}
	})
}

func TestFailedChangeIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 0)
		call, err := b.tokens.Call(scope, params{})
		if err != nil {
			t.Fatal(err)
		}
		full := errors.New("full")
		err = b.store.Update(context.Background(), "", func(tx store.Tx) error {
			_, err := call.Do(tx, nil, func() (string, error) { return "", full })
			return err
		})
		if !errors.Is(err, full) {
			t.Fatalf("got %v", err)
		}
		b.want("change 1")(b.do(1000, scope, params{}))
	})
}

func TestForgetRemovesWhatIsPastItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, time.Minute)
		for minute := range int64(10) {
			b.want(fmt.Sprint("change ", minute+1))(b.do(minute*60_000+30_000, scope, params{Content: fmt.Sprint(minute)}))
		}
		const now = 9*60_000 + 31_000
		b.wait(now)
		err := b.store.Update(context.Background(), "", func(tx store.Tx) error { return b.tokens.Forget(tx) })
		if err != nil {
			t.Fatal(err)
		}
		var left int
		err = b.store.View(context.Background(), "", func(r store.Reader) error {
			left = 0
			return store.Replies.Each(r, store.Range{}, func(store.Key, chime.Reply) (bool, error) {
				left++
				return true, nil
			})
		})
		if err != nil || left > 2 {
			t.Errorf("%d answers are left, %v", left, err)
		}
		b.want("change 10")(b.do(now, scope, params{Content: "9"}))
	})
}

// A node that is started again knows the tokens of before, whether or not store time was saved.
func TestAnswersOutliveARestart(t *testing.T) {
	for name, saves := range map[string]bool{"clean": true, "crash": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const window = 60_000
				b := newBench(t, time.Minute)
				b.want("change 1")(b.do(10*window+59_000, scope, params{}))
				if saves {
					err := b.store.Update(t.Context(), "", b.tokens.Clock.Save)
					if err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Hour) // closed: not store time
				b = on(t, b.store, time.Minute)
				b.changes = 1
				b.want("change 1")(b.do(b.tokens.Clock.Now().Milliseconds()+window-1, scope, params{}))
				b.want("change 2")(b.do(11*window+59_000, scope, params{}))
			})
		})
	}
}

func BenchmarkFirstCall(b *testing.B) {
	s, tokens := memstore.New(), idempotency.Tokens{}
	p := &params{Content: strings.Repeat("x", 200)}
	tx := func(f func(store.Tx) error) {
		if err := s.Update(context.Background(), "", f); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("prepare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := tokens.Call(scope, p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("recall", func(b *testing.B) {
		b.ReportAllocs()
		call, _ := tokens.Call(scope, p)
		tx(func(tx store.Tx) error {
			for b.Loop() {
				if _, _, err := call.Recall(tx, nil); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// The answer of a call within one channel, or of one holder of an id, is not that of another.
func TestTokensBelongToWhatNamesStandFor(t *testing.T) {
	tokens, st := idempotency.Tokens{}, memstore.New()
	var recent idempotency.Recent
	for i, tc := range []struct {
		uid      string
		since    uint64
		repeated bool
	}{{"uid", 1, false}, {"uid", 1, true}, {"other", 1, false}, {"other", 2, false}, {"other", 2, true}} {
		call, err := tokens.Call(scope, params{})
		if err != nil {
			t.Fatal(err)
		}
		call.Within(tc.uid, tc.since)
		changed := false
		err = st.Update(t.Context(), "", func(tx store.Tx) error {
			_, err := call.Do(tx, nil, func() (string, error) { changed = true; return "", nil })
			return err
		})
		if err != nil || changed == tc.repeated {
			t.Errorf("call %d: changed: %t, %v", i, changed, err)
		}
		if _, repeated, err := recent.Do(&call, ""); err != nil || repeated != tc.repeated {
			t.Errorf("call %d, of what is not kept: repeated: %t, %v", i, repeated, err)
		}
	}
}

// An answer that names what is gone is as if it had never been given, also to other parameters.
func TestAnswersThatNameWhatIsGone(t *testing.T) {
	tokens, st := idempotency.Tokens{}, memstore.New()
	gone := func(string) (bool, error) { return false, nil }
	there := func(string) (bool, error) { return true, nil }
	for i, tc := range []struct {
		content string
		exists  func(string) (bool, error)
		want    string
	}{{"a", there, "made by 0"}, {"a", there, "made by 0"}, {"b", gone, "made by 2"}, {"b", nil, "made by 2"}} {
		call, err := tokens.Call(scope, params{Content: tc.content})
		if err != nil {
			t.Fatal(err)
		}
		var got string
		err = st.Update(t.Context(), "", func(tx store.Tx) (err error) {
			got, err = call.Do(tx, tc.exists, func() (string, error) { return fmt.Sprint("made by ", i), nil })
			return err
		})
		if err != nil || got != tc.want {
			t.Errorf("call %d: %q, %v; want %q", i, got, err, tc.want)
		}
	}
}
