package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
)

// startApp runs a fresh node in dev mode inside this process, with its data in dir. Flags are
// those of carillon dev; now is its clock. stop ends it and tells when the end was not clean.
func startApp(ctx context.Context, dir string, flags map[string]string, now func() time.Time) (node *app.App, stop func() error, err error) {
	all := map[string]string{"listen": "127.0.0.1:0", "ops-listen": "", "data": filepath.Join(dir, "data")}
	for key, value := range flags {
		all[key] = value
	}
	cfg, err := config.Load(config.Dev, config.Sources{Flags: all})
	if err != nil {
		return nil, nil, err
	}
	var log buffer
	level := new(slog.LevelVar)
	level.Set(slog.LevelError)
	node, err = app.New(ctx, cfg, app.Deps{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level})), Now: now, Version: "endurance"})
	if err != nil {
		return nil, nil, err
	}
	running, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(running) }()
	<-node.Ready()
	return node, sync.OnceValue(func() error {
		cancel()
		err := <-done
		if text := log.String(); text != "" {
			err = errors.Join(err, fmt.Errorf("the node logged errors:\n%s", text))
		}
		return err
	}), nil
}

// build makes the program and returns its path; race adds the race detector.
func build(ctx context.Context, dir string, race bool) (string, error) {
	path := filepath.Join(dir, "carillon")
	args := []string{"build", "-o", path}
	if race {
		args = append(args, "-race")
	}
	c := exec.CommandContext(ctx, "go", append(args, "github.com/carillon-chat/carillon/cmd/carillon")...)
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
}

// process is a node in dev mode as a process of its own, which can be killed.
type process struct {
	*exec.Cmd
	addr  string // of the public port
	log   buffer // its standard error
	ended chan struct{}
}

// startProcess runs the program on a data folder and an address, such as 127.0.0.1:0, until it
// says that it is ready. It ends with ctx at the latest.
func startProcess(ctx context.Context, program, data, listen string, flags ...string) (*process, error) {
	args := append([]string{"dev", "--listen", listen, "--ops-listen", "", "--data", data, "--log-level", "warn"}, flags...)
	p := &process{Cmd: exec.CommandContext(ctx, program, args...), ended: make(chan struct{})}
	p.WaitDelay = 5 * time.Second
	p.Stderr = &p.log
	out, err := p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for p.addr == "" && lines.Scan() {
		if rest, found := strings.CutPrefix(lines.Text(), "Carillon is ready on "); found {
			host, _, _ := strings.Cut(rest, " ")
			p.addr = strings.Replace(host, "localhost", "127.0.0.1", 1)
		}
	}
	go func() {
		_, _ = io.Copy(io.Discard, out)
		_ = p.Wait()
		close(p.ended)
	}()
	if p.addr == "" {
		return nil, errors.Join(fmt.Errorf("the node did not start: %s", &p.log), p.kill())
	}
	return p, nil
}

// kill ends the process without a chance to clean up, and waits for its end.
func (p *process) kill() error { return p.end(os.Kill) }

// stop asks the process to end and waits; after 15 s it is killed.
func (p *process) stop() error {
	killer := time.AfterFunc(15*time.Second, func() { _ = p.Process.Kill() })
	defer killer.Stop()
	return p.end(os.Interrupt)
}

func (p *process) end(signal os.Signal) error {
	err := p.Process.Signal(signal)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-p.ended
	return err
}

// buffer keeps text that is written and read at the same time.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
