package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"debug/elf"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// entered are the values that an operator puts into .env.
var entered = map[string]string{
	"CARILLON_HOST": "chat.example.com", "CARILLON_ROOT_ACCESS_KEY_ID": "AKIACOMPOSE000000000", "CARILLON_ROOT_SECRET_ACCESS_KEY": "a-secret-of-the-composition",
	"POSTGRES_PASSWORD": "ofthedatabase", "NATS_PASSWORD": "ofnats",
}

// composition is a file of Docker Compose, with as much of its language as the files here use.
type composition struct {
	Name     string
	Services map[string]*service
	Volumes  map[string]struct{}
	More     map[string]yaml.Node `yaml:",inline"`
}

type service struct {
	Image           string
	Build           *struct{ Context, Dockerfile string }
	Restart         string
	Command         []string
	Environment     map[string]string
	Ports           []string
	Volumes         []string
	StopGracePeriod time.Duration                         `yaml:"stop_grace_period"`
	DependsOn       map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck     *struct {
		Test     []string
		Interval time.Duration
		Retries  int
	}
}

var variable = regexp.MustCompile(`\$\{(\w+)(:\?|:-)\}`)

// readComposition reads a file with what is entered, as Compose does, and refuses what it does not know.
func readComposition(t *testing.T, path string) composition {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = variable.ReplaceAllFunc(text, func(found []byte) []byte {
		match := variable.FindSubmatch(found)
		value := entered[string(match[1])]
		if value == "" && string(match[2]) == ":?" {
			t.Errorf("%s has to be entered, and example.env does not say so", match[1])
		}
		return []byte(value)
	})
	var c composition
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	for name := range c.More {
		if !strings.HasPrefix(name, "x-") {
			t.Errorf("%s has the unknown field %s", path, name)
		}
	}
	for name, s := range c.Services {
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, there := c.Volumes[source]; !there && !strings.HasPrefix(source, "./") {
				t.Errorf("%s uses the volume %s, which is not there", name, source)
			}
		}
		for on := range s.DependsOn {
			if c.Services[on] == nil {
				t.Errorf("%s depends on %s, which is not there", name, on)
			}
		}
	}
	return c
}

// image is what the Dockerfile says of containers.
type image struct {
	environ map[string]string
	args    []string
	health  string // URL
}

func readImage(t *testing.T) (i image) {
	t.Helper()
	text, err := os.ReadFile("../deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	i.environ = map[string]string{}
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "ENV":
			for _, pair := range strings.Fields(rest) {
				name, value, _ := strings.Cut(pair, "=")
				i.environ[name] = value
			}
		case "ENTRYPOINT", "CMD":
			var args []string
			if err := json.Unmarshal([]byte(rest), &args); err != nil {
				t.Fatal(err)
			}
			i.args = append(i.args, args...)
		case "HEALTHCHECK":
			i.health = rest[strings.LastIndex(rest, " ")+1:]
		case "COPY":
			for _, source := range strings.Fields(rest) {
				if strings.HasPrefix(source, "--from") {
					break
				}
				if _, err := os.Stat(filepath.Join("..", source)); err != nil && !strings.HasPrefix(source, "./") {
					t.Error(err)
				}
			}
		}
	}
	return i
}

// deployed is a composition whose services run as processes of this machine.
type deployed struct {
	*stage
	composition
	image   image
	dial    map[string]string // address of this test by that of the composition
	ops     map[string]string // by node
	nodes   map[string]*process
	clients map[string]lab.Peer // by node, with the root keys
}

// deploy starts a composition. Of its settings addresses and folders alone are changed.
func deploy(t *testing.T, file string) *deployed {
	t.Helper()
	d := &deployed{stage: &stage{dir: t.TempDir()}, composition: readComposition(t, "../deploy/compose/"+file), image: readImage(t),
		dial: map[string]string{}, ops: map[string]string{}, nodes: map[string]*process{}, clients: map[string]lab.Peer{}}
	d.bin = build(t)
	names := slices.Sorted(maps.Keys(d.Services))
	for _, name := range names {
		switch s := d.Services[name]; {
		case strings.HasPrefix(s.Image, "postgres:"):
			d.dial[name+":5432"] = lab.PostgreSQL(t, s.Environment["POSTGRES_USER"], s.Environment["POSTGRES_PASSWORD"], s.Environment["POSTGRES_DB"])
		case strings.HasPrefix(s.Image, "nats:"):
			d.startNATS(t, name, s)
		case s.Build != nil:
			d.dial[name+":24463"], d.ops[name] = free(t), free(t)
			for _, port := range s.Ports {
				published, inside, _ := strings.Cut(port, ":")
				d.dial[entered["CARILLON_HOST"]+":"+published] = d.dial[name+":"+inside]
			}
		default:
			t.Fatalf("the test does not know %s", s.Image)
		}
	}
	for _, name := range names {
		if d.Services[name].Build != nil {
			d.startNode(t, name)
		}
	}
	return d
}

func (d *deployed) startNATS(t *testing.T, name string, s *service) {
	t.Helper()
	program := filepath.Join(d.dir, "nats-server")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	address := free(t)
	d.dial[name+":4222"] = address
	_, port, _ := net.SplitHostPort(address)
	d.launch(t, syscall.SIGKILL, nil, program, append([]string{"--addr", "127.0.0.1", "--port", port}, s.Command...)...)
}

// settings are the environment of a node as the composition and the image have it.
func (d *deployed) settings(name string) map[string]string {
	all := maps.Clone(d.image.environ)
	maps.Copy(all, d.Services[name].Environment)
	return all
}

func (d *deployed) startNode(t *testing.T, name string) {
	t.Helper()
	s := d.Services[name]
	settings := d.settings(name)
	cfg, err := config.Load(config.Serve, config.Sources{Environ: pairs(settings)})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if stop := cfg.ShutdownDelay + cfg.DrainTimeout; s.StopGracePeriod <= stop {
		t.Errorf("%s is killed after %v, while its stop takes %v", name, s.StopGracePeriod, stop)
	}
	if want := "http://" + cfg.OpsListen + "/healthz"; d.image.health != want {
		t.Errorf("health is looked at by %s, and not by %s", d.image.health, want)
	}
	if !slices.ContainsFunc(s.Volumes, func(v string) bool { return strings.HasSuffix(v, ":"+cfg.Data) }) {
		t.Errorf("%s has no volume for %s", name, cfg.Data)
	}
	if d.dial[cfg.PublicHost] != d.dial[name+":24463"] {
		t.Errorf("%s says that it is %s, where another or none is", name, cfg.PublicHost)
	}

	// The same settings, with the addresses and folders of this machine.
	for key, value := range settings {
		if key == "CARILLON_PUBLIC_HOST" {
			continue
		}
		for from, to := range d.dial {
			value = strings.ReplaceAll(value, from, to)
		}
		settings[key] = value
	}
	settings["CARILLON_LISTEN"], settings["CARILLON_OPS_LISTEN"] = d.dial[name+":24463"], d.ops[name]
	settings["CARILLON_DATA"] = filepath.Join(d.dir, name)
	d.nodes[name] = d.launch(t, syscall.SIGKILL, pairs(settings), filepath.Join(d.bin, d.image.args[0]), d.image.args[1:]...)
}

func pairs(environ map[string]string) (list []string) {
	for name, value := range environ {
		list = append(list, name+"="+value)
	}
	return list
}

// connect waits for the nodes, and makes a client of each, which knows its public host and its CA.
func (d *deployed) connect(t *testing.T) {
	t.Helper()
	for name, p := range d.nodes {
		until(t, name+" is healthy and ready", func() bool {
			select {
			case <-p.done:
				t.Fatalf("%s has ended", name)
			default:
			}
			health := strings.Replace(d.image.health, "127.0.0.1:24464", d.ops[name], 1)
			return status(http.DefaultClient, health) == 200 && status(http.DefaultClient, "http://"+d.ops[name]+"/readyz") == 200
		})
		pem, err := os.ReadFile(filepath.Join(d.dir, name, "tls/ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, d.dial[address])
		}}
		t.Cleanup(transport.CloseIdleConnections)
		d.clients[name] = lab.Peer{Base: "https://" + d.Services[name].Environment["CARILLON_PUBLIC_HOST"], HTTP: &http.Client{Transport: transport}, Signer: sigv4.Signer{
			Credentials: sigv4.Credentials{AccessKeyID: entered["CARILLON_ROOT_ACCESS_KEY_ID"], SecretAccessKey: entered["CARILLON_ROOT_SECRET_ACCESS_KEY"]},
			Scope:       sigv4.Scope{Region: "us-east-1", Service: "chime"}}}
	}
}

// furnish makes a channel with a user in it.
func (d *deployed) furnish(t *testing.T, p lab.Peer) {
	t.Helper()
	var made struct{ AppInstanceArn, AppInstanceUserArn, ChannelArn string }
	post := func(path, bearer string, in map[string]string) {
		t.Helper()
		in["ClientRequestToken"] = rand.Text()
		if err := p.Call(t.Context(), http.MethodPost, path, bearer, in, &made); err != nil {
			t.Fatal(err)
		}
	}
	post("/app-instances", "", map[string]string{"Name": "deployed"})
	post("/app-instance-users", "", map[string]string{"AppInstanceArn": made.AppInstanceArn, "AppInstanceUserId": "alice", "Name": "Alice"})
	post("/channels", made.AppInstanceUserArn, map[string]string{"AppInstanceArn": made.AppInstanceArn, "Name": "general", "Mode": "UNRESTRICTED", "Privacy": "PRIVATE"})
	d.app, d.alice, d.channel = made.AppInstanceArn, made.AppInstanceUserArn, made.ChannelArn
}

// TestCompositions starts what deploy/compose has as processes: what is said at one node comes to the sessions of all, and
// a stop is an orderly one within the time that it is given.
func TestCompositions(t *testing.T) {
	for _, test := range []struct {
		file  string
		nodes int
	}{{"one.yaml", 1}, {"three.yaml", 3}} {
		t.Run(test.file, func(t *testing.T) {
			d := deploy(t, test.file)
			if len(d.nodes) != test.nodes {
				t.Fatalf("%d nodes", len(d.nodes))
			}
			d.connect(t)
			d.furnish(t, d.clients[slices.Min(slices.Collect(maps.Keys(d.clients)))])

			sockets := map[string]*lab.Socket{}
			for name, p := range d.clients {
				sockets[name] = d.open(t, p)
				if test.nodes == 1 {
					continue
				}
				until(t, name+" is connected with NATS and knows the others", func() bool {
					return strings.Contains(d.page(t, name, "/readyz"), "bus: ok") && strings.Count(d.page(t, name, "/nodes"), `"Gone":false`) == test.nodes
				})
			}
			for name, p := range d.clients {
				if err := d.send(t, p, "said at "+name); err != nil {
					t.Fatal(err)
				}
				for _, socket := range sockets {
					hears(t, socket, "said at "+name)
				}
				var answer struct{ Endpoint struct{ Url string } }
				if err := p.Call(t.Context(), http.MethodGet, "/endpoints/messaging-session", "", nil, &answer); err != nil {
					t.Fatal(err)
				}
				if d.dial[answer.Endpoint.Url] == "" {
					t.Errorf("%s sends clients to %s, where nothing is", name, answer.Endpoint.Url)
				}
			}
			for _, socket := range sockets {
				_ = socket.CloseNow()
			}
			d.stop(t)
		})
	}
}

// page is what a node's operations port answers.
func (d *deployed) page(t *testing.T, node, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + d.ops[node] + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// stop stops all nodes as Compose does.
func (d *deployed) stop(t *testing.T) {
	t.Helper()
	for _, p := range d.nodes {
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	for name, p := range d.nodes {
		<-p.done
		if code := p.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%s ends with %d", name, code)
		}
	}
}

// TestTheImage: the program is static, as `make build` builds it, by the version of Go that go.mod asks for, and an example
// of .env has all that is entered.
func TestTheImage(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	dockerfile := read("deploy/Dockerfile")
	line := regexp.MustCompile(`CGO_ENABLED=0 go build .*`)
	if inside, outside := line.FindString(dockerfile), line.FindString(read("Makefile")); inside == "" || strings.Replace(inside, "/carillon", "bin/carillon", 1) != outside {
		t.Errorf("the image is built by %q, and make build by %q", inside, outside)
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read("go.mod"))[1]
	if !strings.Contains(dockerfile, "FROM golang:"+version+"-") {
		t.Errorf("the image is not built by Go %s", version)
	}
	for name := range entered {
		if !strings.Contains(read("deploy/compose/example.env"), "\n"+name+"=") {
			t.Errorf("example.env has no %s", name)
		}
	}

	program, err := elf.Open(filepath.Join(build(t), "carillon"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			t.Error("the program needs a loader, and libraries that the image may not have")
		}
	}
}
