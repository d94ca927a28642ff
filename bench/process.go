//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/carillon-chat/carillon/internal/lab"
)

// child is another process of this program in one of its roles. It ends with
// the context that started it.
type child struct {
	*exec.Cmd
	in     io.WriteCloser
	out    io.Reader
	errors lab.Log
}

// spawn starts a program whose stdout is read and stdin written here.
func spawn(ctx context.Context, name string, args ...string) (*child, error) {
	c := &child{Cmd: exec.CommandContext(ctx, name, args...)}
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 5 * time.Second
	c.Stderr = &c.errors
	var err error
	if c.in, err = c.StdinPipe(); err != nil {
		return nil, err
	}
	if c.out, err = c.StdoutPipe(); err != nil {
		return nil, err
	}
	return c, c.Start()
}

// spawnRole starts this program in a role, with its job on stdin.
func spawnRole(ctx context.Context, role string, job any) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c, err := spawn(ctx, self, "-role", role)
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(c.in).Encode(job); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// stop asks the process to end and waits for it.
func (c *child) stop() error {
	_ = c.in.Close() // roles that wait for more end with it
	_ = c.Process.Signal(syscall.SIGTERM)
	killer := time.AfterFunc(10*time.Second, func() { _ = c.Process.Kill() })
	defer killer.Stop()
	_, _ = io.Copy(io.Discard, c.out)
	_ = c.Wait() // by a signal or not: it is over
	return nil
}

// ask runs a role to its end and reads its result.
func ask[R any](ctx context.Context, role string, job any) (result R, err error) {
	c, err := spawnRole(ctx, role, job)
	if err != nil {
		return result, err
	}
	decoded := json.NewDecoder(c.out).Decode(&result)
	_ = c.in.Close()
	if err := c.Wait(); err != nil {
		return result, fmt.Errorf("%s: %w: %s", role, err, strings.TrimSpace(c.errors.String()))
	}
	return result, decoded
}
