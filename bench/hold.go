//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/carillon-chat/carillon/bench/rig"
)

// holdJob is a number of sockets that stay idle, for the role "hold".
type holdJob struct {
	Addr   string
	Source string   // address that they come from
	Users  []string // a socket for each
	CAFile string   // empty for plaintext
	Steps  []int    // how many sockets there are after each step
}

// runHold connects up to each step, says so with a line, and waits for a line before the next.
func runHold(job holdJob, in io.Reader, out io.Writer) error {
	d := rig.Door{Addr: job.Addr, Source: job.Source}
	c, err := rig.NewCrowd(nil, nil, nil)
	if err != nil {
		return err
	}
	defer c.Close()

	// A crowd reads plaintext alone; a TLS session reads in a goroutine of its own.
	admit := func(id int, s *rig.Socket) error { return c.Admit(id, s, false) }
	if job.CAFile != "" {
		if d.Secure, err = trusting(job.CAFile); err != nil {
			return err
		}
		admit = func(_ int, s *rig.Socket) error { go s.Idle(); return nil } // ends with the process
	}

	// One line to the parent for each step, and one from it before the next.
	lines := bufio.NewReader(in)
	held := 0
	for _, step := range job.Steps {
		err := rig.Parallel(rig.SetupCallers, step-held, func(i int) error {
			s, err := insist(d, job.Users[held+i])
			if err == nil {
				err = admit(held+i, s)
			}
			return err
		})
		if err != nil {
			return err
		}
		held = step
		fmt.Fprintln(out, step)
		if _, err := lines.ReadString('\n'); err != nil {
			return nil // the parent has gone
		}
	}
	return nil
}

// insist connects in spite of a machine that is busy with connecting: that takes as long as it
// takes, and is not what is measured.
func insist(d rig.Door, user string) (s *rig.Socket, err error) {
	for range 10 {
		if s, err = d.Connect(user); err == nil {
			break
		}
	}
	return s, err
}

func trusting(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	secure := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost", MinVersion: tls.VersionTLS13}
	if !secure.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("the CA's file has no certificate")
	}
	return secure, nil
}

// crew are processes that hold sockets, since one may not open so many files.
type crew struct {
	children []*child
	lines    []*bufio.Scanner
}

// mostHeld is how many sockets one process opens, of the 20,000 files that are usual.
const mostHeld = 18_000

// hold starts a crew with a socket for each user. Each of its processes comes from an address of
// its own; first distinguishes the crews of a run.
func hold(ctx context.Context, job holdJob, first int) (c *crew, err error) {
	c = &crew{}
	count := (len(job.Users) + mostHeld - 1) / mostHeld
	for n := range count {
		part := job
		part.Source = source(first + n)
		part.Users, part.Steps = share(job.Users, n, count), nil
		for _, step := range job.Steps {
			part.Steps = append(part.Steps, (step-n+count-1)/count)
		}
		child, err := spawnRole(ctx, "hold", part)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		c.children = append(c.children, child)
		c.lines = append(c.lines, bufio.NewScanner(child.out))
	}
	return c, nil
}

// source is an address of this machine for the n-th process that connects.
func source(n int) string { return fmt.Sprintf("127.0.%d.%d", 1+n/200, 1+n%200) }

// share is the n-th part of the list: every count-th item.
func share(list []string, n, count int) (part []string) {
	for i := n; i < len(list); i += count {
		part = append(part, list[i])
	}
	return part
}

// arrived waits until all processes have made the next step.
func (c *crew) arrived() error {
	for i, lines := range c.lines {
		if !lines.Scan() {
			_ = c.children[i].stop()
			return fmt.Errorf("%s", c.children[i].errors.String())
		}
	}
	return nil
}

// next lets all processes go on.
func (c *crew) next() error {
	for _, child := range c.children {
		if _, err := fmt.Fprintln(child.in); err != nil {
			return err
		}
	}
	return nil
}

func (c *crew) stop() error {
	for _, child := range c.children {
		_ = child.stop()
	}
	return nil
}
