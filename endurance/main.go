package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// command is one kind of run. It gets what follows its name and reports on out what it did.
type command struct {
	name string
	run  func(ctx context.Context, args []string, out io.Writer) error
}

var commands = []command{
	{"isolation", runIsolation},
	{"cuts", runCuts},
	{"processing", runProcessing},
	{"part", runPart},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "endurance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var names []string
	for _, c := range commands {
		if len(args) > 0 && args[0] == c.name {
			if err := c.run(ctx, args[1:], out); !errors.Is(err, flag.ErrHelp) {
				return err
			}
			return nil
		}
		names = append(names, c.name)
	}
	return fmt.Errorf("the first argument is one of: %s", strings.Join(names, ", "))
}
