package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// Build builds the program into the folder, without cgo as a release is built, and returns its path. The arguments are
// more of go build, such as -race, which needs cgo.
func Build(ctx context.Context, dir string, args ...string) (program string, err error) {
	program = filepath.Join(dir, "carillon")
	args = append(append([]string{"build", "-o", program}, args...), "github.com/carillon-chat/carillon/cmd/carillon")
	build := exec.CommandContext(ctx, "go", args...)
	if !slices.Contains(args, "-race") {
		build.Env = append(build.Environ(), "CGO_ENABLED=0")
	}
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return program, nil
}

// Process is a dev mode node in a process of its own.
type Process struct {
	Addr    string // where clients reach it: of the public port, unless it was given a public-host
	OpsAddr string // of the operations port; empty without one
	Stdout  Log    // the welcome
	Stderr  Log    // the node's log

	cmd   *exec.Cmd
	ended <-chan struct{}
}

var (
	publicHost = regexp.MustCompile(`Carillon is ready on (\S+)`)
	opsAddress = regexp.MustCompile(`Health and metrics: http://([^/]+)/`)
)

// Launch starts the program's dev mode on a data folder, at free ports of 127.0.0.1 unless the arguments say others, and returns
// when it says that it is ready. The process is killed when ctx ends.
func Launch(ctx context.Context, program, data string, args ...string) (*Process, error) {
	args = append([]string{"dev", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--log-level", "warn", "--data", data}, args...)
	p := &Process{cmd: exec.CommandContext(ctx, program, args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.Stdout, &p.Stderr
	p.cmd.WaitDelay = 5 * time.Second
	url, err := pgtest.DatabaseOf(ctx, data)
	if err != nil {
		return nil, err
	}
	if url != "" {
		p.cmd.Env = append(p.cmd.Environ(), databaseURL+url, nodeLease)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	running, end := context.WithCancel(context.Background())
	p.ended = running.Done()
	go func() {
		_ = p.cmd.Wait() // ExitCode has the result
		end()
	}()

	// The welcome is one text, of which this is the last line.
	if err := p.Stdout.Await(running, "Stop with Ctrl-C"); err != nil {
		return nil, fmt.Errorf("the node did not start: %s", strings.TrimSpace(p.Stderr.String()))
	}
	welcome := p.Stdout.String()
	if m := publicHost.FindStringSubmatch(welcome); m != nil {
		p.Addr = strings.Replace(m[1], "localhost", "127.0.0.1", 1)
	}
	if m := opsAddress.FindStringSubmatch(welcome); m != nil {
		p.OpsAddr = m[1]
	}
	return p, nil
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// ExitCode is what the process ended with, -1 after a signal. It may be called when Ended is closed.
func (p *Process) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Signal sends a signal and does not wait for anything.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Kill ends the process without a chance to clean up, and waits for its end.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

// Stop asks the process to end and waits; after 15 s it is killed.
func (p *Process) Stop() error {
	killer := time.AfterFunc(15*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer killer.Stop()
	return p.end(syscall.SIGTERM)
}

func (p *Process) end(s os.Signal) error {
	err := p.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-p.ended
	return err
}
