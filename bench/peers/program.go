//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
)

// program is a process of another server.
type program struct {
	cmd   *exec.Cmd
	log   lab.Log
	ended chan struct{} // closed when it has ended
}

// command is how a program is started.
type command struct {
	name          string
	args          []string
	network, addr string              // where it takes connections
	dir           string              // in which it works; empty is that of this process
	as            *syscall.Credential // nil is the user of this process
}

// launch starts a program and waits until it takes connections. It is killed with ctx.
func (c command) launch(ctx context.Context) (*program, error) {
	p := &program{cmd: exec.CommandContext(ctx, c.name, c.args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.Dir, p.cmd.SysProcAttr = c.dir, &syscall.SysProcAttr{Credential: c.as}
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
		if conn, err := net.DialTimeout(c.network, c.addr, time.Second); err == nil {
			_ = conn.Close()
			return p, nil
		}
		select {
		case <-p.ended:
			return nil, fmt.Errorf("%s did not start: %s", c.name, strings.TrimSpace(p.log.String()))
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

// ask sends a prepared request over a connection of its own and reads the answer as JSON into out.
func ask(addr string, request []byte, out any) error {
	c, err := rig.DialHTTP(addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(request); err != nil {
		return err
	}
	body, err := c.Body()
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(body, out)
}
