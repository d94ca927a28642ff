package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// TestDataOfAPersonFromTheCommandLine exports a user, goes on with an export that was interrupted, and erases the
// user.
func TestDataOfAPersonFromTheCommandLine(t *testing.T) {
	n := lab.Start(t, lab.Settings(t, config.Dev, nil), app.Deps{})
	call := func(args ...string) result {
		t.Helper()
		return run(t, t.Context(), nil, append(args, "--endpoint", "http://"+n.Addr())...)
	}
	ok := func(args ...string) result {
		t.Helper()
		got := call(args...)
		if got.code != 0 {
			t.Fatalf("%q: code %d, %s", args, got.code, got.stderr)
		}
		return got
	}
	ok("send", "--user", "alice", "--channel", "general", "a text of alice")

	// The whole is the same however it comes.
	printed := ok("export-user", "--user", "alice").stdout
	if !strings.Contains(printed, "a text of alice") || !strings.Contains(printed, `{"Kind":"AppInstanceUser",`) {
		t.Errorf("printed: %s", printed)
	}
	file := filepath.Join(t.TempDir(), "alice.jsonl")
	alice := n.Seeded().UserARNs[0]
	for name, text := range map[string]string{file: "a line that was not noted", file + ".part": fmt.Sprintf(`{"User":%q}`, alice)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := call("export-user", "--user", "bob", "--output", file); got.code != 1 || !strings.Contains(got.stderr, "not of an export of") {
		t.Errorf("another user's file: %+v", got)
	}
	if got := ok("export-user", "--user", "alice", "--output", file); !strings.Contains(got.stderr, "1 of 1 channels") || got.stdout != "" {
		t.Errorf("progress: %+v", got)
	}
	written, err := os.ReadFile(file)
	if err != nil || string(written) != printed {
		t.Errorf("written: %s, %v", written, err)
	}
	for line := range strings.Lines(string(written)) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	if left, _ := filepath.Glob(file + ".part*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if got := call("export-user", "--user", "alice", "--output", file); got.code != 1 {
		t.Error("a file was overwritten")
	}

	// An erasure says what it does.
	for _, args := range [][]string{{"--messages", "redact"}, {"--messages", "hide", "--yes"}} {
		if got := call(append([]string{"erase-user", "--user", "alice"}, args...)...); got.code != 2 {
			t.Errorf("%q: %+v", args, got)
		}
	}
	got := ok("erase-user", "--user", "alice", "--messages", "redact", "--yes")
	id := strings.TrimSpace(got.stdout)
	if !strings.HasSuffix(got.stderr, "events\n") || !strings.Contains(got.stderr, "COMPLETED: 1 messages") {
		t.Errorf("progress: %s", got.stderr)
	}
	if list := ok("erasures").stdout; !strings.Contains(list, id+"  COMPLETED") || strings.Contains(list, "alice") {
		t.Errorf("list: %s", list)
	}
	if got := call("export-user", "--user", "alice"); got.code != 1 || !strings.Contains(got.stderr, "NotFound") {
		t.Errorf("after the erasure: %+v", got)
	}
}
