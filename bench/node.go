//go:build linux

package main

import (
	"bufio"
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
	*child
	addr, ops string        // of the public and the operations port
	data      string        // folder
	ready     time.Duration // from its start to its words that it is ready
}

// startNode runs the program on a data folder, at free ports unless the arguments say others.
func startNode(ctx context.Context, program, data string, args ...string) (*node, error) {
	start := time.Now()
	args = append([]string{"dev", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0",
		"--data", data, "--log-level", "warn"}, args...)
	c, err := spawn(ctx, program, args...)
	if err != nil {
		return nil, err
	}
	n := &node{child: c, data: data}
	lines := bufio.NewScanner(c.out)
	for lines.Scan() && n.ops == "" {
		if n.ready == 0 {
			n.ready = time.Since(start)
		}
		n.understand(lines.Text())
	}
	if n.addr == "" || n.ops == "" {
		return nil, errors.Join(fmt.Errorf("the node did not start: %s", c.errors.String()), c.stop())
	}
	go func() { _, _ = io.Copy(io.Discard, c.out) }()
	return n, nil
}

// understand takes the ports from the welcome.
func (n *node) understand(line string) {
	if rest, found := strings.CutPrefix(line, "Carillon is ready on "); found {
		host, _, _ := strings.Cut(rest, " ")
		n.addr = strings.Replace(host, "localhost", "127.0.0.1", 1)
	}
	if _, rest, found := strings.Cut(line, "Health and metrics: http://"); found {
		n.ops, _, _ = strings.Cut(rest, "/")
	}
}

func (n *node) pid() int { return n.Process.Pid }

// get reads a page of the operations port.
func (n *node) get(ctx context.Context, path string) (_ []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.ops+path, nil)
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
	m.resident, err = residentBytes(n.pid())
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
