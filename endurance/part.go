package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/carillon-chat/carillon/endurance/processing"
	"github.com/carillon-chat/carillon/internal/lab"
)

// part is a process that the node calls, such as a sink: this program in one of its roles. It is killed and frozen, and comes
// back at the address where it was.
type part struct {
	name string
	args []string // of the role
	log  lab.Log

	mu      sync.Mutex
	process *os.Process
	away    time.Duration // that it stays away after its next end
	outages []processing.Outage
	starts  int
}

// partReady is what a role says when it serves.
const partReady = "ready\n"

// restartWithin bounds how long a process is given to serve at its address again, which another connection may hold for a moment.
const restartWithin = 30 * time.Second

// run keeps the process running until ctx ends, and says on up when it serves for the first time.
func (p *part) run(ctx context.Context, up chan<- error) error {
	for from := processing.Time(0); ; {
		command, err := p.start(ctx)
		if up != nil {
			up <- err
			up = nil
		}
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.process = command.Process
		if p.starts++; from > 0 {
			p.outages = append(p.outages, processing.Outage{Process: p.name, From: from, To: now()})
		}
		p.mu.Unlock()

		_ = command.Wait() // it is killed, or ended itself
		from = now()
		p.mu.Lock()
		p.process = nil
		away := p.away
		p.away = 0
		p.mu.Unlock()
		if rest(ctx, away); ctx.Err() != nil {
			return nil
		}
	}
}

// start starts the process and waits until it serves.
func (p *part) start(ctx context.Context) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(restartWithin); ; {
		command := exec.CommandContext(ctx, self, append([]string{"part", p.name}, p.args...)...)
		command.Env = append(os.Environ(), asCommand+"=1")
		command.Stderr = &p.log
		command.WaitDelay = 5 * time.Second
		out, err := command.StdoutPipe()
		if err == nil {
			err = command.Start()
		}
		if err != nil {
			return nil, err
		}

		// It says when it serves, or ends.
		word := make([]byte, len(partReady))
		if _, err := io.ReadFull(out, word); err == nil && string(word) == partReady {
			return command, nil
		}
		_ = command.Wait()
		if time.Now().After(deadline) || ctx.Err() != nil {
			return nil, fmt.Errorf("%s does not start: %s", p.name, strings.TrimSpace(p.log.String()))
		}
		rest(ctx, 100*time.Millisecond)
	}
}

// kill ends the process without a chance to clean up, and leaves it away for a time.
func (p *part) kill(away time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil { // it is away
		return nil
	}
	p.away = away
	return p.process.Kill()
}

// freeze stops the process for a time.
func (p *part) freeze(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	process := p.process
	p.mu.Unlock()
	if process == nil {
		return nil
	}
	_ = process.Signal(syscall.SIGSTOP) // it may have ended
	rest(ctx, d)
	_ = process.Signal(syscall.SIGCONT)
	return nil
}

// isUp reports whether the process serves.
func (p *part) isUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process != nil
}

// absences are when the process was away.
func (p *part) absences() []processing.Outage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outages
}

// now is the time of histories.
func now() processing.Time { return processing.Time(time.Now().UnixNano()) }
