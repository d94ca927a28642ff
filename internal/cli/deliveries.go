package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/client"
)

func (p Program) listDeliveries() *cobra.Command {
	c := &cobra.Command{Use: "deliveries WEBHOOK", Short: "List the deliveries of a webhook, the latest events first"}
	status := c.Flags().String("status", "", "PENDING, DELIVERED or FAILED; all by default.")
	limit := c.Flags().Int("limit", 50, "How many to list.")
	asJSON := c.Flags().Bool("json", false, "Print JSON.")
	return p.onWebhook(c, func(ctx context.Context, h appCall, arn string, _ []string) error {
		list, err := deliveries(ctx, h, arn, client.WebhookDeliveryStatus(*status), *limit)
		if err != nil {
			return err
		}
		if *asJSON {
			return p.printJSON(list)
		}
		w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tEVENT\tAT\tSTATUS\tATTEMPTS\tLAST\tNEXT\tERROR")
		for _, d := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", d.DeliveryID, d.EventType, when(d.EventTimestamp), d.Status,
				d.Attempts, when(d.LastAttemptTimestamp), when(d.NextAttemptTimestamp), d.LastError)
		}
		return w.Flush()
	})
}

// deliveries lists up to a number of them, page by page.
func deliveries(ctx context.Context, h appCall, arn string, status client.WebhookDeliveryStatus, limit int) (list []client.WebhookDelivery, err error) {
	for in := (&client.ListWebhookDeliveriesRequest{WebhookARN: arn, Status: status}); len(list) < limit; {
		in.MaxResults = min(100, limit-len(list))
		page, err := h.client.ListWebhookDeliveries(ctx, in)
		if err != nil {
			return nil, err
		}
		list = append(list, page.Deliveries...)
		if in.NextToken = page.NextToken; in.NextToken == "" {
			break
		}
	}
	return list, nil
}

func (p Program) resendDeliveries() *cobra.Command {
	c := &cobra.Command{
		Use: "resend WEBHOOK [DELIVERY]", Short: "Send a delivery again, or all that failed",
		Long: `Send a delivery again, whatever became of it, or with --failed all that failed, about 10,000 at a time. They
keep their ids, by which receivers tell what they have.`,
		Example: `  carillon webhooks resend crm 1042-0
  carillon webhooks resend crm --failed --since 2026-11-30T10:00:00Z`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usageError{fmt.Errorf("%s takes a webhook, and a delivery unless --failed is given", c.CommandPath())}
			}
			return nil
		},
	}
	failed := c.Flags().Bool("failed", false, "Send all that failed.")
	since := c.Flags().String("since", "", "Of those, the ones whose events are not older than this time (RFC 3339).")
	return p.onWebhook(c, func(ctx context.Context, h appCall, arn string, args []string) error {
		if *failed == (len(args) == 1) {
			return usageError{errors.New("give a delivery, or --failed")}
		}
		if len(args) == 1 {
			_, err := h.client.ResendWebhookDelivery(ctx, &client.ResendWebhookDeliveryRequest{WebhookARN: arn, DeliveryID: args[0]})
			return err
		}

		// All that failed, or those of a time.
		from, err := parseTime("--since", *since)
		if err != nil {
			return err
		}
		made, err := h.client.ResendWebhookDeliveries(ctx, &client.ResendWebhookDeliveriesRequest{WebhookARN: arn, Since: client.At(from)})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.Stdout, made.Resent)
		return err
	})
}

// parseTime reads the time of a flag; an empty one is the zero time.
func parseTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, usageError{fmt.Errorf("invalid %s %q: must be a time such as 2026-11-30T10:00:00Z", flag, text)}
	}
	return at, nil
}

// origin are the flags that say where something begins again.
type origin struct {
	from     string
	position int
}

func (o *origin) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.from, "from", "", "Begin with the first event of this time (RFC 3339).")
	c.Flags().IntVar(&o.position, "from-position", 0, "Begin with the event at this position of the log.")
}

// read returns the time, or the position.
func (o *origin) read() (time.Time, error) {
	if (o.from == "") == (o.position == 0) {
		return time.Time{}, usageError{errors.New("give --from or --from-position, and not both")}
	}
	return parseTime("--from", o.from)
}

func (p Program) replayWebhook() *cobra.Command {
	c := &cobra.Command{
		Use: "replay WEBHOOK", Short: "Set a webhook back, so that events are posted again",
		Long: `Set a webhook back to a time or a position of the log, and print the position of the first event that is
posted again. What it selects from there on comes under the ids that it had. The log reaches back for
event-retention, and for follower-retention while something waits; what lies before is refused.`,
		Example: `  carillon webhooks replay crm --from 2026-11-30T10:00:00Z`,
	}
	var o origin
	o.flags(c)
	return p.onWebhook(c, func(ctx context.Context, h appCall, arn string, _ []string) error {
		at, err := o.read()
		if err != nil {
			return err
		}
		done, err := h.client.ReplayWebhook(ctx, &client.ReplayWebhookRequest{WebhookARN: arn, FromPosition: o.position, FromTimestamp: client.At(at)})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.Stdout, done.FromPosition)
		return err
	})
}
