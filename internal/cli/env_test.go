package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/client"
	"github.com/carillon-chat/carillon/internal/cli"
	"github.com/carillon-chat/carillon/internal/config"
)

func TestEnvNamesWhatDevHasMade(t *testing.T) {
	s := devServer(t)
	ask := func(environ []string, more ...string) string {
		t.Helper()
		got := run(t, t.Context(), environ, append([]string{"env", "--endpoint", s.endpoint, "--ca-cert", filepath.Join(s.data, "tls", "ca.pem")}, more...)...)
		if got.code != 0 || got.stderr != "" {
			t.Fatalf("code %d: %s", got.code, got.stderr)
		}
		return got.stdout
	}
	lines := ask([]string{"AWS_ACCESS_KEY_ID=AKIAANOTHER", "AWS_SECRET_ACCESS_KEY=account", "AWS_ENDPOINT_URL=http://nowhere.invalid"})
	golden(t, "env.golden", stable(lines, s.data))
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		if !strings.Contains(s.stdout, line) && line != "unset AWS_SESSION_TOKEN" {
			t.Errorf("dev itself does not print %s", line)
		}
	}
	golden(t, "env-names.golden", stable(ask(nil, "--names"), s.data))
	golden(t, "env-fish.golden", stable(ask(nil, "--shell", "fish"), s.data))
	golden(t, "env-powershell.golden", stable(ask(nil, "--shell", "powershell"), s.data))
	golden(t, "env-profile.golden", stable(ask(nil, "--profile", "carillon"), s.data))
	golden(t, "env-unset.golden", run(t, t.Context(), nil, "env", "--unset").stdout)

	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Log("ATTENTION: there is no sh; whether it takes the lines back is NOT tested")
		return
	}
	unset := run(t, t.Context(), nil, "env", "--unset").stdout
	command := exec.Command(sh, "-c", "set -e\n"+lines+"test -n \"$ALICE\"\n"+unset+"env")
	command.Env = []string{"PATH=/usr/bin:/bin", "AWS_SESSION_TOKEN=of another account"}
	out, err := command.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("AWS_")) || bytes.Contains(out, []byte("arn:")) || bytes.Contains(out, []byte("CA_CERTS")) {
		t.Errorf("%v: after --unset there is still %s", err, out)
	}
}

func TestEnvKnowsTheKeysOfTheDataFolder(t *testing.T) {
	s := devServer(t, "--random-keys")
	got := run(t, t.Context(), []string{"CARILLON_DATA=" + s.data}, "env", "--endpoint", s.endpoint)
	_, key, _ := strings.Cut(got.stdout, "AWS_ACCESS_KEY_ID=")
	key, _, _ = strings.Cut(key, "\n")
	if got.code != 0 || !strings.HasPrefix(key, "CARI") || key == config.DevAccessKeyID || !strings.Contains(s.stdout, key) {
		t.Errorf("code %d, key %q: %s", got.code, key, got.stderr)
	}
	if got := run(t, t.Context(), nil, "env", "--endpoint", s.endpoint); got.code != 1 || !strings.Contains(got.stderr, "signed with the keys of carillon dev") {
		t.Errorf("without the folder: code %d: %s", got.code, got.stderr)
	}
}

func TestReadinessIsALineOfAJSONLog(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	log, in := io.Pipe()
	var stdout bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, cli.Program{
			Args:   []string{"dev", "--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:0", "--ops-listen=", "--log-format", "json"},
			Stdout: &stdout, Stderr: in,
		})
		in.Close()
	}()
	var ready struct {
		Msg, Channel string
		CAFile       string `json:"ca_file"`
	}
	for lines := json.NewDecoder(log); ready.Msg != "ready"; {
		if err := lines.Decode(&ready); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	_, _ = io.Copy(io.Discard, log)
	if code := <-done; code != 0 || stdout.Len() != 0 {
		t.Errorf("code %d, standard output %q", code, &stdout)
	}
	if !strings.HasSuffix(ready.Channel, "/channel/general") || ready.CAFile == "" {
		t.Errorf("it says %+v", ready)
	}
}

func TestSecondAppInstance(t *testing.T) {
	s := devServer(t)
	c, err := client.New(client.Config{Endpoint: s.endpoint, Credentials: client.StaticCredentials(devKeys)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	if _, err := c.CreateAppInstance(t.Context(), &client.CreateAppInstanceRequest{Name: "other"}); err != nil {
		t.Fatal(err)
	}
	say := func(environ []string, more ...string) result {
		return run(t, t.Context(), environ, append([]string{"send", "--user", "alice", "--channel", "general", "hello", "--endpoint", s.endpoint}, more...)...)
	}
	if got := say(nil); got.code != 0 {
		t.Errorf("the one of dev is not found by itself: %s", got.stderr)
	}
	if got := say(nil, "--app-instance", "dev"); got.code != 0 {
		t.Errorf("by name: %s", got.stderr)
	}
	if got := say(nil, "--app-instance", "none"); got.code != 2 || !strings.Contains(got.stderr, "other (") || !strings.Contains(got.stderr, "dev (") {
		t.Errorf("by a wrong name: %d %s", got.code, got.stderr)
	}
	if got := say(nil, "--app-instance", "other"); got.code != 1 || !strings.Contains(got.stderr, "UnauthorizedClientException") {
		t.Errorf("in the other: %d %s", got.code, got.stderr)
	}
	others := []string{"AWS_ACCESS_KEY_ID=AKIAOTHER00000000001", "AWS_SECRET_ACCESS_KEY=of-another-person"}
	if got := say(others); got.code != 1 || !strings.Contains(got.stderr, "signed with the key of AWS_ACCESS_KEY_ID") {
		t.Errorf("with another key: %d %s", got.code, got.stderr)
	}
}

var devKeys = client.Credentials{AccessKeyID: config.DevAccessKeyID, SecretAccessKey: config.DevSecretAccessKey}
