//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
)

// build makes the program as a release is made and returns its path.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "carillon")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path,
		"github.com/carillon-chat/carillon/cmd/carillon")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
}

// node is a running program in dev mode.
type node struct {
	*lab.Process
	data  string        // folder
	ready time.Duration // from its start to its words that it is ready
}

// startNode runs the program on a data folder, at free ports unless the arguments say others.
func startNode(ctx context.Context, program, data string, args ...string) (*node, error) {
	start := time.Now()
	p, err := lab.Launch(ctx, program, data, args...)
	if err != nil {
		return nil, err
	}
	return &node{Process: p, data: data, ready: time.Since(start)}, nil
}

// get reads a page of the operations port.
func (n *node) get(ctx context.Context, path string) (_ []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.OpsAddr+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, answer.Status)
	}
	return text, err
}

// memory is what the node holds, in bytes.
type memory struct{ user, resident float64 }

// memory measures after two collections: the first only marks what pools hold.
func (n *node) memory(ctx context.Context) (m memory, err error) {
	for range 2 {
		if _, err := n.get(ctx, "/debug/pprof/heap?gc=1"); err != nil {
			return m, err
		}
	}
	text, err := n.get(ctx, "/metrics")
	if err != nil {
		return m, err
	}
	for _, name := range []string{"go_memstats_heap_alloc_bytes", "go_memstats_stack_inuse_bytes"} {
		v, err := metric(string(text), name)
		if err != nil {
			return m, err
		}
		m.user += v
	}
	m.resident, err = rig.ResidentBytes(n.PID())
	return m, err
}

// metric reads a metric without labels from the Prometheus text format.
func metric(text, name string) (float64, error) {
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("%w: %s", errNoMetric, name)
}

var errNoMetric = errors.New("there is no such metric")

// profile keeps a CPU profile of the node while f runs.
func (n *node) profile(ctx context.Context, path string, seconds float64, f func() error) error {
	done := make(chan error, 1)
	go func() {
		text, err := n.get(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(seconds))))
		if err == nil {
			err = os.WriteFile(path, text, 0o644)
		}
		done <- err
	}()
	return errors.Join(f(), <-done)
}
