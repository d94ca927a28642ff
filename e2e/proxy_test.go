package e2e

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// The client's own address, so that it can be told from the proxy's.
const clientIP = "127.0.0.2"

const (
	proxyKey    = "AKIAPROXY00000000000"
	proxySecret = "a-secret-of-the-proxy-test"
)

// stage is a node behind a proxy, both with the settings that docs/OPERATIONS.md shows.
type stage struct {
	bin, dir     string
	settings     []string // of the node
	listen, ops  string   // of the node
	front        string   // host:port of the proxy, as clients know it
	ca           string   // file that clients trust
	peer         lab.Peer // with the root keys, through the proxy
	app, channel string
	alice        string
}

// blocks are the code blocks of the documentation in a language, in order.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(text, -1) {
		found = append(found, string(match[1]))
	}
	return found
}

// installed is the path of a proxy. Where all tools have to be there (E2E_TOOLS=all, as in CI), so has
// the proxy.
func installed(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("E2E_TOOLS") == "all" {
		t.Fatal(err)
	} else if err != nil {
		t.Skipf("ATTENTION: %s is not installed; what needs it is NOT tested", name)
	}
	return path
}

func free(t *testing.T) string {
	t.Helper()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// localized puts the addresses and files of the test into a block. Nothing else is changed.
func (s *stage) localized(block string) string {
	_, port, _ := net.SplitHostPort(s.front)
	_, opsPort, _ := net.SplitHostPort(s.ops)
	return strings.NewReplacer(
		"listen 443", "listen 127.0.0.1:"+port, "bind :443", "bind 127.0.0.1:"+port,
		"127.0.0.1:24463", s.listen, "port 24464", "port "+opsPort, "public-host: chat.example.com", "public-host: "+s.front, "chat.example.com;", "localhost;",
		"/etc/ssl/chat.example.com.pem", filepath.Join(s.dir, "data/tls/server.pem"), "/etc/ssl/chat.example.com.key", filepath.Join(s.dir, "data/tls/server-key.pem"),
		"/etc/haproxy/chat.example.com.pem", filepath.Join(s.dir, "both.pem"),
	).Replace(block)
}

func newStage(t *testing.T, bin string, settings ...string) *stage {
	t.Helper()
	_, port, _ := net.SplitHostPort(free(t))
	s := &stage{bin: bin, dir: t.TempDir(), settings: settings, listen: free(t), ops: free(t), front: "localhost:" + port}
	s.ca = filepath.Join(s.dir, "data/tls/ca.pem")
	config := s.localized(blocks(t, "yaml")[0]) + "ops-listen: " + s.ops + "\ndata: " + filepath.Join(s.dir, "data") + "\n" + strings.Join(settings, "\n")
	s.write(t, "carillon.yaml", config)
	return s
}

func (s *stage) write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// process is a program at work, stopped at the end of the test.
type process struct {
	*exec.Cmd
	done chan struct{}
}

func (s *stage) launch(t *testing.T, end syscall.Signal, environ []string, name string, args ...string) *process {
	t.Helper()
	said, err := os.CreateTemp(s.dir, filepath.Base(name)+"-*.log") // no pipe, which its children would keep open
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	p := &process{Cmd: exec.Command(name, args...), done: make(chan struct{})}
	p.Env = append(os.Environ(), environ...)
	p.Stdout, p.Stderr = said, said
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.Wait(); close(p.done) }()
	t.Cleanup(func() {
		_ = p.Process.Signal(end)
		select {
		case <-p.done:
		case <-time.After(time.Minute):
			_ = p.Process.Kill()
			<-p.done
		}
		if text, err := os.ReadFile(said.Name()); t.Failed() && err == nil {
			t.Logf("%s said:\n%s", name, text)
		}
	})
	return p
}

// until repeats a look until it is true. The bound only ends a test that fails.
func until(t *testing.T, what string, look func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !look(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("never: " + what)
		}
	}
}

func status(client *http.Client, url string) int {
	resp, err := client.Get(url)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// node starts the node and waits until it is ready.
func (s *stage) node(t *testing.T) *process {
	t.Helper()
	p := s.launch(t, syscall.SIGKILL, []string{"CARILLON_ROOT_ACCESS_KEY_ID=" + proxyKey, "CARILLON_ROOT_SECRET_ACCESS_KEY=" + proxySecret},
		filepath.Join(s.bin, "carillon"), "dev", "--config", filepath.Join(s.dir, "carillon.yaml"))
	until(t, "the node is ready", func() bool { return status(http.DefaultClient, "http://"+s.ops+"/readyz") == 200 })
	return p
}

// connect prepares the clients, which know the proxy's address and the node's CA.
func (s *stage) connect(t *testing.T) {
	t.Helper()
	pem, err := os.ReadFile(s.ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientIP)}}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(address)
			return dialer.DialContext(ctx, "tcp4", "127.0.0.1:"+port)
		}}
	s.peer = lab.Peer{Base: "https://" + s.front, HTTP: &http.Client{Transport: transport}, Signer: sigv4.Signer{
		Credentials: sigv4.Credentials{AccessKeyID: proxyKey, SecretAccessKey: proxySecret}, Scope: sigv4.Scope{Region: "us-east-1", Service: "chime"}}}
	t.Cleanup(transport.CloseIdleConnections)
	until(t, "the proxy answers", func() bool { return status(s.peer.HTTP, "https://"+s.front+"/chat/") == 200 })
	var apps struct {
		AppInstances []struct{ AppInstanceArn string }
	}
	if err := s.peer.Call(t.Context(), "GET", "/app-instances", "", nil, &apps); err != nil || len(apps.AppInstances) != 1 {
		t.Fatal(apps, err)
	}
	s.app = apps.AppInstances[0].AppInstanceArn
	s.alice, s.channel = s.app+"/user/alice", s.app+"/channel/general"
}

// userWith is a peer whose user may do everything under a condition.
func (s *stage) userWith(t *testing.T, name, condition string) lab.Peer {
	t.Helper()
	keys, err := s.peer.MakeUser(t.Context(), name, lab.AllowWhen(condition))
	if err != nil {
		t.Fatal(err)
	}
	return s.peer.As(keys)
}

// send sends a message as alice.
func (s *stage) send(t *testing.T, p lab.Peer, content string) error {
	return p.Call(t.Context(), "POST", "/channels/"+lab.Escape(s.channel)+"/messages", s.alice, map[string]string{
		"Content": content, "Persistence": "PERSISTENT", "Type": "STANDARD", "ClientRequestToken": rand.Text()}, nil)
}

// open opens alice's WebSocket through the proxy.
func (s *stage) open(t *testing.T, p lab.Peer) *lab.Socket {
	t.Helper()
	return lab.Opened(t)(p.Open(t.Context(), s.alice))
}

// hears reads the socket up to an event with the text.
func hears(t *testing.T, socket *lab.Socket, text string) {
	t.Helper()
	if _, err := socket.Until(t.Context(), func(f lab.Frame) bool { return strings.Contains(f.Payload, text) }); err != nil {
		t.Fatalf("before %q: %v", text, err)
	}
}

// serves shows that REST and a WebSocket work, and that policies see the client.
func (s *stage) serves(t *testing.T) {
	t.Helper()
	const seen = `{"Bool":{"aws:SecureTransport":"true"},"IpAddress":{"aws:SourceIp":"` + clientIP + `/32"}}`
	const other = `{"Bool":{"aws:SecureTransport":"true"},"IpAddress":{"aws:SourceIp":"127.0.0.1/32"}}`
	allowed, refused := s.userWith(t, "allowed", seen), s.userWith(t, "refused", other)
	conn := s.open(t, allowed)
	if err := s.send(t, allowed, "through the proxy"); err != nil {
		t.Fatalf("the client's request: %v", err)
	}
	hears(t, conn, "through the proxy")
	if err := s.send(t, refused, "no"); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("the proxy's address is taken for the client's: %v", err)
	}
	if _, err := refused.Open(t.Context(), s.alice); websocket.CloseStatus(err) != 4401 {
		t.Errorf("the proxy's address is taken for the client's: %v", err)
	}
}

func TestNginx(t *testing.T) {
	nginx := installed(t, "nginx")
	s := newStage(t, build(t))
	s.node(t)
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	config := fmt.Sprintf("%s daemon off; pid %[2]s/nginx.pid; error_log stderr; events {}\nhttp { access_log off; client_body_temp_path %[2]s/a; "+
		"proxy_temp_path %[2]s/b; fastcgi_temp_path %[2]s/c; uwsgi_temp_path %[2]s/d; scgi_temp_path %[2]s/e;\n%[3]s}\n", user, s.dir, s.localized(blocks(t, "nginx")[0]))
	s.launch(t, syscall.SIGTERM, nil, nginx, "-p", s.dir, "-c", s.write(t, "nginx.conf", config))
	s.connect(t)
	s.serves(t)
}

// haproxy runs the block in front of the stage.
func (s *stage) haproxy(t *testing.T, path string, block int) {
	t.Helper()
	var both []byte
	for _, name := range []string{"server.pem", "server-key.pem"} {
		text, err := os.ReadFile(filepath.Join(s.dir, "data/tls", name))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	s.write(t, "both.pem", string(both))
	s.launch(t, syscall.SIGTERM, nil, path, "-db", "-f", s.write(t, "haproxy.cfg", s.localized(blocks(t, "haproxy")[block])))
}

func TestHAProxyWithThePROXYProtocol(t *testing.T) {
	haproxy := installed(t, "haproxy")
	s := newStage(t, build(t), "proxy-protocol: true")
	s.node(t)
	s.haproxy(t, haproxy, 1)
	s.connect(t)
	s.serves(t)
}

// A stop is noticed by the proxy before clients notice anything, and they come back to the next node.
func TestHAProxyAndADrain(t *testing.T) {
	haproxy := installed(t, "haproxy")
	s := newStage(t, build(t))
	first := s.node(t)
	s.haproxy(t, haproxy, 0)
	s.connect(t)
	s.serves(t)
	conn := s.open(t, s.peer)

	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, "readyz says that the node stops", func() bool { return status(http.DefaultClient, "http://"+s.ops+"/readyz") == 503 })
	until(t, "HAProxy sends nobody any more", func() bool { return status(s.peer.HTTP, "https://"+s.front+"/chat/") == 503 })
	if got := status(http.DefaultClient, "http://"+s.listen+"/chat/"); got != 200 {
		t.Errorf("the node itself serves no more: %d", got)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("the socket ends with %v", err)
	}
	<-first.done
	if code := first.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the node ends with %d", code)
	}

	s.node(t)
	until(t, "HAProxy has found the node again", func() bool { return status(s.peer.HTTP, "https://"+s.front+"/chat/") == 200 })
	conn = s.open(t, s.peer)
	if err := s.send(t, s.peer, "back again"); err != nil {
		t.Fatal(err)
	}
	hears(t, conn, "back again")
}
