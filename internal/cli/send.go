package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/client"
)

// maxText bounds what is read from standard input, in bytes. No message can be as large.
const maxText = 1 << 20

func (p Program) send() *cobra.Command {
	c := &cobra.Command{
		Use: "send --user USER --channel CHANNEL [TEXT]", Short: "Send a message to a channel",
		Long: `Send a message to a channel as one of its members and print the message's id. Without TEXT the
message is what standard input holds.

` + foundServer,
		Example: `  carillon send --user alice --channel general 'Hello, Bob.'
  make test 2>&1 | tail -20 | carillon send --user builder --channel builds`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("%q: the text is one argument: quote it", args[1])}
			}
			return nil
		},
	}

	var as asUser
	var channel string
	as.flags(c)
	c.Flags().StringVar(&channel, "channel", "", "ARN or id of the channel.")

	c.RunE = func(c *cobra.Command, args []string) error {
		if channel == "" {
			return usageError{errors.New("--channel is required")}
		}
		text, err := p.text(args)
		if err != nil {
			return err
		}
		at, caller, err := p.open(c.Context(), &as)
		if err != nil {
			return err
		}
		defer caller.CloseIdleConnections()

		sent, err := caller.SendChannelMessage(c.Context(), &client.SendChannelMessageRequest{
			ChannelARN: channelARN(as.user, channel), Content: text,
			Type: client.ChannelMessageTypeStandard, Persistence: client.ChannelMessagePersistenceTypePersistent,
		})
		if err != nil {
			return at.explain(err)
		}
		_, err = fmt.Fprintln(p.Stdout, sent.MessageID)
		return err
	}
	return c
}

// text is the argument, or standard input without the newline at its end.
func (p Program) text(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	if p.Stdin == nil {
		return "", usageError{errors.New("no text to send")}
	}
	text, err := io.ReadAll(io.LimitReader(p.Stdin, maxText+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxText {
		return "", fmt.Errorf("standard input holds more than %d bytes", maxText)
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}
