//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/carillon-chat/carillon/internal/lab"
)

// program is a process of another server.
type program struct {
	cmd   *exec.Cmd
	log   lab.Log
	ended chan struct{} // closed when it has ended
}

// launch starts a program and waits until it takes connections at the address. It is killed with ctx.
func launch(ctx context.Context, addr, name string, args ...string) (*program, error) {
	p := &program{cmd: exec.CommandContext(ctx, name, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // by a signal or not: it is over
		close(p.ended)
	}()

	// Not every server says when it is ready, so it is asked.
	for {
		if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			_ = conn.Close()
			return p, nil
		}
		select {
		case <-p.ended:
			return nil, fmt.Errorf("%s did not start: %s", name, strings.TrimSpace(p.log.String()))
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), p.end(syscall.SIGKILL))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// end sends a signal and waits for the end; after 15 s the program is killed.
func (p *program) end(s os.Signal) error {
	killer := time.AfterFunc(15*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer killer.Stop()
	err := p.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-p.ended
	return err
}

// freePort is a port of 127.0.0.1 that was free a moment ago.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
