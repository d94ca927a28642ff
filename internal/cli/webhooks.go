package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/client"
)

// findWebhook returns the ARN of a webhook that is given by its ARN, its id or its name.
func (h appCall) findWebhook(ctx context.Context, wanted string) (arn string, err error) {
	if strings.HasPrefix(wanted, "arn:") {
		return wanted, nil
	}
	all, err := h.client.ListWebhooks(ctx, &client.ListWebhooksRequest{AppInstanceARN: h.app})
	if err != nil {
		return "", err
	}
	for _, w := range all.Webhooks {
		if w.Name == wanted || last(w.WebhookARN) == wanted {
			return w.WebhookARN, nil
		}
	}
	return "", fmt.Errorf("the app instance has no webhook %q: carillon webhooks list has those that it has", wanted)
}

func (p Program) webhooks() *cobra.Command {
	group := &cobra.Command{Use: "webhooks", Short: "Subscribe webhooks to events, and see what became of deliveries", Args: noCommand,
		Long: `Subscribe webhooks to the events of an app instance, and see what became of deliveries. WEBHOOK is the
name, the id or the ARN of one.

` + foundServer,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	group.AddCommand(
		p.listWebhooks(), p.createWebhook(), p.showWebhook(), p.updateWebhook(), p.deleteWebhook(), p.rotateWebhookSecret(),
		p.listDeliveries(), p.resendDeliveries(), p.replayWebhook(),
	)
	return group
}

func (p Program) listWebhooks() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the webhooks of an app instance", Args: noArguments}
	var at appCaller
	at.flags(c)
	asJSON := c.Flags().Bool("json", false, "Print JSON.")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return at.do(c.Context(), p, func(h appCall) error {
			all, err := h.client.ListWebhooks(c.Context(), &client.ListWebhooksRequest{AppInstanceARN: h.app})
			if err != nil {
				return err
			}
			if *asJSON {
				return p.printJSON(all)
			}
			w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tSTATUS\tPENDING\tFAILING SINCE\tNAME")
			for _, hook := range all.Webhooks {
				fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", last(hook.WebhookARN), hook.Status, hook.Pending, when(hook.FailingSince), hook.Name)
			}
			return w.Flush()
		})
	}
	return c
}

// when is a time for people, or a hyphen.
func when(at client.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.Local().Format(time.DateTime)
}

// selection are the flags that say what a webhook selects.
type selection struct {
	name, dataType     string
	eventTypes, within []string
}

func (s *selection) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.name, "name", "", "Name of the webhook, which no other of the app instance has.")
	f.StringVar(&s.dataType, "data-type", "", "Channel or ChannelMessage; both by default.")
	f.StringSliceVar(&s.eventTypes, "event-types", nil, "Types of events, such as CREATE_CHANNEL_MESSAGE; all by default.")
	f.StringSliceVar(&s.within, "channels", nil, "ARNs of channels, or patterns over them in which * is any text; all by default.")
}

func (p Program) createWebhook() *cobra.Command {
	c := &cobra.Command{
		Use: "create URL", Short: "Subscribe a URL, and print the webhook and its secret",
		Long: `Subscribe a URL to the events of an app instance, from now on, and print the webhook and the secret that
signs what is posted. The secret is shown this once.`,
		Example: `  carillon webhooks create https://example.com/hook --name crm --event-types CREATE_CHANNEL_MESSAGE`,
		Args:    exactly(1, "a URL"),
	}
	var at appCaller
	at.flags(c)
	var s selection
	s.flags(c)

	// Without a name the URL is the name.
	c.RunE = func(c *cobra.Command, args []string) error {
		return at.do(c.Context(), p, func(h appCall) error {
			if s.name == "" {
				s.name = args[0]
			}
			made, err := h.client.CreateWebhook(c.Context(), &client.CreateWebhookRequest{
				AppInstanceARN: h.app, Name: s.name, URL: args[0],
				DataType: client.MessagingDataType(s.dataType), EventTypes: s.eventTypes, Channels: s.within,
			})
			if err != nil {
				return err
			}
			return p.printJSON(made)
		})
	}
	return c
}

// exactly takes a number of arguments, which what names.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("%s takes %s", c.CommandPath(), what)}
		}
		return nil
	}
}

// onWebhook is a command about one webhook, that of its first argument.
func (p Program) onWebhook(c *cobra.Command, do func(ctx context.Context, h appCall, arn string, args []string) error) *cobra.Command {
	if c.Args == nil {
		c.Args = exactly(1, "the name, id or ARN of a webhook")
	}
	var at appCaller
	at.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return at.do(c.Context(), p, func(h appCall) error {
			arn, err := h.findWebhook(c.Context(), args[0])
			if err != nil {
				return err
			}
			return do(c.Context(), h, arn, args[1:])
		})
	}
	return c
}

func (p Program) showWebhook() *cobra.Command {
	return p.onWebhook(&cobra.Command{Use: "show WEBHOOK", Short: "Print a webhook as JSON"},
		func(ctx context.Context, h appCall, arn string, _ []string) error {
			shown, err := h.client.DescribeWebhook(ctx, &client.DescribeWebhookRequest{WebhookARN: arn})
			if err != nil {
				return err
			}
			return p.printJSON(shown.Webhook)
		})
}

func (p Program) updateWebhook() *cobra.Command {
	c := &cobra.Command{
		Use: "update WEBHOOK", Short: "Change a webhook, enable it or disable it",
		Long: `Change a webhook: what no flag names stays as it is. An empty --data-type, --event-types or --channels selects all.
Deliveries that wait are tried again at once.`,
		Example: `  carillon webhooks update crm --enable`,
	}
	var s selection
	s.flags(c)
	at := c.Flags().String("url", "", "URL that events are posted to.")
	enable := c.Flags().Bool("enable", false, "Have events posted again.")
	disable := c.Flags().Bool("disable", false, "Have none posted.")
	c.MarkFlagsMutuallyExclusive("enable", "disable")
	return p.onWebhook(c, func(ctx context.Context, h appCall, arn string, _ []string) error {
		shown, err := h.client.DescribeWebhook(ctx, &client.DescribeWebhookRequest{WebhookARN: arn})
		if err != nil {
			return err
		}
		w := shown.Webhook
		in := &client.UpdateWebhookRequest{
			WebhookARN: arn, Name: w.Name, URL: w.URL, DataType: w.DataType, EventTypes: w.EventTypes, Channels: w.Channels,
		}

		// What the flags say, over what it is.
		for flag, set := range map[string]func(){
			"name": func() { in.Name = s.name }, "url": func() { in.URL = *at }, "data-type": func() { in.DataType = client.MessagingDataType(s.dataType) },
			"event-types": func() { in.EventTypes = s.eventTypes }, "channels": func() { in.Channels = s.within },
		} {
			if c.Flags().Changed(flag) {
				set()
			}
		}
		if *enable {
			in.Status = client.WebhookStatusEnabled
		}
		if *disable {
			in.Status = client.WebhookStatusDisabled
		}
		_, err = h.client.UpdateWebhook(ctx, in)
		return err
	})
}

func (p Program) deleteWebhook() *cobra.Command {
	return p.onWebhook(&cobra.Command{Use: "delete WEBHOOK", Short: "Remove a webhook with its deliveries"},
		func(ctx context.Context, h appCall, arn string, _ []string) error {
			_, err := h.client.DeleteWebhook(ctx, &client.DeleteWebhookRequest{WebhookARN: arn})
			return err
		})
}

func (p Program) rotateWebhookSecret() *cobra.Command {
	c := &cobra.Command{
		Use: "rotate-secret WEBHOOK", Short: "Give a webhook a new secret, and print it",
		Long: `Give a webhook a new secret, and print it. The former one signs as well for a while, so that the receiver can
change over: each call has a signature by either.`,
	}
	overlap := c.Flags().Int("overlap-hours", 24, "How long the former secret signs as well, up to 168.")
	return p.onWebhook(c, func(ctx context.Context, h appCall, arn string, _ []string) error {
		made, err := h.client.RotateWebhookSecret(ctx, &client.RotateWebhookSecretRequest{WebhookARN: arn, OverlapHours: overlap})
		if err != nil {
			return err
		}
		return p.printJSON(made)
	})
}
