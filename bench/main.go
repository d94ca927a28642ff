//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}

	chosen := flags.String("parts", strings.Join(names, ","), "parts to run")
	seconds := flags.Float64("seconds", 2, "length of a round")
	rounds := flags.Int("rounds", 3, "rounds of each part, in turns with its reference")
	little := flags.Bool("small", false, "few members and sockets, to see that all works; the figures mean nothing")
	changed := flags.String("sizes", "", "other sizes of measurements, such as storm=5000,idle=8000")
	soak := flags.Duration("soak", 0, "only measure what a node holds after so long at half load, and fail when it grows")
	nodeArgs := flags.String("node", "", "more arguments of the node, separated by spaces")
	dir := flags.String("dir", os.TempDir(), "folder for data, on the disk to be measured")
	file := flags.String("out", "", "file for the figures (default bin/bench-<commit>.json)")
	profiles := flags.String("profile", "", "folder for CPU profiles of the node under load")
	other := flags.String("before", "", "program built from another commit: what it does is measured in turns with this one")
	kept := flags.String("filled", "", "data folder of the store that has grown, which stays, and is filled when it is not there")
	compared := flags.String("compare", "", "print how two files differ: before.json,after.json")
	role := flags.String("role", "", "be a part of a measurement; used by this program itself")

	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}

	// Roles and comparisons measure nothing here, and need none of the settings.
	switch {
	case *role != "":
		return play(ctx, *role, in, out)
	case *compared != "":
		return compareFiles(out, *compared)
	case *seconds <= 0 || *seconds > 60 || *rounds < 1 || *rounds > 100:
		return errors.New("-seconds is up to 60, -rounds 1 to 100")
	case *soak != 0 && (*soak < 3*time.Second || *soak > 48*time.Hour):
		return errors.New("-soak is 3s to 48h")
	case *soak != 0:
		*chosen = "soak"
	}

	wanted := strings.Split(*chosen, ",")
	for _, name := range wanted {
		if !slices.Contains(names, name) {
			return fmt.Errorf("there is no part %q, only %s", name, strings.Join(names, ", "))
		}
	}

	b := &bench{
		sizes: full, seconds: *seconds, rounds: *rounds, soaking: *soak, growth: soakGrowth,
		profile: *profiles, other: *other, kept: *kept, args: strings.Fields(*nodeArgs), pushed: map[int]float64{},
	}
	if *little {
		b.sizes, b.growth = small, smallGrowth
	}
	if err := b.sizes.set(*changed); err != nil {
		return err
	}
	return b.run(ctx, *dir, wanted, *file, out)
}

func (b *bench) run(ctx context.Context, dir string, wanted []string, file string, out io.Writer) (err error) {
	r := describe(ctx)
	r.Seconds = b.seconds
	if b.dir, err = os.MkdirTemp(dir, "carillon-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()

	// What can fail without a measurement fails before the first.
	if b.profile != "" {
		if err := os.MkdirAll(b.profile, 0o755); err != nil {
			return err
		}
	}
	if b.program, err = build(ctx, b.dir); err != nil {
		return err
	}

	for _, p := range parts {
		if !slices.Contains(wanted, p.name) {
			continue
		}
		start := time.Now()
		if err := p.run(b, ctx); err != nil { // the figures before it are kept
			b.failed = append(b.failed, fmt.Errorf("%s: %w", p.name, err))
			break
		}
		fmt.Fprintf(os.Stderr, "measured %s in %.1f s\n", p.name, time.Since(start).Seconds())
	}

	// The file is written before the table is printed: a broken pipe loses no figures.
	r.Rows = b.rows
	if file == "" {
		file = filepath.Join("bin", "bench-"+r.Commit+".json")
		if err := os.MkdirAll("bin", 0o755); err != nil {
			return err
		}
	}
	if err := r.write(file); err != nil {
		return err
	}
	if err := r.print(out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nwritten to %s\n", file)
	return errors.Join(append(b.failed, err)...)
}

// describe says what is measured, and on what.
func describe(ctx context.Context) report {
	r := report{
		Commit: "unknown", Time: time.Now().UTC().Format(time.RFC3339), Go: runtime.Version(),
		Machine: fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
	}
	if commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=10").Output(); err == nil {
		r.Commit = strings.TrimSpace(string(commit))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) >= 3 {
			r.Load = strings.Join(fields[:3], " ")
		}
	}
	return r
}

func compareFiles(out io.Writer, names string) error {
	before, after, found := strings.Cut(names, ",")
	if !found {
		return errors.New("-compare takes two files with a comma between them")
	}
	a, err := readReport(before)
	if err != nil {
		return err
	}
	b, err := readReport(after)
	if err != nil {
		return err
	}
	return compare(out, a, b)
}

// play is this program as a part of a measurement: its job is the first line of stdin, its
// result goes to stdout.
func play(ctx context.Context, role string, in io.Reader, out io.Writer) error {

	jobs := json.NewDecoder(in)
	switch role {
	case "http":
		return runHTTP(ctx, http.StatusCreated, "")
	case "processor":
		return runHTTP(ctx, http.StatusOK, passes)
	case "connect":
		return perform(jobs, out, runConnect)
	case "load":
		return perform(jobs, out, func(job loadJob) (loadResult, error) {
			if job.Until {
				ctx = untilEnd(ctx, in)
			}
			return runLoad(ctx, job)
		})
	case "push":
		return perform(jobs, out, func(job pushJob) (loadResult, error) { return runPush(ctx, job) })
	case "store":
		return perform(jobs, out, runStore)
	case "log":
		return perform(jobs, out, runLog)
	case "rows":
		return perform(jobs, out, func(job rowsJob) (storeResult, error) { return runRows(ctx, job) })
	case "hook":
		var address string
		if err := jobs.Decode(&address); err != nil {
			return err
		}
		return runHook(ctx, address, out)
	case "expiry":
		return perform(jobs, out, func(job expiryJob) ([]expiryRound, error) { return runExpiry(ctx, job) })
	case "fill":
		return perform(jobs, out, func(job fillJob) (filled, error) { return runFill(ctx, job) })
	case "pusher":
		var job pushJob
		if err := jobs.Decode(&job); err != nil {
			return err
		}
		return runPusher(job)
	case "hold":
		return converse(jobs, in, func(job holdJob, in io.Reader) error { return runHold(job, in, out) })
	case "strangers":
		return converse(jobs, in, func(job strangersJob, in io.Reader) error { return runStrangers(ctx, job, in, out) })
	case "return":
		return converse(jobs, in, func(job returnJob, in io.Reader) error { return runReturn(ctx, job, in, out) })
	}
	return fmt.Errorf("there is no role %q", role)
}

// perform reads a job, does it, and writes its result.
func perform[J, R any](jobs *json.Decoder, out io.Writer, do func(J) (R, error)) error {
	var job J
	if err := jobs.Decode(&job); err != nil {
		return err
	}
	result, err := do(job)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}

// converse reads a job and does it with the rest of the input.
func converse[J any](jobs *json.Decoder, in io.Reader, do func(J, io.Reader) error) error {
	var job J
	if err := jobs.Decode(&job); err != nil {
		return err
	}
	rest := io.MultiReader(jobs.Buffered(), in)
	if _, err := io.ReadFull(rest, make([]byte, 1)); err != nil { // the line's end
		return err
	}
	return do(job, rest)
}
