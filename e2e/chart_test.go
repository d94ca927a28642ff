package e2e

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/carillon-chat/carillon/internal/config"
)

// object is of Kubernetes, with as much of it as the test looks at.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Replicas    int
		ServiceName string         `yaml:"serviceName"`
		Selector    map[string]any // of a Service, by labels
		Rules       []struct {
			Host string
			HTTP struct {
				Paths []struct {
					Backend struct {
						Service struct{ Name string }
					}
				}
			} `yaml:"http"`
		}
		Template struct{ Spec pod }
	}
	Data       map[string]string
	StringData map[string]string `yaml:"stringData"`
}

type pod struct {
	Grace        int   `yaml:"terminationGracePeriodSeconds"`
	ServiceLinks *bool `yaml:"enableServiceLinks"`
	Containers   []struct {
		Env   []struct{ Name, Value string }
		Ports []struct {
			Name          string
			ContainerPort string `yaml:"containerPort"`
		}
		LivenessProbe  probe `yaml:"livenessProbe"`
		ReadinessProbe probe `yaml:"readinessProbe"`
	}
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// chart renders the chart of deploy for a cluster.
type chart struct{ tools string }

// newChart builds Helm and the strict decoder. That takes minutes when they were not built before.
func newChart(t *testing.T) chart {
	t.Helper()
	if os.Getenv("E2E_TOOLS") != "all" {
		t.Skip("ATTENTION: the chart is NOT tested without E2E_TOOLS=all, because that builds Helm")
	}
	c := chart{t.TempDir()}
	compile := exec.CommandContext(t.Context(), "go", "build", "-o", c.tools, ".", "helm.sh/helm/v3/cmd/helm")
	compile.Dir = "chart"
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return c
}

func (c chart) helm(args ...string) (out []byte, said string, err error) {
	var stderr bytes.Buffer
	run := exec.Command(filepath.Join(c.tools, "helm"), args...)
	run.Stderr = &stderr
	out, err = run.Output()
	return out, stderr.String(), err
}

// render is what the chart makes of values. Every object is decoded strictly, as its kind has it.
func (c chart) render(t *testing.T, args ...string) map[string]object {
	t.Helper()
	out, said, err := c.helm(append([]string{"template", "carillon", "../deploy/chart"}, args...)...)
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	strict := exec.Command(filepath.Join(c.tools, "chart"))
	strict.Stdin = bytes.NewReader(out)
	if said, err := strict.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	objects := map[string]object{}
	for decoder := yaml.NewDecoder(bytes.NewReader(out)); ; {
		var o object
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatal(err)
		}
		if o.Kind != "" {
			objects[o.Kind+" "+o.Metadata.Name] = o
		}
	}
}

// TestChart: what the chart renders are objects of Kubernetes, and settings with which a node starts; each node has a host that leads to
// it alone, and the time that its stop takes.
func TestChart(t *testing.T) {
	c := newChart(t)
	root := []string{"--set", "secrets.root-access-key-id=AKIACHART00000000000,secrets.root-secret-access-key=a-secret-of-the-chart"}
	kept := []string{"CARILLON_ROOT_ACCESS_KEY_ID=AKIACHART00000000000", "CARILLON_ROOT_SECRET_ACCESS_KEY=a-secret-of-the-chart",
		"CARILLON_DATABASE_URL=postgres://db/carillon", "CARILLON_NATS_PASSWORD=secret"}
	for _, test := range []struct {
		name    string
		args    []string
		secrets []string // of a Secret that the chart does not make
		hosts   []string // by pod
	}{
		{"one", root, nil, []string{"chat.example.com"}},
		{"three", []string{"-f", "../deploy/chart/three.yaml"}, kept, []string{"carillon-0.chat.example.com", "carillon-1.chat.example.com", "carillon-2.chat.example.com"}},
		{"two with servers of NATS within them", append(root, "--set", "replicas=2,host=a.example.org,secrets.database-url=postgres://db/x,secrets.cluster-secret=a-secret-of-nodes"+
			",settings.cluster-listen=0.0.0.0:24465,settings.cluster-routes={carillon-0.carillon-nodes:24465,carillon-1.carillon-nodes:24465}"), nil,
			[]string{"carillon-0.a.example.org", "carillon-1.a.example.org"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			objects := c.render(t, test.args...)
			set, ok := objects["StatefulSet carillon"]
			if !ok || set.Spec.Replicas != len(test.hosts) {
				t.Fatalf("%d replicas", set.Spec.Replicas)
			}
			if _, ok := objects["Service "+set.Spec.ServiceName]; !ok {
				t.Errorf("there is no service %s", set.Spec.ServiceName)
			}
			if _, budget := objects["PodDisruptionBudget carillon"]; budget != (len(test.hosts) > 1) {
				t.Errorf("a budget of disruptions: %v", budget)
			}
			pod := set.Spec.Template.Spec
			if pod.ServiceLinks == nil || *pod.ServiceLinks {
				t.Error("variables of services named carillon would be taken for settings")
			}

			environ := test.secrets
			for name, value := range objects["Secret carillon"].StringData {
				environ = append(environ, name+"="+value)
			}
			file := filepath.Join(t.TempDir(), "carillon.yaml")
			if err := os.WriteFile(file, []byte(objects["ConfigMap carillon"].Data["carillon.yaml"]), 0o600); err != nil {
				t.Fatal(err)
			}
			for i, host := range test.hosts {
				name := "carillon-" + string(rune('0'+i))
				cfg := nodeOf(t, pod, name, file, environ)
				if cfg.PublicHost != host || cfg.NodeID != name || cfg.Clustered() != (len(test.hosts) > 1) {
					t.Errorf("%s is %s at %s", name, cfg.NodeID, cfg.PublicHost)
				}
				if grace := time.Duration(pod.Grace) * time.Second; grace <= cfg.ShutdownDelay+cfg.DrainTimeout {
					t.Errorf("it is killed after %v, while its stop takes %v", grace, cfg.ShutdownDelay+cfg.DrainTimeout)
				}
				if to := behind(objects["Ingress carillon"], host); len(test.hosts) > 1 && objects["Service "+to].Spec.Selector["statefulset.kubernetes.io/pod-name"] != name {
					t.Errorf("%s leads to %s, which is not the node alone", host, to)
				} else if _, ok := objects["Service "+to]; !ok {
					t.Errorf("%s leads to %q", host, to)
				}
			}
		})
	}
	t.Run("refused", c.refuses)
}

// nodeOf loads the settings of a pod as a node in it would.
func nodeOf(t *testing.T, p pod, name, file string, environ []string) config.Config {
	t.Helper()
	container := p.Containers[0]
	values := map[string]string{"CARILLON_NODE_ID": name}
	for _, variable := range container.Env {
		if variable.Value != "" {
			values[variable.Name] = strings.ReplaceAll(variable.Value, "$(CARILLON_NODE_ID)", name)
		}
	}
	values["CARILLON_CONFIG"] = file
	for name, value := range values {
		environ = append(environ, name+"="+value)
	}
	cfg, err := config.Load(config.Serve, config.Sources{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range container.Ports {
		want := map[string]string{"public": cfg.Listen, "operations": cfg.OpsListen}[port.Name]
		if want != "0.0.0.0:"+port.ContainerPort {
			t.Errorf("the port %s is %s, and the node listens on %q", port.Name, port.ContainerPort, want)
		}
	}
	live, ready := container.LivenessProbe.HTTPGet, container.ReadinessProbe.HTTPGet
	if live.Path != "/healthz" || ready.Path != "/readyz" || live.Port != "operations" || ready.Port != "operations" {
		t.Errorf("the probes are %v and %v", live, ready)
	}
	return cfg
}

// behind is the service to which an ingress leads for a host.
func behind(ingress object, host string) string {
	for _, rule := range ingress.Spec.Rules {
		if rule.Host == host {
			return rule.HTTP.Paths[0].Backend.Service.Name
		}
	}
	return ""
}

// refuses shows that the chart refuses what no node would start with.
func (c chart) refuses(t *testing.T) {
	root := "secrets.root-access-key-id=AKIACHART00000000000,secrets.root-secret-access-key=a-secret-of-the-chart"
	for _, test := range []struct{ set, says string }{
		{"host=a.example.com", "secrets.root-access-key-id"},
		{root + ",replicas=2", "secrets.database-url"},
		{root + ",settings.listen=1", "settings.listen is set by the chart"},
	} {
		if _, said, err := c.helm("template", "carillon", "../deploy/chart", "--set", test.set); err == nil || !strings.Contains(said, test.says) {
			t.Errorf("%s: %v %s", test.set, err, said)
		}
	}
	if _, said, err := c.helm("lint", "--strict", "../deploy/chart", "--set", root); err != nil {
		t.Error(err, said)
	}
}
