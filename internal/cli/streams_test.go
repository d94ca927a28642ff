package cli_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

func TestSinksAreSetBackFromTheCommandLine(t *testing.T) {
	n := lab.Start(t, lab.Settings(t, config.Dev, map[string]string{"streams": "audit * file:" + filepath.Join(t.TempDir(), "audit")}), app.Deps{})
	instance := n.Seeded().AppInstanceARN
	instance = instance[strings.LastIndexByte(instance, '/')+1:]

	// The sink's follower has to have begun.
	for begun := false; !begun; {
		begun = run(t, t.Context(), nil, "streams", "replay", "--ops", n.OpsAddr(), "audit", "--from-position", "1", "--app-instance", instance).code == 0
	}
	for _, test := range []struct {
		code int
		says string
		args []string
	}{
		{0, instance + "  1\n", []string{"audit", "--from-position", "1", "--app-instance", instance}},
		{0, instance, []string{"audit", "--from", "2020-01-01T00:00:00Z"}},
		{1, "has not come that far", []string{"audit", "--from-position", "1000000", "--app-instance", instance}},
		{1, `no sink "lake"`, []string{"lake", "--from", "2020-01-01T00:00:00Z"}},
		{2, "--app-instance", []string{"audit", "--from-position", "1"}},
		{2, "--from or --from-position", []string{"audit"}},
		{2, "name of a sink", nil},
	} {
		got := run(t, t.Context(), nil, append([]string{"streams", "replay", "--ops", n.OpsAddr()}, test.args...)...)
		if got.code != test.code || !strings.Contains(got.stdout+got.stderr, test.says) {
			t.Errorf("%q: code %d, %s%s", test.args, got.code, got.stdout, got.stderr)
		}
	}
}
