package archtest

import (
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// The rules must notice what they are there for, and nothing else.
func TestImportsAreJudged(t *testing.T) {
	for _, test := range []struct {
		from, to string
		allowed  bool
	}{
		{"internal/chime", "internal/api/messaging", true},
		{"internal/api", "internal/chime", true},
		{"internal/chime", "internal/store", false},
		{"internal/policy", "os", false},
		{"internal/config", "os", true},
		{"internal/store", "internal/store/pebble", false},
		{"internal/store/pebble", "internal/store", true},
		{"internal/store/pebble", "internal/store/memstore", false},
		{"internal/store/pebble", "internal/channel", false},
		{"internal/store/memstore", "internal/store/storetest", false},
		{"internal/follow", "internal/store", true},
		{"internal/follow", "internal/channel", false},
		{"internal/follow/jobs", "internal/follow", true},
		{"internal/channel", "internal/follow/jobs", true},
		{"internal/store", "internal/follow", false},
		{"internal/message", "internal/channel", true},
		{"internal/channel", "internal/message", false},
		{"internal/identity", "internal/channel", false},
		{"internal/realtime", "internal/access", false},
		{"internal/message", "internal/store/memstore", false},
		{"internal/message", "internal/awshttp", false},
		{"internal/awshttp", "internal/access", true},
		{"internal/awshttp", "internal/wsconn", false},
		{"internal/awshttp", "internal/store/pebble", false},
		{"internal/wsconn", "internal/app/bothtls", false},
		{"internal/app", "internal/store/pebble", true},
		{"internal/app", "internal/app/localca", true},
		{"internal/message", "internal/servicetest", false},
		{"internal/store/unheard", "internal/store", false},
		{"internal/app", "internal/cli", false},
		{"internal/cli", "internal/app", true},
		{"internal/cli", "internal/store/pebble", false},
		{"cmd/carillon", "internal/cli", true},
		{"cmd/carillon", "internal/app", false},
		{"bench", "internal/store/pebble", true},
		{"conformance", "internal/store/pebble", false},
		{"internal/app", "bench", false},
		{"internal/lab", "internal/app", true},
		{"internal/lab", "internal/store/pebble", false},
		{"endurance", "internal/lab", true},
		{"bench", "internal/lab", true},
		{"internal/app", "internal/lab", false},
		{"internal/cli", "internal/lab", false},
		{"client", "internal/chime", false},
		{"client", "internal/api", false},
		{"client", "internal/sigv4", false},
		{"internal/cli", "client", true},
		{"internal/app", "client", false},
		{"internal/realtime", "client", false},
		{"client/session", "client", true},
		{"internal/unheard", "internal/api", false},
		{"internal/message", "github.com/cockroachdb/pebble/v2", false},
		{"internal/store/pebble", "github.com/cockroachdb/pebble/v2/vfs", true},
		{"internal/awshttp", "github.com/aws/aws-sdk-go/aws", false},
	} {
		imported := test.to
		if strings.HasPrefix(imported, "internal/") || imported == "client" || imported == "bench" {
			imported = module + imported
		}
		faults := imports(pkg{ImportPath: module + test.from, Imports: []string{imported}})
		if allowed := len(faults) == 0; allowed != test.allowed {
			t.Errorf("%s -> %s: allowed %v: %v", test.from, test.to, allowed, faults)
		}
	}
}

func TestUsesAreJudged(t *testing.T) {
	for _, test := range []struct {
		source string
		faults int
	}{
		{`import "time"; var _ = time.Now`, 0},
		{`import "time"; func f() { time.Sleep(1) }`, 1},
		{`import clock "time"; func f() { clock.Sleep(1) }`, 1},
		{`import "log"; func f() { log.Fatal() }`, 1},
		{`import "os"; func f() { os.Exit(1) }`, 1},
		{`import "os"; func f() { os.Getpid() }`, 0},
		{`import "os"; func f() { os.Getenv("HOME") }`, 1},
		{`import "log/slog"; func f(log *slog.Logger) { log.Info("x") }`, 0},
		{`import "log/slog"; func f() { slog.Info("x") }`, 1},
		{`import "math/rand/v2"; var _ = rand.Int`, 0},
		{`import "math/rand"; var _ = rand.Int`, 1},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x; "+test.source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := uses("internal/x", file); len(got) != test.faults {
			t.Errorf("%s: %v", test.source, got)
		}
	}
}

func TestPackagesAreJudged(t *testing.T) {
	for _, test := range []struct {
		p      pkg
		faults int
	}{
		{pkg{Name: "store", Doc: "Package store", GoFiles: []string{"store.go"}}, 0},
		{pkg{Name: "store", GoFiles: []string{"store.go"}}, 1},
		{pkg{Name: "utils", Doc: "Package utils", GoFiles: []string{"x.go"}}, 1},
		{pkg{Name: "store", Doc: "Package store", GoFiles: []string{"interfaces.go"}}, 1},
		{pkg{Name: "e2e_test"}, 0},
	} {
		if got := shape(test.p); len(got) != test.faults {
			t.Errorf("%+v: %v", test.p, got)
		}
	}
}
