package cli_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/cli"
)

// signer is a server that refuses every call and tells who signed it.
func signer(t *testing.T) (url string, signed func() string) {
	t.Helper()
	var last string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		last, _, _ = strings.Cut(credential, "/aws4_request")
		if token := r.Header.Get("X-Amz-Security-Token"); token != "" {
			last += " with " + token
		}
		w.Header().Set("X-Amzn-Errortype", "UnrecognizedClientException")
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() string { return last }
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhoseKeysSign(t *testing.T) {
	url, signed := signer(t)
	config := file(t, "[default]\naws_access_key_id = OFDEFAULT\naws_secret_access_key = s\n[profile ours]\nregion = eu-west-1\nendpoint_url = "+url+
		"\ns3 =\n  endpoint_url = http://nowhere.invalid\n# comment = 1\naws_access_key_id=OFPROFILE\naws_secret_access_key=s\n[profile sso]\nsso_session = x\n")
	aws := []string{"AWS_ENDPOINT_URL=" + url, "AWS_ACCESS_KEY_ID=OFENVIRONMENT", "AWS_SECRET_ACCESS_KEY=s", "AWS_SESSION_TOKEN=token", "AWS_REGION=eu-north-1"}
	profiles := []string{"AWS_CONFIG_FILE=" + config, "AWS_SHARED_CREDENTIALS_FILE=/nowhere/credentials"}
	both := append(append([]string{}, profiles...), aws...)
	listen := "CARILLON_LISTEN=" + strings.TrimPrefix(url, "http://")
	own := append([]string{listen, "CARILLON_REGION=eu-south-1"}, ownKeys...)
	for _, test := range []struct {
		name    string
		environ []string
		args    []string
		want    string // beginning of the credential, without the day
		says    string
	}{
		{"dev", nil, []string{"--endpoint", url}, "CARILLONDEV000000000/us-east-1", "the keys of carillon dev"},
		{"environment of AWS's tools", aws, nil, "OFENVIRONMENT/eu-north-1 with token", "AWS_ACCESS_KEY_ID"},
		{"and the server's address", []string{listen, aws[1], aws[2]}, nil, "OFENVIRONMENT/us-east-1", "--dev"},
		{"profile of the environment", append(profiles, "AWS_PROFILE=ours"), nil, "OFPROFILE/eu-west-1", `the profile "ours"`},
		{"keys of the environment before a profile of it", append(both, "AWS_PROFILE=ours"), nil, "OFENVIRONMENT/eu-north-1 with token", ""},
		{"profile of a flag before all", append(both, own...), []string{"--profile", "ours"}, "OFPROFILE/eu-west-1", ""},
		{"the profile default", profiles, []string{"--profile", "default", "--endpoint", url}, "OFDEFAULT/us-east-1", ""},
		{"settings before AWS's tools", append(both, own...), nil, "AKIAOWN0000000000001/eu-south-1", "root key of the settings"},
		{"--dev before all", append(both, own...), []string{"--dev", "--endpoint", url}, "CARILLONDEV000000000/us-east-1", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := run(t, t.Context(), test.environ, append([]string{"send", "--user", "alice", "--channel", "general", "hello"}, test.args...)...)
			key, rest, _ := strings.Cut(signed(), "/")
			_, rest, _ = strings.Cut(rest, "/") // the day
			who := key + "/" + strings.Replace(rest, "/chime", "", 1)
			if got.code != 1 || who != test.want || !strings.Contains(got.stderr, test.says) {
				t.Errorf("code %d, signed by %s: %s", got.code, who, got.stderr)
			}
		})
	}
	for _, test := range []struct {
		name    string
		environ []string
		args    []string
		want    string
	}{
		{"profile without keys", append(profiles, "AWS_PROFILE=sso"), nil, "export-credentials"},
		{"no such profile", profiles, []string{"--profile", "none"}, `profile "none"`},
		{"half a key", []string{"AWS_ACCESS_KEY_ID=x"}, nil, "AWS_SECRET_ACCESS_KEY"},
		{"unreadable authority", nil, []string{"--endpoint", "https://localhost:1", "--ca-cert", "absent.pem"}, "absent.pem"},
		{"no authority", nil, []string{"--endpoint", "https://localhost:1", "--ca-cert", config}, "no PEM certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := run(t, t.Context(), test.environ, append([]string{"tail", "--user", "alice"}, test.args...)...)
			if got.code != 1 || !strings.Contains(got.stderr, test.want) {
				t.Errorf("code %d: %s", got.code, got.stderr)
			}
		})
	}
}

func TestWithoutAServer(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "http://" + free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"send": {"send", "--user", "alice", "--channel", "general", "hello"}, "tail": {"tail", "--user", "alice"}, "env": {"env"},
		"simulate": {"policy", "simulate", "--as", "arn:aws:iam::000000000000:role/dev", "--action", "chime:Connect"},
	} {
		got := run(t, t.Context(), nil, append(args, "--endpoint", endpoint)...)
		want := "cannot connect to " + endpoint + ": is `carillon dev` running?"
		if got.code != 1 || !strings.Contains(got.stderr, want) || got.stdout != "" {
			t.Errorf("%s: code %d: %s", name, got.code, got.stderr)
		}
	}
}

func TestAuthorityOfTheServer(t *testing.T) {
	s := devServer(t)
	https := strings.Replace(s.endpoint, "http", "https", 1)
	say := func(more ...string) result {
		return run(t, t.Context(), nil, append([]string{"send", "--user", "alice", "--channel", "general", "hello", "--endpoint", https}, more...)...)
	}
	if got := say(); got.code != 1 || !strings.Contains(got.stderr, "--ca-cert") || !strings.Contains(got.stderr, "ca.pem") {
		t.Errorf("without: %d %s", got.code, got.stderr)
	}
	authority := filepath.Join(s.data, "tls", "ca.pem")
	if got := say("--ca-cert", authority); got.code != 0 {
		t.Errorf("with: %s", got.stderr)
	}
	got := run(t, t.Context(), []string{"AWS_CA_BUNDLE=" + authority}, "policy", "simulate", "--endpoint", https,
		"--as", "arn:aws:iam::000000000000:role/dev", "--action", "chime:Connect")
	if got.code != 0 {
		t.Errorf("by the environment: %s", got.stderr)
	}
	if _, err := tls.Dial("tcp", strings.TrimPrefix(https, "https://"), &tls.Config{}); err == nil {
		t.Error("this machine trusts every certificate")
	}
}

// node is a running `carillon dev`.
type node struct{ endpoint, data, stdout string }

// devServer starts `carillon dev` until the test ends. What it prints is read to the line that says
// how to stop it.
func devServer(t *testing.T, flags ...string) node {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	data := filepath.Join(t.TempDir(), "data")
	args := append([]string{"dev", "--data", data, "--listen", "127.0.0.1:0", "--ops-listen="}, flags...)
	done := make(chan int, 1)
	var stderr strings.Builder
	go func() {
		done <- cli.Run(ctx, cli.Program{Args: args, Stdout: in, Stderr: &stderr})
		in.Close()
	}()
	said, endpoint := readWelcome(out)
	t.Cleanup(func() {
		cancel()
		_, _ = io.Copy(io.Discard, out)
		if code := <-done; code != 0 {
			t.Errorf("code %d: %s", code, &stderr)
		}
	})
	return node{endpoint: endpoint, data: data, stdout: said}
}
