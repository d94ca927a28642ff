package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/internal/app"
)

func (p Program) streams() *cobra.Command {
	group := &cobra.Command{Use: "streams", Short: "Have sinks of streams written again", Args: noCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	group.AddCommand(p.replayStream())
	return group
}

func (p Program) replayStream() *cobra.Command {
	c := &cobra.Command{
		Use: "replay SINK", Short: "Set a sink back, so that it is written again what came since",
		Long: `Set a sink of the setting streams back to a time, in all app instances or in one, or to a position of the log
of one, and print the position of the first event that is written again. Records have the keys that they
had, so readers can drop what they have. The log reaches back for event-retention; what lies before is
refused. Only an operations port on loopback does that.

` + foundOps,
		Example: `  carillon streams replay lake --from 2026-11-30T10:00:00Z`,
		Args:    exactly(1, "the name of a sink of the setting streams"),
	}
	var port opsPort
	port.flags(c)
	var o origin
	o.flags(c)
	instance := c.Flags().String("app-instance", "", "Id of the app instance; all by default.")
	c.RunE = func(c *cobra.Command, args []string) error {
		if _, err := o.read(); err != nil {
			return err
		}
		if o.position != 0 && *instance == "" {
			return usageError{errors.New("--from-position needs --app-instance: each has a log of its own")}
		}
		query := url.Values{"app": {*instance}, "from": {o.from}}
		if o.position != 0 {
			query.Set("position", fmt.Sprint(o.position))
		}
		var report app.ReplayReport
		if err := port.call(c.Context(), p, http.MethodPost, "/streams/"+url.PathEscape(args[0])+"/replay?"+query.Encode(), &report); err != nil {
			return err
		}
		return p.printReplays(report)
	}
	return c
}

// printReplays prints where a sink begins again. What was refused is an error.
func (p Program) printReplays(report app.ReplayReport) error {
	w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "APP INSTANCE\tFROM POSITION")
	var refused []error
	for _, r := range report.Replays {
		if r.Refused != "" {
			refused = append(refused, fmt.Errorf("app instance %s: %s", r.AppInstance, r.Refused))
			continue
		}
		fmt.Fprintf(w, "%s\t%d\n", r.AppInstance, r.FromPosition)
	}
	return errors.Join(w.Flush(), errors.Join(refused...))
}
