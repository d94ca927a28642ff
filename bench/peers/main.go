//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/carillon-chat/carillon/bench/rig"
	"github.com/carillon-chat/carillon/internal/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	program := flags.String("carillon", "", "program of Carillon (default: built from this tree)")
	centrifugoPath := flags.String("centrifugo", "", "program of Centrifugo 6, to compare with")
	postgresPath := flags.String("postgres", "", "folder of PostgreSQL's programs, to compare with a plain chat server over it")
	pgchatPath := flags.String("pgchat", "", "program of that server, built from bench/pgchat")
	words := flags.String("shapes", "", "shapes to run: those whose names begin with one of these words (default: all)")
	seconds := flags.Float64("seconds", 2, "length of a round")
	rounds := flags.Int("rounds", 3, "rounds of each figure")
	tries := flags.Int("tries", 1, "how often a round is measured while other processes disturb it")
	little := flags.Bool("small", false, "few users, to see that all works; the figures mean nothing")
	serverCPUs := flags.String("server-cpus", "0", "processors of the servers, or all")
	loadCPUs := flags.String("load-cpus", "1", "processors of the load, or all")
	profile := flags.String("profile", "", "folder for CPU profiles of Carillon, each of one more round")
	page := flags.String("page", "", "Markdown page whose figures are replaced, such as docs/BENCHMARKS.md")
	dir := flags.String("dir", os.TempDir(), "folder for data, on the disk to be measured")

	// What can fail without a measurement fails before the first.
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *seconds <= 0 || *seconds > 60 || *rounds < 1 || *rounds > 100 || *tries < 1 || *tries > 100 {
		return errors.New("-seconds is up to 60, -rounds and -tries are 1 to 100")
	}
	if (*postgresPath == "") != (*pgchatPath == "") {
		return errors.New("-postgres and -pgchat need each other")
	}
	list, err := chosen(*words)
	if err != nil {
		return err
	}

	b := &bench{sizes: full, seconds: *seconds, rounds: *rounds, tries: *tries, profile: *profile, texts: newTexts()}
	if *little {
		b.sizes = small
	}
	if b.serverCPUs, err = processors(*serverCPUs); err != nil {
		return err
	}
	if b.loadCPUs, err = processors(*loadCPUs); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(*dir, "carillon-peers-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := os.Chmod(b.dir, 0o755); err != nil { // PostgreSQL may run as another user
		return err
	}
	if *program == "" {
		if *program, err = lab.Build(ctx, b.dir, "-trimpath", "-ldflags", "-s -w"); err != nil {
			return err
		}
	}
	b.carillon = carillon{label: "Carillon", program: *program}
	b.peers = []peer{b.carillon}
	if *centrifugoPath != "" {
		b.peers = append(b.peers, centrifugo{*centrifugoPath})
	}
	if *postgresPath != "" {
		b.peers = append(b.peers, postgres{*postgresPath, *pgchatPath})
	}
	if *page != "" {
		var figures bytes.Buffer
		if err := b.run(ctx, list, io.MultiWriter(out, &figures)); err != nil {
			return err
		}
		return replaceFigures(*page, figures.String())
	}
	return b.run(ctx, list, out)
}

// run measures the shapes and prints the table.
func (b *bench) run(ctx context.Context, list []shape, out io.Writer) error {
	if err := rig.StayOn(b.loadCPUs); err != nil {
		return err
	}
	// The load's own collector is not to be measured; its memory is bounded by what a round prepares.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(3 << 30)

	// A table is printed of what was measured, whatever failed then.
	before := loadAverage()
	start := time.Now()
	var err error
	for _, s := range list {
		began := time.Now()
		if failed := s.run(b, ctx, s.name); failed != nil {
			err = fmt.Errorf("%s: %w", s.name, failed)
			break
		}
		fmt.Fprintf(os.Stderr, "measured %s in %.0f s\n", s.name, time.Since(began).Seconds())
	}
	var names []string
	for _, p := range b.peers {
		names = append(names, p.name())
	}
	fmt.Fprintf(out, "Commit %s, %s, %s/%s with %d processors; servers on %v, load on %v; %d rounds of %g s; load average %s before and %s after; %.0f s in all.\n\n",
		commit(ctx), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), b.serverCPUs, b.loadCPUs,
		b.rounds, b.seconds, before, loadAverage(), time.Since(start).Seconds())
	return errors.Join(err, print(out, names, b.rows))
}

// commit is what is measured, as git describes it.
func commit(ctx context.Context) string {
	text, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=10").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

// loadAverage is that of the machine: of one, five and fifteen minutes.
func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// processors reads a list such as "0,2", or "all".
func processors(list string) (numbers []int, err error) {
	if list == "all" {
		for n := range runtime.NumCPU() {
			numbers = append(numbers, n)
		}
		return numbers, nil
	}
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 || n >= runtime.NumCPU() {
			return nil, fmt.Errorf("there is no processor %q, only 0 to %d", word, runtime.NumCPU()-1)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}
