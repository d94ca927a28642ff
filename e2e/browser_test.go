//go:build unix

package e2e

import (
	"context"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws/credentials"
	v4 "github.com/aws/aws-sdk-go/aws/signer/v4"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// attack is a page that signs with the published keys: it reads app instances and opens a WebSocket,
// and reports what it got.
var attack = template.Must(template.New("attack").Parse(`<!doctype html><script>
const rest = fetch({{.REST}}, {headers: {{.Headers}}}).then((r) => r.status, () => "none");
const socket = new Promise((resolve) => {
  const s = new WebSocket({{.Socket}});
  s.onopen = () => resolve("open");
  s.onerror = () => resolve("none");
});
Promise.all([rest, socket]).then(([r, s]) => fetch("/report?rest=" + r + "&socket=" + s));
</script>`))

// visit shows the page to a browser under a host name that leads to this machine, and returns its report.
func visit(t *testing.T, chromium, host, server, app string) string {
	t.Helper()
	keys := credentials.NewStaticCredentials(config.DevAccessKeyID, config.DevSecretAccessKey, "")
	rest, _ := http.NewRequest("GET", "http://"+server+"/app-instances", nil)
	if _, err := v4.NewSigner(keys).Sign(rest, nil, "chime", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	connect, _ := http.NewRequest("GET", "https://"+server+"/connect?sessionId=s&userArn="+app+"/user/alice", nil)
	if _, err := v4.NewSigner(keys).Presign(connect, nil, "chime", "us-east-1", time.Minute, time.Now()); err != nil {
		t.Fatal(err)
	}
	reports := make(chan string, 1)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			_ = attack.Execute(w, map[string]any{
				"REST": rest.URL.String(), "Socket": "ws" + strings.TrimPrefix(connect.URL.String(), "https"),
				"Headers": map[string]string{"authorization": rest.Header.Get("Authorization"), "x-amz-date": rest.Header.Get("X-Amz-Date")},
			})
		case "/report":
			reports <- "REST " + r.FormValue("rest") + ", WebSocket " + r.FormValue("socket")
		}
	}))
	defer site.Close()
	_, port, _ := net.SplitHostPort(site.Listener.Addr().String())
	browser := exec.Command(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--user-data-dir="+t.TempDir(),
		"--host-resolver-rules=MAP evil.example 127.0.0.1", fmt.Sprintf("http://%s:%s/", host, port))
	browser.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := browser.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-browser.Process.Pid, syscall.SIGKILL)
		_ = browser.Wait()
	}()
	select {
	case report := <-reports:
		return report
	case <-time.After(time.Minute):
		return "no report"
	}
}

// What the server refuses by Origin, a real browser sends.
func TestNoForeignPageUsesThePublishedKeys(t *testing.T) {
	chromium := installed(t, "chromium")
	program, err := lab.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	node, err := lab.Launch(context.Background(), program, filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer node.Kill()
	_, port, _ := net.SplitHostPort(node.Addr)
	_, rest, _ := strings.Cut(node.Stdout.String(), "App instance: ")
	app, _, _ := strings.Cut(rest, "\n")
	for host, want := range map[string]string{
		"localhost":    "REST 200, WebSocket open",
		"evil.example": "REST none, WebSocket none",
	} {
		if got := visit(t, chromium, host, "localhost:"+port, app); got != want {
			t.Errorf("a page of %s: %s, want %s", host, got, want)
		}
	}
}
