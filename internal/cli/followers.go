package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/internal/app"
)

func (p Program) followers() *cobra.Command {
	c := &cobra.Command{
		Use: "followers", Short: "Print how far behind what works off the event log is", Args: noArguments,
		Long: `Print for each follower of the event log how many events it has not handled, how old the oldest of
them is, how many it gave up (dead letters) or lost, and what keeps it from going on; and for each kind
of background task how many are left.

` + foundOps,
	}
	var port opsPort
	port.flags(c)
	asJSON := c.Flags().Bool("json", false, "Print JSON.")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var report app.FollowersReport
		if err := port.call(c.Context(), p, http.MethodGet, "/followers", &report); err != nil {
			return err
		}
		if *asJSON {
			return p.printJSON(report)
		}
		return p.printFollowers(report)
	}
	return c
}

func (p Program) printFollowers(report app.FollowersReport) error {
	w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FOLLOWER\tBEHIND\tOLDEST\tDEAD LETTERS\tLOST")
	for _, f := range report.Followers {
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\n", f.Follower, f.Behind, f.Oldest.Round(time.Second), f.DeadLetters, f.Lost)
	}
	fmt.Fprintln(w, "\nTASKS\tLEFT\tOLDEST")
	for _, j := range report.Jobs {
		fmt.Fprintf(w, "%s\t%d\t%s\n", j.Kind, j.Pending, j.Oldest.Round(time.Second))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, f := range report.Followers {
		for _, instance := range slices.Sorted(maps.Keys(f.Failing)) {
			failure := f.Failing[instance]
			fmt.Fprintf(p.Stdout, "\n%s fails in app instance %s at position %d (attempt %d): %s\n", f.Follower, instance, failure.Position, failure.Attempts, failure.Error)
		}
	}
	return nil
}

func (p Program) printJSON(value any) error {
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func (p Program) deadLetters() *cobra.Command {
	group := &cobra.Command{Use: "dead-letters", Short: "List, show and replay events that a follower gave up", Args: noCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	group.AddCommand(
		p.listDeadLetters(), p.showDeadLetter(),
		p.changeDeadLetter("replay", http.MethodPost, "/replay", "Have the follower handle the event again, once",
			"Have the follower handle the event again, once. The dead letter goes when it succeeds."),
		p.changeDeadLetter("discard", http.MethodDelete, "", "Remove a dead letter", "Remove a dead letter. Its event is not handled."),
	)
	return group
}

func (p Program) listDeadLetters() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List dead letters", Args: noArguments,
		Long: "List dead letters, up to a thousand at once.\n\n" + foundOps,
	}
	var port opsPort
	port.flags(c)
	instance := c.Flags().String("app-instance", "", "Id of the app instance; all by default.")
	follower := c.Flags().String("follower", "", "Name of the follower; all by default.")
	after := c.Flags().Uint64("after", 0, "Position after which to go on, with --app-instance and --follower.")
	asJSON := c.Flags().Bool("json", false, "Print JSON.")
	c.RunE = func(c *cobra.Command, _ []string) error {
		query := url.Values{"app": {*instance}, "follower": {*follower}, "after": {fmt.Sprint(*after)}}
		var report app.DeadLettersReport
		if err := port.call(c.Context(), p, http.MethodGet, "/dead-letters?"+query.Encode(), &report); err != nil {
			return err
		}
		if *asJSON {
			return p.printJSON(report)
		}
		return p.printDeadLetters(report)
	}
	return c
}

func (p Program) printDeadLetters(report app.DeadLettersReport) error {
	w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "APP INSTANCE\tFOLLOWER\tPOSITION\tKIND\tATTEMPTS\tERROR")
	for _, l := range report.DeadLetters {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%q\n", l.Topic.App, l.Follower, l.Position, l.Kind, l.Attempts, l.LastError)
	}
	return w.Flush()
}

const oneDeadLetter = " APP-INSTANCE FOLLOWER POSITION"

// letterArguments takes what names a dead letter.
func letterArguments(c *cobra.Command, args []string) error {
	if len(args) != 3 {
		return usageError{fmt.Errorf("%s takes three arguments: app instance, follower and position, as dead-letters list prints them", c.CommandPath())}
	}
	return nil
}

func (p Program) showDeadLetter() *cobra.Command {
	c := &cobra.Command{
		Use: "show" + oneDeadLetter, Short: "Print a dead letter as JSON", Args: letterArguments,
		Long: "Print a dead letter as JSON. It names the event and has nothing of its content.\n\n" + foundOps,
	}
	var port opsPort
	port.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var report app.DeadLetterReport
		if err := port.call(c.Context(), p, http.MethodGet, letterPath(args[0], args[1], args[2]), &report); err != nil {
			return err
		}
		return p.printJSON(report)
	}
	return c
}

// changeDeadLetter is a command that changes a dead letter.
func (p Program) changeDeadLetter(name, method, path, short, long string) *cobra.Command {
	c := &cobra.Command{
		Use: name + oneDeadLetter, Short: short, Args: letterArguments,
		Long: long + " Only an operations port on loopback does that.\n\n" + foundOps,
	}
	var port opsPort
	port.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return port.call(c.Context(), p, method, letterPath(args[0], args[1], args[2])+path, nil)
	}
	return c
}
