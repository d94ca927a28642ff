package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/follow"
	"github.com/carillon-chat/carillon/internal/lab"
)

// nodeWith starts a node in dev mode with a follower, and returns the address of its operations port.
func nodeWith(t *testing.T, f follow.Follower) string {
	t.Helper()
	n := lab.Start(t, lab.Settings(t, config.Dev, nil), app.Deps{Followers: []follow.Follower{f}})
	return n.OpsAddr()
}

func TestDeadLettersFromTheCommandLine(t *testing.T) {
	var away atomic.Bool
	away.Store(true)
	port := nodeWith(t, follow.Follower{
		Name: "hook", MaxAttempts: 1, Wants: func(e *chime.Event) bool { return e.Channel != "" && e.Subject != "" },
		Handle: func(context.Context, string, []*chime.Event) error {
			if away.Load() {
				return errors.New("the receiver is away")
			}
			return nil
		},
	})
	ok := func(args ...string) string {
		t.Helper()
		got := run(t, t.Context(), nil, append(args, "--ops", port)...)
		if got.code != 0 {
			t.Fatalf("%q: code %d, %s", args, got.code, got.stderr)
		}
		return got.stdout
	}
	var list app.DeadLettersReport
	for len(list.DeadLetters) == 0 {
		if err := json.Unmarshal([]byte(ok("dead-letters", "list", "--json")), &list); err != nil {
			t.Fatal(err)
		}
	}
	l := list.DeadLetters[0]
	name := func(command string) []string {
		return []string{"dead-letters", command, l.Topic.App, l.Follower, strconv.FormatUint(l.Position, 10)}
	}

	if text := ok("dead-letters", "list", "--app-instance", l.Topic.App, "--follower", "hook"); !strings.Contains(text, l.Kind) || !strings.Contains(text, "the receiver is away") {
		t.Errorf("list: %s", text)
	}
	if text := ok("dead-letters", "list", "--follower", "other"); strings.Contains(text, "hook") {
		t.Errorf("list of another follower: %s", text)
	}
	if text := ok(name("show")...); !strings.Contains(text, `"Replayable": true`) {
		t.Errorf("show: %s", text)
	}
	failed := run(t, t.Context(), nil, append(name("replay"), "--ops", "http://"+port)...)
	if failed.code != 1 || !strings.Contains(failed.stderr, "the receiver is away") {
		t.Errorf("a replay in vain: %d %s", failed.code, failed.stderr)
	}
	away.Store(false)
	ok(name("replay")...)
	for _, command := range []string{"show", "replay", "discard"} {
		if gone := run(t, t.Context(), nil, append(name(command), "--ops", port)...); gone.code != 1 || !strings.Contains(gone.stderr, "not found") {
			t.Errorf("%s of what is gone: %d %s", command, gone.code, gone.stderr)
		}
	}
	if text := ok("followers"); !strings.Contains(text, "hook") || !strings.Contains(text, "delete user") {
		t.Errorf("followers: %s", text)
	}
	ok("followers", "--json")
}

func TestWrongUseOfTheOperationsPort(t *testing.T) {
	for name, test := range map[string]struct {
		environ []string
		args    []string
		code    int
		want    string
	}{
		"no such port":     {nil, []string{"followers", "--ops", "nowhere"}, 2, "host:port"},
		"nobody there":     {nil, []string{"followers", "--ops", "127.0.0.1:1"}, 1, "no node answers at http://127.0.0.1:1"},
		"switched off":     {[]string{"CARILLON_OPS_LISTEN="}, []string{"followers"}, 1, "ops-listen"},
		"too few to name":  {nil, []string{"dead-letters", "show", "a"}, 2, "three arguments"},
		"unknown command":  {nil, []string{"dead-letters", "repaly"}, 2, "did you mean replay?"},
		"of all by itself": {[]string{"CARILLON_OPS_LISTEN=127.0.0.1:1"}, []string{"dead-letters", "list"}, 1, "http://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, t.Context(), test.environ, test.args...)
			if got.code != test.code || got.stdout != "" || !strings.Contains(got.stderr, test.want) {
				t.Errorf("code %d, stdout %q, stderr %s", got.code, got.stdout, got.stderr)
			}
		})
	}
}
