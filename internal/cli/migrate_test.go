package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pebble"
)

// TestMigrate moves a folder, tells how far it is and what else there is to carry over, and leaves the source as it was.
func TestMigrate(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "new")
	if err := os.WriteFile(filepath.Join(from, "CARILLON"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := pebble.Open(filepath.Join(from, "store"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = st.Update(t.Context(), "a", func(tx store.Tx) error {
		for _, id := range []string{"x", "y"} {
			if _, err := tx.Append(chime.Event{Topic: chime.Topic{App: "a"}}); err != nil {
				return err
			}
			if err := store.Users.Put(tx, store.K("a", id), chime.User{ID: id}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	locked := run(t, t.Context(), nil, "migrate", "--from", from, "--to", to)
	if locked.code != 1 || !strings.Contains(locked.stderr, "in use by another process") {
		t.Errorf("while it is open: %+v", locked)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}

	got := run(t, t.Context(), nil, "migrate", "--from", from, "--to", to)
	if got.code != 0 || !strings.HasPrefix(got.stdout, "moved and compared: 3 rows and 2 events of the account and 1 app instances\n") || !strings.Contains(got.stdout, "root-secret-access-key") {
		t.Errorf("%+v", got)
	}
	for _, line := range []string{"reading: 5 of an unknown number\n", "copying: 0 of 5\n", "copying: 5 of 5\n", "checking: 5 of 5\n"} {
		if !strings.Contains(got.stderr, line) {
			t.Errorf("no line %q in %s", line, got.stderr)
		}
	}
	if again := run(t, t.Context(), nil, "migrate", "--from", from, "--to", to); again.code != 1 || !strings.Contains(again.stderr, "not empty") {
		t.Errorf("once more: %+v", again)
	}
}

// TestMigrateKeepsPasswords: a URL with a password is not taken from the command line, and never printed.
func TestMigrateKeepsPasswords(t *testing.T) {
	const password = "hunter2hunter2"
	url := "postgres://carillon:" + password + "@127.0.0.1:1/carillon"
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte(url+"&%zz\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		from, to string
		code     int
		says     string
	}{
		"in the URL":            {t.TempDir(), url, 2, "--to: the URL has a password"},
		"as a parameter":        {t.TempDir(), "postgres://h/d?password=" + password, 2, "--to: the URL has a password"},
		"in a malformed URL":    {t.TempDir(), url + "\x7f", 2, "--to: the URL is malformed"},
		"of a database away":    {"env:URL", t.TempDir(), 1, "source"},
		"in a malformed file":   {"file:" + file, t.TempDir(), 1, "source"},
		"of no database":        {"env:OTHER", t.TempDir(), 2, "env does not have a postgres:// URL"},
		"without a variable":    {"env:NONE", t.TempDir(), 2, "the environment has no NONE"},
		"without a file":        {"file:" + file + "x", t.TempDir(), 1, "--from"},
		"without a source":      {"", t.TempDir(), 2, "--from must be set"},
		"a folder with nothing": {t.TempDir(), t.TempDir(), 1, "the data folder has no store"},
	} {
		got := run(t, t.Context(), []string{"URL=" + url, "OTHER=mysql://" + password}, "migrate", "--from", tc.from, "--to", tc.to)
		if got.code != tc.code || !strings.Contains(got.stderr, tc.says) || strings.Contains(got.stdout+got.stderr, password) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
