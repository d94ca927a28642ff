package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/cli"
)

var update = flag.Bool("update", false, "write what the commands print to testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type result struct {
	code           int
	stdout, stderr string
}

// run runs a command to its end.
func run(t *testing.T, ctx context.Context, environ []string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Run(ctx, cli.Program{Args: args, Environ: environ, Stdout: &stdout, Stderr: &stderr, Version: "v1.2.3"})
	return result{code, stdout.String(), stderr.String()}
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (go test -update writes it):\n%s", path, diff)
	}
}

const ownSecret = "a-secret-of-the-test"

var ownKeys = []string{"CARILLON_ROOT_ACCESS_KEY_ID=AKIAOWN0000000000001", "CARILLON_ROOT_SECRET_ACCESS_KEY=" + ownSecret}

func TestWhatCommandsPrint(t *testing.T) {
	for name, test := range map[string]struct {
		environ []string
		args    []string
	}{
		"help.golden":         {args: nil},
		"help-serve.golden":   {args: []string{"serve", "--help"}},
		"version.golden":      {args: []string{"version"}},
		"config-docs.golden":  {args: []string{"config", "docs"}},
		"config-show.golden":  {environ: ownKeys, args: []string{"config", "show", "--region", "eu-central-1"}},
		"config-check.golden": {environ: ownKeys, args: []string{"config", "check", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := run(t, t.Context(), test.environ, test.args...)
			if got.code != 0 || got.stderr != "" {
				t.Errorf("code %d, stderr %s", got.code, got.stderr)
			}
			golden(t, name, got.stdout)
		})
	}
}

func TestWrongUse(t *testing.T) {
	for _, test := range []struct {
		name    string
		environ []string
		args    []string
		code    int
		want    []string
	}{
		{"unknown command", nil, []string{"sned"}, 2, []string{`unknown command "sned"; did you mean send?`}},
		{"unlike any command", nil, []string{"frobnicate"}, 2, []string{"unknown command \"frobnicate\"\n"}},
		{"unknown command of a group", nil, []string{"config", "chekc"}, 2, []string{"did you mean check?"}},
		{"unknown flag", nil, []string{"dev", "--lisen", ":1"}, 2, []string{"--lisen; did you mean --listen?"}},
		{"unknown flag of a client", nil, []string{"tail", "--usre", "bob"}, 2, []string{"did you mean --user?"}},
		{"unknown extra", nil, []string{"tail", "--user", "bob", "--extras", "presense"}, 2, []string{"did you mean presence?"}},
		{"unknown shell", nil, []string{"env", "--shell", "cmd"}, 2, []string{"fish, posix, powershell"}},
		{"flag without value", nil, []string{"dev", "--listen"}, 2, []string{"--listen"}},
		{"argument", nil, []string{"dev", "now"}, 2, []string{"now"}},
		{"bad value", nil, []string{"dev", "--log-level", "loud"}, 1, []string{"log-level", "loud"}},
		{"unknown variable", []string{"CARILLON_LISEN=:1"}, []string{"dev"}, 1, []string{"CARILLON_LISEN"}},
		{"no file", nil, []string{"dev", "--config", "absent.yaml"}, 1, []string{"absent.yaml"}},
		{"serve without keys", nil, []string{"serve"}, 1, []string{"CARILLON_ROOT_ACCESS_KEY_ID", "CARILLON_ROOT_SECRET_ACCESS_KEY", "carillon dev"}},
		{"serve has no fresh", ownKeys, []string{"serve", "--fresh"}, 2, []string{"--fresh"}},
		{"secret as a flag", nil, []string{"serve", "--root-secret-access-key", ownSecret}, 2, []string{"--root-secret-access-key"}},
		{"check finds faults", nil, []string{"config", "check"}, 1, []string{"root-access-key-id"}},
		{"check finds what serve would fail on", ownKeys, []string{"config", "check", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0",
			"--data", "/dev/null/data", "--tls-cert", "/nope.pem", "--tls-key", "/nope.key"}, 1, []string{"/nope.pem", "data folder /dev/null/data"}},
		{"port of another machine", ownKeys, []string{"serve", "--listen", "192.0.2.1:1", "--public-host", "chat.example", "--data", t.TempDir()}, 1, []string{"--listen"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := run(t, t.Context(), test.environ, test.args...)
			if got.code != test.code || got.stdout != "" {
				t.Errorf("code %d, stdout %s", got.code, got.stdout)
			}
			for _, want := range test.want {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("standard error does not say %q: %s", want, got.stderr)
				}
			}
			if strings.Contains(got.stderr, ownSecret) {
				t.Errorf("the secret is shown: %s", got.stderr)
			}
		})
	}
}

// dev runs `carillon dev` until it has said all it has to say, and returns that.
func dev(t *testing.T, environ []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	done := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		done <- cli.Run(ctx, cli.Program{Args: append([]string{"dev"}, args...), Environ: environ, Stdout: in, Stderr: &stderr})
		in.Close()
	}()
	said, _ := readWelcome(out)
	cancel()
	_, _ = io.Copy(io.Discard, out)
	if code := <-done; code != 0 {
		t.Fatalf("code %d: %s", code, &stderr)
	}
	return said
}

// readWelcome reads what dev prints, to the line that says how to stop it.
func readWelcome(out io.Reader) (said, endpoint string) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said += lines.Text() + "\n"
		if _, rest, found := strings.Cut(lines.Text(), "ready on "); found {
			host, _, _ := strings.Cut(rest, " ")
			endpoint = "http://" + host
		}
		if strings.Contains(lines.Text(), "Ctrl-C") {
			break
		}
	}
	return said, endpoint
}

var changing = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`(localhost|127\.0\.0\.1):\d+`), "$1:PORT"},
}

// stable replaces what differs between runs.
func stable(text, data string) string {
	text = strings.ReplaceAll(text, data, "DATA")
	for _, c := range changing {
		text = c.pattern.ReplaceAllString(text, c.name)
	}
	return text
}

func TestDevTellsHowToUseIt(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	free := []string{"--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--data", data}
	first := dev(t, nil, free...)
	golden(t, "dev.golden", stable(first, data))

	again := dev(t, nil, free...)
	apps := regexp.MustCompile(`app-instance/[0-9a-f-]+`)
	if apps.FindString(first) != apps.FindString(again) {
		t.Error("the app instance is another one after a restart")
	}

	own := dev(t, append(ownKeys, "CARILLON_OPS_LISTEN="), "--listen", "127.0.0.1:0", "--data", data, "--fresh")
	if strings.Contains(own, ownSecret) {
		t.Error("one's own secret is printed")
	}
	golden(t, "dev-own-keys.golden", stable(own, data))
}

func TestStopWhileStarting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := run(t, ctx, nil, "dev", "--listen", "127.0.0.1:0", "--ops-listen", "", "--data", filepath.Join(t.TempDir(), "data"))
	if got.code != 0 {
		t.Errorf("code %d: %s", got.code, got.stderr)
	}
}
