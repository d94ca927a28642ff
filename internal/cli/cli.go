// Package cli is the command line: it reads settings, starts the node and prints what its users
// need to know. Run is the whole program; it leaves nothing behind when it returns.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carillon-chat/carillon/internal/config"
)

// Exit codes of the program.
const (
	exitClean = 0
	exitError = 1
	exitUsage = 2
)

// Program is a run of the command line with its connections to the world outside.
type Program struct {
	Args    []string // without the program's name
	Environ []string // "NAME=value"
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Version string
	// Hangups begins to catch the operator's signal to read the settings again (SIGHUP), until
	// stop; nil catches none. Only a node calls it: other commands end by the signal.
	Hangups func() (hangups <-chan os.Signal, stop func())
}

// usageError is a fault in how the program was called.
type usageError struct{ error }

// Run runs the command of the arguments until it is done or ctx ends, and returns the exit code:
// 0 after a clean stop, 1 after an error, 2 when the program was called wrongly.
func Run(ctx context.Context, p Program) int {
	root := &cobra.Command{
		Use:               "carillon",
		Short:             "Amazon Chime SDK messaging that you run yourself",
		Version:           p.Version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Args:              noCommand,
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
	}

	root.SetArgs(append([]string{}, p.Args...)) // nil would stand for the arguments of the process
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.SetFlagErrorFunc(wrongFlag)
	root.AddCommand(p.dev(), p.serve(), p.config(), p.env(), p.policy(), p.tail(), p.send(), p.followers(), p.deadLetters(), p.streams(), p.webhooks(), p.exportUser(), p.eraseUser(), p.erasures(), p.migrate(), p.version())
	err := root.ExecuteContext(ctx)

	if err == nil {
		return exitClean
	}
	fmt.Fprintln(p.Stderr, "carillon:", err)
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(p.Stderr, "Run 'carillon --help' for how to use it.")
		return exitUsage
	}
	return exitError
}

func (p Program) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.Stdout, p.Version)
			return err
		},
	}
}

func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q: %s takes no arguments", args[0], c.CommandPath())}
	}
	return nil
}

// noCommand refuses an argument of a command that only has others below it.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, below := range c.Commands() {
		names = append(names, below.Name())
	}
	return usageError{fmt.Errorf("unknown command %q%s", args[0], config.Suggestion(args[0], names))}
}

// wrongFlag completes what is wrong with a flag.
func wrongFlag(c *cobra.Command, err error) error {
	var absent *pflag.NotExistError
	if !errors.As(err, &absent) {
		return usageError{err}
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return usageError{fmt.Errorf("%w%s", err, config.Suggestion("--"+absent.GetSpecifiedName(), names))}
}

func (p Program) dev() *cobra.Command {
	return p.node("dev", config.Dev, "Run a node for development: no configuration, published keys, a chat page",
		`Run a node on this machine for development and tests. It needs no configuration: it uses
published root keys, makes an app instance with two users and a channel, and serves a chat
page. Whoever reaches its port may do everything, so it listens on loopback only.`)
}

func (p Program) serve() *cobra.Command {
	return p.node("serve", config.Serve, "Run a node for use by others",
		`Run a node. The root access key has to be set; there are no default keys.`)
}

// settings gives the command a flag for each setting, and returns how to read them all.
func (p Program) settings(c *cobra.Command, mode config.Mode) func() (config.Config, error) {
	file := c.Flags().String("config", "", "Path of a YAML file with settings.")

	values := map[string]string{}
	for _, s := range config.Settings(mode) {
		if !s.NoFlag {
			c.Flags().Var(&flag{setting: s, values: values}, s.Key, s.Doc)
		}
	}

	c.Flags().VisitAll(func(f *pflag.Flag) {
		if v, ok := f.Value.(*flag); ok && v.setting.Type == "switch" {
			f.NoOptDefVal = "true"
		} else if ok && v.setting.Detail {
			f.Hidden = true // config docs has them
		}
	})

	return func() (config.Config, error) {
		return config.Load(mode, config.Sources{File: *file, Environ: p.Environ, Flags: maps.Clone(values)})
	}
}

// flag notes the text of one setting's flag; the config package reads it.
type flag struct {
	setting config.Setting
	values  map[string]string
}

func (f *flag) Set(text string) error { f.values[f.setting.Key] = text; return nil }
func (f *flag) Type() string          { return f.setting.Type }
func (f *flag) String() string {
	if text, given := f.values[f.setting.Key]; given {
		return text
	}
	return f.setting.Default
}

func (p Program) config() *cobra.Command {
	group := &cobra.Command{Use: "config", Short: "Show, check and explain settings", Args: noCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}

	show := &cobra.Command{Use: "show", Short: "Print the settings that serve would use, without secrets", Args: noArguments}
	read := p.settings(show, config.Serve)
	show.RunE = func(*cobra.Command, []string) error {
		cfg, err := read()
		if err != nil {
			return err
		}
		return cfg.WriteYAML(p.Stdout)
	}

	check := &cobra.Command{Use: "check", Short: "Check what serve would fail on: settings, files, ports, the data folder", Args: noArguments}
	readToo := p.settings(check, config.Serve)
	check.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := readToo()
		if err != nil {
			return err
		}
		return p.check(c.Context(), cfg)
	}

	docs := &cobra.Command{Use: "docs", Short: "Print what every setting means", Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return config.WriteDocs(p.Stdout) }}
	group.AddCommand(show, check, docs)
	return group
}

// FromOS is the program as the operating system started it.
func FromOS(version string) Program {
	return Program{Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: version}
}
