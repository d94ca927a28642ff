package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/ops"
)

// node is a command that runs the node in one mode.
func (p Program) node(use string, mode config.Mode, short, long string) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: long, Args: noArguments}
	settings := p.settings(c, mode)
	c.RunE = func(c *cobra.Command, _ []string) error { return p.run(c.Context(), settings) }
	return c
}

// run runs a node until ctx ends. From the start on, a hangup makes it read the settings again and
// ends nothing.
func (p Program) run(ctx context.Context, settings func() (config.Config, error)) error {
	hangups, release := p.hangups()
	defer release()

	cfg, err := settings()
	if err != nil {
		return err
	}

	// The level is a variable, so that reload can change it.
	level := new(slog.LevelVar)
	if err := setLevel(level, cfg.LogLevel); err != nil {
		return err
	}
	log, err := ops.NewLogger(p.Stderr, level, cfg.LogFormat)
	if err != nil {
		return err
	}

	node, err := app.New(ctx, cfg, app.Deps{Log: log, Version: p.Version, Stdout: p.Stdout})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // stopped while it was starting
	}
	if err != nil {
		return err
	}

	running := make(chan error, 1)
	go func() { running <- node.Run(ctx) }()
	select {
	case err := <-running:
		return err
	case <-node.Ready():
	}

	// A client that reads the welcome can connect at once.
	if err := p.welcome(cfg, node, log); err != nil {
		log.Warn("could not print the welcome", "error", err)
	}

	for {
		select {
		case err := <-running:
			return err
		case <-hangups:
			reload(node, settings, level, log)
		}
	}
}

func (p Program) hangups() (hangups <-chan os.Signal, stop func()) {
	if p.Hangups == nil {
		return nil, func() {}
	}
	return p.Hangups()
}

// reload begins the files of kept logs again, and puts settings in force that may change while the node
// runs. When one of them is invalid all settings stay as they are.
func reload(node *app.App, settings func() (config.Config, error), level *slog.LevelVar, log *slog.Logger) {
	if err := node.ReopenLogs(); err != nil {
		log.Error("cannot reopen a log, will retry", "error", err)
	}
	cfg, err := settings()
	var restart []string
	if err == nil {
		restart, err = node.Reload(cfg)
	}
	if err == nil {
		err = setLevel(level, cfg.LogLevel)
	}

	if err != nil {
		log.Error("configuration reload failed, keeping the current settings", "error", err)
		return
	}

	if len(restart) > 0 {
		log.Warn("settings changed that need a restart", "settings", restart)
	}
	log.Info("configuration reloaded")
}

func setLevel(level *slog.LevelVar, text string) error {
	l, err := ops.ParseLevel(text)
	if err == nil {
		level.Set(l)
	}
	return err
}

// check reports what would keep a node with the settings from starting.
func (p Program) check(ctx context.Context, cfg config.Config) error {
	faults, warnings := app.Check(ctx, cfg, time.Now())
	for _, warning := range warnings {
		fmt.Fprintln(p.Stderr, "warning:", warning)
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	_, err := fmt.Fprintln(p.Stdout, "configuration OK")
	return err
}
