//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// bench is one run.
type bench struct {
	dir     string // temporary
	program string // the built binary
	seconds float64
	rounds  int
	sockets int
	profile string // folder for profiles, or empty
	other   string // program of another commit, or empty
	rows    []row

	pushed float64 // frames a second of the raw push, once measured
	size   int     // of a frame on the wire
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
	{"policies", (*bench).policies},
	{"before", (*bench).before},
	{"deliver", (*bench).deliver},
	{"latency", (*bench).latency},
	{"memory", (*bench).idle},
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
			n, err := startNode(ctx, b.program, data)
			if err != nil {
				return err
			}
			*times = append(*times, float64(n.ready.Microseconds())/1000)
			_ = n.stop()
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

func (b *bench) stage(ctx context.Context, name string, members int) (s scene, err error) {
	return b.stageOf(ctx, b.program, name, members)
}

func (b *bench) stageOf(ctx context.Context, program, name string, members int) (s scene, err error) {
	if s.node, err = startNode(ctx, program, filepath.Join(b.dir, name)); err != nil {
		return s, err
	}
	calls := newAPI("http://" + s.addr)
	defer calls.client.CloseIdleConnections()
	app, err := calls.makeApp(ctx)
	if err == nil {
		s.users, err = calls.makeUsers(ctx, app, members)
	}
	for from := 0; from < members && err == nil; from += channelMembers {
		s.channel, err = calls.makeChannel(ctx, app, fmt.Sprintf("channel-%d", from), s.users[from:min(members, from+channelMembers)])
	}
	if err != nil {
		return s, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s scene) job(seconds float64, online, perSecond int) loadJob {
	return loadJob{
		Addr: s.addr, PID: s.pid(), Channel: s.channel, Sender: s.users[0], Members: s.users[:online],
		Seconds: seconds, Stock: int(seconds * float64(perSecond)), Keys: root,
	}
}

func (b *bench) send(ctx context.Context) error {
	s, err := b.stage(ctx, "send", 1)
	if err != nil {
		return err
	}
	defer s.stop()
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
	defer s.stop()
	job := s.job(b.seconds, 1, 40_000)
	limited := job
	calls := newAPI("http://" + s.addr)
	defer calls.client.CloseIdleConnections()
	if limited.Keys, err = calls.limitedKeys(ctx, s.users[0]); err != nil {
		return err
	}
	return b.against(ctx, "policies", "signed durable sends under a policy of forty actions", "server CPU of such a send", limited,
		"the same by the root", job, 0.95)
}

// before compares sends with those of another build of the program, when one is given.
func (b *bench) before(ctx context.Context) error {
	if b.other == "" {
		return nil
	}
	s, err := b.stage(ctx, "now", 1)
	if err != nil {
		return err
	}
	defer s.stop()
	old, err := b.stageOf(ctx, b.other, "before", 1)
	if err != nil {
		return err
	}
	defer old.stop()
	return b.against(ctx, "before", "signed durable sends of this build", "server CPU of such a send", s.job(b.seconds, 1, 40_000),
		"of "+b.other, old.job(b.seconds, 1, 40_000), 0.95)
}

// against compares sends with those of a reference, in turns, by their number and their cost. The
// ratio of the numbers aims at least.
func (b *bench) against(ctx context.Context, part, number, cost string, job loadJob, reference string, compared loadJob, least float64) error {
	var sends, raw, cpu, rawCPU []float64
	for round := range b.rounds {
		jobs := [2]loadJob{job, compared}
		var results [2]loadResult
		for i := range jobs {
			which := (i + round) % 2 // neither is always the first
			var err error
			if results[which], err = ask[loadResult](ctx, "load", jobs[which]); err != nil {
				return err
			}
		}
		a, c := results[0], results[1]
		sends, raw = append(sends, a.sendsPerSecond()), append(raw, c.sendsPerSecond())
		cpu, rawCPU = append(cpu, a.cpuPerSend()), append(rawCPU, c.cpuPerSend())
	}
	b.add(figure(part, number, "/s", sends).against(reference, raw).aims(ratioAtLeast(least)),
		figure(part, cost, "us", cpu).against(reference, rawCPU))
	return nil
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

// members online in the measurements of push.
const members = 100

func (b *bench) deliver(ctx context.Context) error {
	s, err := b.stage(ctx, "deliver", members)
	if err != nil {
		return err
	}
	defer s.stop()
	job := s.job(b.seconds, members, 20_000)
	var frames, raw, cpu, sends []float64
	for range b.rounds {
		measured, err := ask[loadResult](ctx, "load", job)
		if err != nil {
			return err
		}
		b.size = measured.Size
		compared, err := b.push(ctx, 0)
		if err != nil {
			return err
		}
		frames, raw = append(frames, measured.framesPerSecond()), append(raw, compared.framesPerSecond())
		cpu = append(cpu, float64(measured.CPU.Nanoseconds())/1000/measured.Frames)
		sends = append(sends, measured.sendsPerSecond())
	}
	b.pushed = median(raw)
	b.add(figure("deliver", "deliveries, 100 members, saturated", "/s", frames).
		against(fmt.Sprintf("write(2) of the same %d bytes to each of 100 sockets", b.size), raw).aims(ratioAtLeast(3)),
		figure("deliver", "sends meanwhile", "/s", sends),
		figure("deliver", "server CPU of a delivery, sends included", "us", cpu))
	return b.profiled(ctx, s, "deliver", job)
}

// push runs the reference of push.
func (b *bench) push(ctx context.Context, rate float64) (loadResult, error) {
	return ask[loadResult](ctx, "push", pushJob{Sockets: members, Size: b.size, Seconds: b.seconds, Rate: rate, Dir: b.dir})
}

func (b *bench) latency(ctx context.Context) error {
	s, err := b.stage(ctx, "latency", members)
	if err != nil {
		return err
	}
	defer s.stop()
	if b.pushed == 0 { // the part before was left out
		warm := s.job(0.2, members, 1000)
		sized, err := ask[loadResult](ctx, "load", warm)
		if err != nil {
			return err
		}
		b.size = sized.Size
		raw, err := b.push(ctx, 0)
		if err != nil {
			return err
		}
		b.pushed = raw.framesPerSecond()
	}
	rate := b.pushed / 2 / members
	job := s.job(b.seconds, members, int(rate)+1)
	job.Rate = rate
	var p50, p99, raw50, raw99 []float64
	for range b.rounds {
		measured, err := ask[loadResult](ctx, "load", job)
		if err != nil {
			return err
		}
		compared, err := b.push(ctx, rate)
		if err != nil {
			return err
		}
		p50, p99 = append(p50, measured.P50/1000), append(p99, measured.P99/1000)
		raw50, raw99 = append(raw50, compared.P50/1000), append(raw99, compared.P99/1000)
	}
	at := fmt.Sprintf("%.0f sends/s to 100", rate)
	const raw = "one thread: grouped fdatasync, then write(2) to each"
	b.add(figure("latency", "send to receive p50 at half of raw", "ms", p50).against(raw+", "+at, raw50).aims(valueAtMost(1)),
		figure("latency", "send to receive p99 at half of raw", "ms", p99).against(raw+", "+at, raw99).aims(valueAtMost(3.5)))
	return b.profiled(ctx, s, "latency", job)
}

// kernelFloor is the kernel's memory for one TCP endpoint, in KB (design, limits of the machine).
const kernelFloor = 4.8

func (b *bench) idle(ctx context.Context) error {
	for _, kind := range []struct {
		name   string
		secure bool
		most   float64
	}{{"plaintext", false, 1.5}, {"TLS", true, 10}} {
		user, resident, err := b.idleSockets(ctx, kind.name, kind.secure)
		if err != nil {
			return err
		}
		b.add(figure("memory", "idle session, "+kind.name+", heap and stacks", "KB", user).aims(valueAtMost(kind.most)),
			figure("memory", "idle session, "+kind.name+", resident", "KB", resident).
				against("kernel memory of a TCP endpoint, which comes on top", []float64{kernelFloor}))
	}
	return nil
}

// idleSockets gives the memory of a session: from none to a quarter of the sockets, and from
// there to all.
func (b *bench) idleSockets(ctx context.Context, name string, secure bool) (user, resident []float64, err error) {
	s, err := b.stage(ctx, "memory-"+name, b.sockets)
	if err != nil {
		return nil, nil, err
	}
	defer s.stop()
	before, err := s.memory(ctx)
	if err != nil {
		return nil, nil, err
	}
	job := holdJob{Addr: s.addr, Users: s.users, Steps: []int{b.sockets / 4, b.sockets}}
	if secure {
		job.CAFile = filepath.Join(s.data, "tls", "ca.pem")
	}
	holder, err := spawnRole(ctx, "hold", job)
	if err != nil {
		return nil, nil, err
	}
	defer holder.stop()
	lines := bufio.NewScanner(holder.out)
	held := 0
	for _, step := range job.Steps {
		if !lines.Scan() {
			_ = holder.stop()
			return nil, nil, fmt.Errorf("hold: %s", holder.errors.String())
		}
		after, err := s.settled(ctx)
		if err != nil {
			return nil, nil, err
		}
		added := float64(step-held) * 1000
		user, resident = append(user, (after.user-before.user)/added), append(resident, (after.resident-before.resident)/added)
		held, before = step, after
		if _, err := fmt.Fprintln(holder.in); err != nil {
			return nil, nil, err
		}
	}
	return user, resident, nil
}

// settled measures memory when it has stopped falling: stacks shrink with each collection.
func (n *node) settled(ctx context.Context) (m memory, err error) {
	for range 5 {
		before := m.user
		if m, err = n.memory(ctx); err != nil {
			return m, err
		}
		if before != 0 && m.user > before*0.99 {
			break
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return m, ctx.Err()
		}
	}
	return m, nil
}
