//go:build linux

// With runs a command with a PostgreSQL server, of each version that is installed in turn, on which the nodes of its tests
// have their databases.
//
// Usage: go run ./internal/store/pgtest/with [-latest] command [argument ...]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

func main() {
	latest := flag.Bool("latest", false, "only the newest version")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*latest, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(latest bool, command []string) error {
	versions, err := pgtest.Find()
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return errors.New("PostgreSQL is not installed (apt-get install postgresql, or npm ci in web)")
	}
	if latest {
		versions = versions[len(versions)-1:]
	}
	for _, v := range versions {
		if err := runOn(v, command); err != nil {
			return fmt.Errorf("PostgreSQL %s: %w", v.Name, err)
		}
	}
	return nil
}

func runOn(v pgtest.Installation, command []string) (err error) {
	server, err := v.Start("max_connections = 300")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Remove()) }()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM) // the command has it as well
	defer signal.Stop(interrupted)

	fmt.Println("PostgreSQL", v.Name)
	c := exec.Command(command[0], command[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), pgtest.ServerEnv+"="+server.URL("postgres"))
	return c.Run()
}
