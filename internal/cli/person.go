package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/client"
)

func (p Program) exportUser() *cobra.Command {
	c := &cobra.Command{
		Use: "export-user --user USER [--output FILE]", Short: "Print what a user wrote and is named in, as lines of JSON", Args: noArguments,
		Long: `Print what a user wrote and is named in, as lines of JSON: its record, tags and devices, memberships and
roles, the channels that it made, its messages, and those that are targeted to it or have its ARN.

With --output the lines go to a file that its owner alone can read. When the command is interrupted, the same command goes on where it was:
beside the file is FILE.part, which is removed at the end. Without it the lines are printed.

` + foundServer,
		Example: `  carillon export-user --user alice --output alice.jsonl`,
	}
	var as asUser
	as.flags(c)
	output := c.Flags().StringP("output", "o", "", "File to write.")
	c.RunE = func(c *cobra.Command, _ []string) error {
		at, caller, err := p.open(c.Context(), &as)
		if err != nil {
			return err
		}
		defer caller.CloseIdleConnections()
		x := export{Program: p, client: caller, user: as.user}
		if *output == "" {
			x.to = printed{p.Stdout}
		} else if x.to, err = openPart(*output, as.user); err != nil {
			return err
		}
		return errors.Join(at.explain(x.run(c.Context())), x.to.Close())
	}
	return c
}

// export reads the pages of an export.
type export struct {
	Program
	client *client.Client
	user   string
	to     pages
	lines  int
}

// pages is where the pages of an export go.
type pages interface {
	// token is where to go on, empty at the beginning.
	token() string
	// put keeps lines, and the token of what follows them, empty at the end.
	put(lines []byte, token string) error
	io.Closer
}

func (x *export) run(ctx context.Context) error {
	for token := x.to.token(); ; {
		page, err := x.client.ExportAppInstanceUser(ctx, &client.ExportAppInstanceUserRequest{AppInstanceUserARN: x.user, NextToken: token})
		if err != nil {
			return err
		}
		var text strings.Builder
		for _, line := range page.Lines {
			text.WriteString(line + "\n")
		}
		token = page.NextToken
		if err := x.to.put([]byte(text.String()), token); err != nil {
			return err
		}

		x.lines += len(page.Lines)
		fmt.Fprintf(x.Stderr, "%d of %d channels, %d lines\n", page.ChannelsRead, page.Channels, x.lines)
		if token == "" {
			return nil
		}
	}
}

// printed prints the pages.
type printed struct{ io.Writer }

func (printed) token() string { return "" }
func (printed) Close() error  { return nil }
func (p printed) put(lines []byte, _ string) error {
	_, err := p.Write(lines)
	return err
}

// partFile is a file that is written, with one beside it that says how far it is.
type partFile struct {
	*os.File
	part
}

// part is what FILE.part says.
type part struct {
	User  string // its ARN
	Bytes int64  // of the file
	Token string
}

// openPart begins a file, or goes on with one that was interrupted.
func openPart(name, user string) (*partFile, error) {
	f := &partFile{part: part{User: user}}
	text, err := os.ReadFile(name + ".part")
	flags := os.O_RDWR | os.O_CREATE
	switch {
	case errors.Is(err, os.ErrNotExist):
		flags |= os.O_EXCL // nothing that is there is overwritten
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(text, &f.part); err != nil || f.User != user {
			return nil, fmt.Errorf("%s.part is not of an export of %s; remove both files to begin anew", name, user)
		}
	}

	if f.File, err = os.OpenFile(name, flags, 0o600); err != nil {
		return nil, err
	}
	err = f.Truncate(f.Bytes) // what was not noted is read again
	if err == nil {
		err = f.note()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *partFile) token() string { return f.Token }

func (f *partFile) put(lines []byte, token string) error {
	if _, err := f.WriteAt(lines, f.Bytes); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	f.Bytes, f.Token = f.Bytes+int64(len(lines)), token
	if token == "" {
		return os.Remove(f.Name() + ".part")
	}
	return f.note()
}

// note writes how far the file is. The former note is there until the new one is whole.
func (f *partFile) note() error {
	text, err := json.Marshal(f.part)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.Name()+".part.new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(f.Name()+".part.new", f.Name()+".part")
}

func (p Program) eraseUser() *cobra.Command {
	c := &cobra.Command{
		Use: "erase-user --user USER --messages redact|delete --yes", Short: "Erase a user with its name, id and messages", Args: noArguments,
		Long: `Delete a user, and erase its name, its id and what it wrote from all that the server keeps: records,
pages, the event log and the files of the data folder. It cannot be undone. Members see a redaction or a
deletion for each message. What others wrote stays.

The server works on after its first answer, over restarts; the command prints how far it is until it is
done, and the id of the erasure. carillon erasures lists all.

` + foundServer,
		Example: `  carillon erase-user --user alice --messages redact --yes`,
	}
	var as asUser
	as.flags(c)
	messages := c.Flags().String("messages", "", "What becomes of messages: redact or delete.")
	yes := c.Flags().Bool("yes", false, "Do it. It cannot be undone.")
	wait := c.Flags().Bool("wait", true, "Wait for the end.")
	c.RunE = func(c *cobra.Command, _ []string) error {
		mode := client.ErasedMessages(strings.ToUpper(*messages))
		if mode != client.ErasedMessagesRedact && mode != client.ErasedMessagesDelete {
			return usageError{errors.New("--messages must be redact or delete")}
		}
		if !*yes {
			return usageError{errors.New("an erasure cannot be undone: --yes does it")}
		}
		at, caller, err := p.open(c.Context(), &as)
		if err != nil {
			return err
		}
		defer caller.CloseIdleConnections()
		begun, err := caller.EraseAppInstanceUser(c.Context(), &client.EraseAppInstanceUserRequest{AppInstanceUserARN: as.user, Messages: mode})
		if err != nil {
			return at.explain(err)
		}
		if _, err := fmt.Fprintln(p.Stdout, begun.ErasureID); err != nil || !*wait {
			return err
		}
		return at.explain(p.awaitErasure(c.Context(), caller, begun))
	}
	return c
}

// erasurePoll lies between two looks at an erasure.
const erasurePoll = 500 * time.Millisecond

// awaitErasure prints how far an erasure is until it is done.
func (p Program) awaitErasure(ctx context.Context, caller *client.Client, begun *client.EraseAppInstanceUserResponse) error {
	ticker := time.NewTicker(erasurePoll)
	defer ticker.Stop()
	for printed := ""; ; {
		got, err := caller.DescribeErasure(ctx, &client.DescribeErasureRequest{AppInstanceARN: begun.AppInstanceARN, ErasureID: begun.ErasureID})
		if err != nil {
			return err
		}
		e := got.Erasure
		now := fmt.Sprintf("%s: %d messages, %d records, %d events\n", cmp.Or(string(e.Step), string(e.Status)), e.MessageCount, e.RecordCount, e.EventCount)
		if now != printed {
			fmt.Fprint(p.Stderr, now)
			printed = now
		}
		if e.Status == client.ErasureStatusCompleted {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the erasure goes on: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

func (p Program) erasures() *cobra.Command {
	c := &cobra.Command{
		Use: "erasures", Short: "List the erasures of users of an app instance", Args: noArguments,
		Long: "List the erasures of users of an app instance, in the order in which they began.\n\n" + foundServer,
	}
	var at appCaller
	at.flags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return at.do(c.Context(), p, func(a appCall) error { return p.listErasures(c.Context(), a.client, a.app) })
	}
	return c
}

func (p Program) listErasures(ctx context.Context, caller *client.Client, appInstance string) error {
	w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ERASURE\tSTATUS\tSTEP\tMESSAGES\tRECORDS\tEVENTS")
	for request := (client.ListErasuresRequest{AppInstanceARN: appInstance}); ; {
		page, err := caller.ListErasures(ctx, &request)
		if err != nil {
			return err
		}
		for _, e := range page.Erasures {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\n", e.ErasureID, e.Status, e.Step, e.MessageCount, e.RecordCount, e.EventCount)
		}
		if request.NextToken = page.NextToken; request.NextToken == "" {
			return w.Flush()
		}
	}
}
