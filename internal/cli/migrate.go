package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/internal/app/moving"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/store/move"
)

func (p Program) migrate() *cobra.Command {
	c := &cobra.Command{
		Use: "migrate --from PLACE --to PLACE", Short: "Move everything from a data folder to a database, or back", Args: noArguments,
		Long: `Copy everything that a node keeps from one place to an empty one, and compare both. A place is a data folder,
env:NAME or file:PATH for the URL of a PostgreSQL database in an environment variable or a file, or such a URL
itself when it has no password.

No node may have either place open. The source stays as it is. A copy that was cut off goes on when the same
command runs again; until it is complete no node starts on the target.`,
	}
	from := c.Flags().String("from", "", "Place to copy from.")
	to := c.Flags().String("to", "", "Place to copy to.")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var o moving.Options
		var err error
		if o.From, err = p.place("from", *from); err != nil {
			return err
		}
		if o.To, err = p.place("to", *to); err != nil {
			return err
		}
		return p.move(c.Context(), o)
	}
	return c
}

// place reads a place of the command line.
func (p Program) place(flag, text string) (place moving.Place, err error) {
	// What is before a colon says where the URL is; without one of these it is a folder.
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "":
		return place, usageError{fmt.Errorf("--%s must be set: a data folder, env:NAME or file:PATH", flag)}
	case "env":
		found := false
		for _, pair := range p.Environ {
			if value, is := strings.CutPrefix(pair, rest+"="); is {
				text, found = value, true
			}
		}
		if !found {
			return place, usageError{fmt.Errorf("--%s: the environment has no %s", flag, rest)}
		}
	case "file":
		content, err := os.ReadFile(rest)
		if err != nil {
			return place, fmt.Errorf("--%s: %w", flag, err)
		}
		text = strings.TrimSpace(string(content))
	case "postgres", "postgresql":
		u, err := url.Parse(text)
		if err != nil { // it may have a password
			return place, usageError{fmt.Errorf("--%s: the URL is malformed", flag)}
		}
		if _, has := u.User.Password(); has || u.Query().Has("password") {
			return place, usageError{fmt.Errorf("--%s: the URL has a password, which other users of the machine can read; use env:NAME or file:PATH", flag)}
		}
	default:
		return moving.Place{Folder: text}, nil
	}

	// The text may hold a password, so an error does not have it.
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		return place, usageError{fmt.Errorf("--%s: %s does not have a postgres:// URL", flag, kind)}
	}
	return moving.Place{URL: config.NewSecret(text)}, nil
}

// move runs the move and reports what it did.
func (p Program) move(ctx context.Context, o moving.Options) error {
	o.Log = slog.New(slog.NewTextHandler(p.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	shown := newProgress(p.Stderr)
	o.Progress = shown.show
	report, err := moving.Run(ctx, o)
	shown.end()
	if errors.Is(err, move.ErrDiffers) {
		return fmt.Errorf("%w; empty the target and begin again", err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Stdout, `moved and compared: %d rows and %d events of the account and %d app instances

The source is as it was. What does not lie in the store, and the node that opens the target needs:
  the settings, with the same root-access-key-id, root-secret-access-key (stored keys are sealed under it), region and account;
  root-keys.json of the data folder, with --random-keys;
  tls/ of the data folder, whose authority clients trust, without a certificate of your own;
  logs and the files of sinks, where the settings put them.
`, report.Rows, report.Events, report.AppInstances-1)
	return err
}

// progress shows how far a move is: as a bar on a terminal, else as a line for each tenth of a stage.
type progress struct {
	w     io.Writer
	bars  bool
	bar   *progressbar.ProgressBar
	stage move.Stage
	tenth uint64
}

func newProgress(w io.Writer) *progress { return &progress{w: w, bars: isTerminal(w)} }

func (p *progress) show(stage move.Stage, done, total uint64) {
	began := stage != p.stage
	p.stage = stage
	if p.bars {
		if began {
			p.end()
			length := int64(total)
			if total == 0 {
				length = -1 // a spinner
			}
			p.bar = progressbar.NewOptions64(length, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(string(stage)),
				progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"))
		}
		_ = p.bar.Set64(int64(done)) // a terminal that is gone keeps nothing from going on
		return
	}

	tenth := uint64(0)
	if total > 0 {
		tenth = done * 10 / total
	}
	if began || tenth > p.tenth {
		fmt.Fprintf(p.w, "%s: %d of %s\n", stage, done, known(total))
	}
	p.tenth = tenth
}

func known(total uint64) string {
	if total == 0 {
		return "an unknown number"
	}
	return fmt.Sprint(total)
}

// end leaves the line of a bar.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
		fmt.Fprintln(p.w)
		p.bar = nil
	}
}
