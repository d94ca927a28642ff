//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
)

// What strangers do, and what a customer does that has turned against the node.
const (
	strangersBodies   = "bodies"   // calls without a signature, whose body stops half-way
	strangersUpgrades = "upgrades" // WebSockets without a signature, or with a wrong one
	strangersFloods   = "floods"   // sockets of a customer that send without end
)

const (
	strangerBody  = 1 << 20             // bytes that each of them announces
	strangerPause = time.Second         // before one that was turned away comes back
	strangersHeld = 1000                // upgrades that are left open at most
	strangersRise = 3 * time.Second / 2 // until what they do is in full swing: a pause and what comes between two
	floodSockets  = 20
	// strangersMemory is what the defaults of the settings allow them to hold, generously: a
	// connection of net/http has 20 KB at most as long as its body is not read.
	strangersMemory = 100 // MB
	// strangersLog is a few lines a second.
	strangersLog = 4000 // bytes
)

// strangersJob is what strangers do until the input ends, for the role "strangers".
type strangersJob struct {
	Addr string
	Kind string
	Size int    // connections, or upgrades a second
	User string // that floods
}

// strangers compares the sends of a customer with those of the same customer while strangers are
// there. All of it is done to one node, so that what one leaves behind would show in the next.
func (b *bench) strangers(ctx context.Context) error {
	s, err := b.stage(ctx, "strangers", 2, "--log-level", "info")
	if err != nil {
		return err
	}

	// The log is complete when the node has stopped, so it is stopped before the figures, and on errors.
	stopped := false
	defer func() {
		if !stopped {
			_ = s.Stop()
		}
	}()

	job := s.job(b.seconds, 1, b.sizes.rate+1)
	job.Rate = float64(b.sizes.rate)
	busy := time.Duration(0)
	for _, kind := range []string{strangersBodies, strangersUpgrades, strangersFloods} {
		begin := time.Now()
		if err := b.strangersOf(ctx, s, kind, job); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		busy += time.Since(begin)
	}

	stopped = true
	if err := s.Stop(); err != nil {
		return err
	}
	b.add(figure("strangers", "log of the node while they were there", "B/s", []float64{float64(len(s.Stderr.String())) / busy.Seconds()}).
		aims(valueAtMost(strangersLog)))
	return nil
}

// strangersOf measures one kind.
func (b *bench) strangersOf(ctx context.Context, s scene, kind string, job loadJob) error {
	what := map[string]string{
		strangersBodies:   fmt.Sprintf("%d connections with half a body", b.sizes.strangers),
		strangersUpgrades: fmt.Sprintf("%d junk upgrades a second", b.sizes.strangers),
		strangersFloods:   fmt.Sprintf("%d sockets that send without end", floodSockets),
	}[kind]

	// Rounds with and without strangers take turns.
	var with, without, held []float64
	for round := range b.rounds {
		for i := range 2 {
			if (i+round)%2 == 0 {
				alone, err := ask[loadResult](ctx, "load", job)
				if err != nil {
					return err
				}
				without = append(without, alone.AckP99/1000)
				continue
			}
			p99, added, err := s.among(ctx, strangersJob{Addr: s.Addr, Kind: kind, Size: b.sizes.strangers, User: s.users[1]}, job)
			if err != nil {
				return err
			}
			with, held = append(with, p99), append(held, added)
		}
	}

	b.add(figure("strangers", "p99 of a signed send, with "+what, "ms", with).against("the same without them", without).aims(ratioAtMost(2)),
		figure("strangers", "resident memory added by "+what, "MB", held).aims(valueAtMost(strangersMemory)))
	return nil
}

// among measures a round of sends while strangers are there, and what they make the node hold.
func (s scene) among(ctx context.Context, strangers strangersJob, job loadJob) (p99, added float64, err error) {
	before, err := rig.ResidentBytes(s.PID())
	if err != nil {
		return 0, 0, err
	}
	c, err := spawnRole(ctx, "strangers", strangers)
	if err != nil {
		return 0, 0, err
	}
	defer c.stop()
	if _, err := fmt.Fscanln(c.out, new(string)); err != nil {
		return 0, 0, fmt.Errorf("strangers: %w: %s", err, c.errors.String())
	}
	result, err := ask[loadResult](ctx, "load", job)
	if err != nil {
		return 0, 0, err
	}
	after, err := rig.ResidentBytes(s.PID())
	return result.AckP99 / 1000, max(0, after-before) / 1e6, err
}

// runStrangers is the role: it says so with a line when it is in full swing, and goes on until the
// input ends.
func runStrangers(ctx context.Context, job strangersJob, in io.Reader, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()

	var err error
	switch job.Kind {
	case strangersBodies:
		for i := range job.Size { // spread, so that they do not come in waves
			time.AfterFunc(strangersRise*time.Duration(i)/time.Duration(job.Size), func() { again(ctx, func() { halfBody(ctx, job.Addr) }) })
		}
	case strangersUpgrades:
		err = job.upgrades(ctx)
	case strangersFloods:
		for range floodSockets {
			go again(ctx, func() { flood(ctx, job) })
		}
	default:
		err = fmt.Errorf("strangers do not know %q", job.Kind)
	}

	if err != nil {
		return err
	}

	// Nothing shows full swing but time.
	select {
	case <-time.After(strangersRise):
	case <-ctx.Done():
	}
	fmt.Fprintln(out, "busy")
	_, _ = io.Copy(io.Discard, in)
	return nil
}

// again does something until ctx ends, with a pause as clients make one.
func again(ctx context.Context, do func()) {
	for ctx.Err() == nil {
		do()
		select {
		case <-time.After(strangerPause):
		case <-ctx.Done():
		}
	}
}

// halfBody sends half of what it announces and waits to be turned away.
func halfBody(ctx context.Context, addr string) {
	c, err := dialStranger(ctx, addr)
	if err != nil {
		return
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", addr, strangerBody); err != nil {
		return
	}
	half := bytes.Repeat([]byte("x"), 16<<10)
	for range strangerBody / 2 / len(half) {
		if _, err := c.Write(half); err != nil {
			return
		}
	}
	_, _ = io.Copy(io.Discard, c)
}

// dialStranger opens a connection that ends with ctx.
func dialStranger(ctx context.Context, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err == nil {
		_ = c.(*net.TCPConn).SetLinger(0) // no TIME_WAIT
		context.AfterFunc(ctx, func() { _ = c.Close() })
	}
	return c, err
}

// upgrades asks for so many WebSockets a second, of two kinds in turns, and reads nothing.
func (job strangersJob) upgrades(ctx context.Context) error {

	// One signed request is the pattern of both kinds: its signature is broken, or left out.
	r, err := rig.Door{Addr: job.Addr}.Upgrade(job.User)
	if err != nil {
		return err
	}
	signed, err := rig.Wire(r)
	if err != nil {
		return err
	}
	line, rest, _ := strings.Cut(string(signed), " HTTP/1.1\r\n")
	wrong := line[:len(line)-8] + "00000000 HTTP/1.1\r\n" + rest // the end of the signature
	none := "GET /connect?x=1 HTTP/1.1\r\n" + rest

	// Each upgrade is sent and left open until a thousand others are.
	go func() {
		var mu sync.Mutex
		var open []net.Conn
		var dialing atomic.Int64
		_ = rig.Pace(ctx, float64(job.Size), time.Hour, 1<<40, func(i int, _ time.Time) error {
			if dialing.Load() > strangersHeld { // the machine is busy enough
				return nil
			}
			dialing.Add(1)
			go func() {
				defer dialing.Add(-1)
				c, err := new(net.Dialer).DialContext(ctx, "tcp", job.Addr)
				if err != nil {
					return
				}
				_ = c.(*net.TCPConn).SetLinger(0)
				_, _ = io.WriteString(c, []string{wrong, none}[i%2])
				mu.Lock()
				open = append(open, c)
				var oldest net.Conn
				if len(open) > strangersHeld {
					oldest, open = open[0], open[1:]
				}
				mu.Unlock()
				if oldest != nil {
					_ = oldest.Close()
				}
			}()
			return nil
		})
	}()
	return nil
}

// flood sends empty pieces of one message until the node has enough.
func flood(ctx context.Context, job strangersJob) {
	s, err := rig.Door{Addr: job.Addr}.Connect(job.User)
	if err != nil {
		return
	}
	defer s.Close()
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	piece := []byte{0x00, 0x80, 0, 0, 0, 0} // masked, without FIN
	many := bytes.Repeat(piece, 4096)
	_, err = s.Write([]byte{0x01, 0x80, 0, 0, 0, 0}) // the first piece is a text
	for err == nil {
		_, err = s.Write(many)
	}
	if !errors.Is(err, net.ErrClosed) {
		_, _ = io.Copy(io.Discard, s) // the close frame
	}
}
