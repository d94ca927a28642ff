//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
)

// bench is one run.
type bench struct {
	dir     string // temporary
	program string // the built binary
	sizes   sizes
	seconds float64
	rounds  int
	soaking time.Duration // of the part soak; 0 leaves it out
	growth  float64       // most that a soak may add, as a ratio
	profile string        // folder for profiles, or empty
	other   string        // program of another commit, or empty
	kept    string        // data folder of a store that has grown, or empty
	args    []string      // more arguments of nodes
	rows    []row
	failed  []error // what the run has to fail for when all is written

	pushed map[int]float64 // frames a second of the raw push to so many sockets, once measured
	size   int             // of a frame on the wire
}

// parts in the order in which they run.
var parts = []struct {
	name string
	run  func(*bench, context.Context) error
}{
	{"size", (*bench).binarySize},
	{"start", (*bench).start},
	{"store", (*bench).store},
	{"send", (*bench).send},
	{"database", (*bench).database},
	{"policies", (*bench).policies},
	{"before", (*bench).before},
	{"deliver", (*bench).deliver},
	{"latency", (*bench).latency},
	{"broadcast", (*bench).broadcast},
	{"slow", (*bench).slow},
	{"memory", (*bench).idle},
	{"nodes", (*bench).nodes},
	{"storm", (*bench).storm},
	{"strangers", (*bench).strangers},
	{"sink-down", (*bench).sinkDown},
	{"processor", (*bench).processor},
	{"expiry", (*bench).expiry},
	{"fill", (*bench).fillOnly},
	{"growth", (*bench).hasGrown},
	{"soak", (*bench).soak},
}

func (b *bench) add(rows ...row) { b.rows = append(b.rows, rows...) }

func (b *bench) binarySize(context.Context) error {
	info, err := os.Stat(b.program)
	if err != nil {
		return err
	}
	b.add(figure("size", "binary", "MiB", []float64{float64(info.Size()) / (1 << 20)}))
	return nil
}

func (b *bench) start(ctx context.Context) error {
	var fresh, again []float64
	for i := range b.rounds {
		data := filepath.Join(b.dir, fmt.Sprintf("start-%d", i))
		for _, times := range []*[]float64{&fresh, &again} {
			n, err := startNode(ctx, b.program, data, b.args...)
			if err != nil {
				return err
			}
			*times = append(*times, float64(n.ready.Microseconds())/1000)
			_ = n.Stop()
		}
	}
	b.add(figure("start", "dev to ready, fresh folder", "ms", fresh),
		figure("start", "dev to ready, second start", "ms", again))
	return nil
}

func (b *bench) store(ctx context.Context) error {
	job := storeJob{Dir: b.dir, Seconds: b.seconds, Size: transactionSize()}
	var appends, raw, cpu []float64
	for range b.rounds {
		measured, err := ask[storeResult](ctx, "store", job)
		if err != nil {
			return err
		}
		reference, err := ask[storeResult](ctx, "log", job)
		if err != nil {
			return err
		}
		appends, raw = append(appends, measured.perSecond()), append(raw, reference.perSecond())
		cpu = append(cpu, float64(measured.CPU.Microseconds())/measured.Appends)
	}
	b.add(figure("store", "durable transactions, 64 callers", "/s", appends).
		against("preallocated log, fdatasync for a group, same bytes", raw).aims(ratioAtLeast(0.35)),
		figure("store", "CPU of a transaction", "us", cpu))
	return nil
}

// scene is a node with a channel of members.
type scene struct {
	*node
	channel string
	users   []string
}

// stage starts a node whose users are all in one channel.
func (b *bench) stage(ctx context.Context, name string, members int, args ...string) (scene, error) {
	return b.stageOf(ctx, b.program, name, members, members, args...)
}

// stageOf starts a node of a program whose users are in channels of a size; the last channel is
// the scene's.
func (b *bench) stageOf(ctx context.Context, program, name string, users, members int, args ...string) (s scene, err error) {
	if s.node, err = startNode(ctx, program, filepath.Join(b.dir, name), append(args, b.args...)...); err != nil {
		return s, err
	}
	calls := rig.NewAPI(s.Addr)
	defer calls.Close()
	app, err := calls.MakeApp(ctx)
	if err == nil {
		s.users, err = calls.MakeUsers(ctx, app, users)
	}
	for from := 0; from < users && err == nil; from += members {
		s.channel, err = calls.MakeChannel(ctx, app, fmt.Sprintf("channel-%d", from), s.users[from:min(users, from+members)])
	}
	if err != nil {
		return s, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s scene) job(seconds float64, online, perSecond int) loadJob {
	return loadJob{
		Addr: s.Addr, PID: s.PID(), Channel: s.channel, Sender: s.users[0], Members: s.users[:online],
		Seconds: seconds, Stock: int(seconds * float64(perSecond)), Keys: lab.DevKeys(),
	}
}

func (b *bench) send(ctx context.Context) error {
	s, err := b.stage(ctx, "send", 1)
	if err != nil {
		return err
	}
	defer s.Stop()
	plain, err := spawnRole(ctx, "http", nil)
	if err != nil {
		return err
	}
	defer plain.stop()
	var addr string
	if _, err := fmt.Fscanln(plain.out, &addr); err != nil {
		return fmt.Errorf("http: %w: %s", err, plain.errors.String())
	}
	job := s.job(b.seconds, 1, 40_000)
	reference := job
	reference.Addr, reference.PID, reference.Members = addr, plain.Process.Pid, nil
	reference.Stock = int(b.seconds * 70_000)

	err = b.against(ctx, "send", "signed durable sends, 1 member online", "server CPU of a send", job,
		"net/http, the same request answered with nothing", reference, 0.33)
	if err != nil {
		return err
	}
	return b.profiled(ctx, s, "send", job)
}

// policies compares sends that IAM policies decide about with those of the root, which may do
// everything, on one node.
func (b *bench) policies(ctx context.Context) error {
	s, err := b.stage(ctx, "policies", 1)
	if err != nil {
		return err
	}
	defer s.Stop()
	job := s.job(b.seconds, 1, 40_000)
	limited := job
	calls := rig.NewAPI(s.Addr)
	defer calls.Close()
	if limited.Keys, err = limitedKeys(ctx, calls.Peer, s.users[0]); err != nil {
		return err
	}
	return b.against(ctx, "policies", "signed durable sends under a policy of forty actions", "server CPU of such a send", limited,
		"the same by the root", job, 0.95)
}

// against compares sends with those of a reference, in turns, by their number and their cost. The
// ratio of the numbers aims at least.
func (b *bench) against(ctx context.Context, part, number, cost string, job loadJob, reference string, compared loadJob, least float64) error {
	sends, raw, err := b.inTurns(ctx, job, compared)
	if err != nil {
		return err
	}
	b.add(figure(part, number, "/s", each(sends, loadResult.sendsPerSecond)).
		against(reference, each(raw, loadResult.sendsPerSecond)).aims(ratioAtLeast(least)),
		figure(part, cost, "us", each(sends, loadResult.cpuPerSend)).against(reference, each(raw, loadResult.cpuPerSend)))
	return nil
}

// inTurns puts two loads on the machine in turns, round after round, neither always the first.
func (b *bench) inTurns(ctx context.Context, job, compared loadJob) (measured, reference []loadResult, err error) {
	for round := range b.rounds {
		jobs := [2]loadJob{job, compared}
		var results [2]loadResult
		for i := range jobs {
			which := (i + round) % 2
			if results[which], err = ask[loadResult](ctx, "load", jobs[which]); err != nil {
				return nil, nil, err
			}
		}
		measured, reference = append(measured, results[0]), append(reference, results[1])
	}
	return measured, reference, nil
}

// each takes one figure of every result.
func each(results []loadResult, figure func(loadResult) float64) (figures []float64) {
	for _, r := range results {
		figures = append(figures, figure(r))
	}
	return figures
}

// profiled runs one more round under the profiler, when profiles are wanted.
func (b *bench) profiled(ctx context.Context, s scene, name string, job loadJob) error {
	if b.profile == "" {
		return nil
	}
	job.Stock = min(job.Stock, int(b.seconds*12_000)) // so that signing takes little of the profile
	return s.profile(ctx, filepath.Join(b.profile, name+".pprof"), b.seconds+1, func() error {
		_, err := ask[loadResult](ctx, "load", job)
		return err
	})
}
