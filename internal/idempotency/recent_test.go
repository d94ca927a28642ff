package idempotency_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/idempotency"
)

func TestRecentAnswersForTheWindowExactly(t *testing.T) {
	synctest.Test(t, recentAnswersForTheWindowExactly)
}

func recentAnswersForTheWindowExactly(t *testing.T) {
	const window = 60_000
	b := newBench(t, time.Minute)
	var recent idempotency.Recent
	do := func(at int64, token, content, value string) (string, bool, error) {
		s := scope
		s.Token = token
		b.wait(at)
		call, err := b.tokens.Call(s, params{Content: content})
		if err != nil {
			t.Fatal(err)
		}
		return recent.Do(&call, value)
	}
	want := func(at int64, token, value, answer string, repeated bool) {
		t.Helper()
		got, again, err := do(at, token, "hello", value)
		if got != answer || again != repeated || err != nil {
			t.Errorf("at %d: %q, %v, %v; want %q, %v", at, got, again, err, answer, repeated)
		}
	}
	const first = 630_000
	want(first, "t", "one", "one", false)
	want(first+1, "t", "two", "one", true)
	if _, _, err := do(first+1, "t", "goodbye", "two"); !isConflict(err) {
		t.Errorf("other parameters: %v", err)
	}
	want(first+window-1, "late", "three", "three", false)
	want(first+window-1, "t", "two", "one", true)
	want(first+window, "t", "two", "two", false)
	want(first+2*window-2, "late", "four", "three", true) // remembered across a turn of the maps
	want(first+2*window-1, "late", "four", "four", false)
	want(first+2*window, "", "five", "five", false)
	want(first+2*window, "", "six", "six", false) // without a token
}

func TestRecentKeepsTheLatestTokensWhenThereAreTooMany(t *testing.T) {
	var recent idempotency.Recent
	do := func(i int) bool {
		s := scope
		s.Token = fmt.Sprint(i)
		call, err := idempotency.Tokens{}.Call(s, params{})
		if err != nil {
			t.Fatal(err)
		}
		_, repeated, err := recent.Do(&call, "value")
		if err != nil {
			t.Fatal(err)
		}
		return repeated
	}
	const many = 100_000
	for i := range many {
		if do(i) {
			t.Fatalf("token %d was taken for a repeated one", i)
		}
	}
	if !do(many-1) || !do(many-10_000) {
		t.Error("a late token is forgotten")
	}
	if do(0) {
		t.Error("the first token is still kept after many others")
	}
}

func isConflict(err error) bool {
	var refused *api.Error
	return errors.As(err, &refused) && refused.Type == "ConflictException"
}
