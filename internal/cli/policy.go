package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillon-chat/carillon/internal/policy"
)

func (p Program) policy() *cobra.Command {
	group := &cobra.Command{Use: "policy", Short: "Ask what IAM policies allow", Args: noCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	group.AddCommand(p.simulate())
	return group
}

// question is the input of simulate.
type question struct {
	as                 string
	actions, resources []string
	context            []entry
}

// entry is one condition key with its values.
type entry struct {
	key    string
	values []string
}

// outcome is the answer for one action on one resource.
type outcome struct {
	action, resource string
	decision         string // allowed, explicitDeny or implicitDeny
	limit            string // layer that had no allow
	policy           string // that decided; empty when none did
	index            int    // of the statement, from 1
	statement        string // its text
	missing          []string
}

func (o outcome) allowed() bool { return o.decision == decisionAllowed }

// Decisions, as IAM's API calls them.
const (
	decisionAllowed  = "allowed"
	decisionExplicit = "explicitDeny"
	decisionImplicit = "implicitDeny"
)

func (p Program) simulate() *cobra.Command {
	c := &cobra.Command{
		Use: "simulate", Short: "Print what a policy decides, and the statement that decided", Args: noArguments,
		Long: `Print whether a principal may do an action on a resource, and the statement that decided. The
running server is asked what it has stored for the user or role; with --policy the documents in
files decide, without a server. The exit status is 1 when anything is denied, and 2 when an action
is none of those that a server asks about: it is decided all the same, but no call depends on it.

` + foundServer,
		Example: `  carillon policy simulate --as arn:aws:iam::000000000000:role/chat --action chime:SendChannelMessage \
    --resource arn:aws:chime:us-east-1:000000000000:app-instance/A/user/ann --context aws:PrincipalTag/UserUUID=ann
  carillon policy simulate --policy chat.json --action chime:Connect --resource '*'`,
	}

	var q question
	var pairs, files []string
	var at whereabouts
	f := c.Flags()
	f.StringVar(&q.as, "as", "", "ARN of the user, role or role session whose stored policies decide.")
	f.StringArrayVar(&q.actions, "action", nil, "Action, such as chime:SendChannelMessage. May be repeated.")
	f.StringArrayVar(&q.resources, "resource", []string{"*"}, "ARN that the action is done to. May be repeated.")
	f.StringArrayVar(&pairs, "context", nil, "Value of a condition key, as key=value. May be repeated, also for one key.")
	f.StringArrayVar(&files, "policy", nil, "File with a policy document that decides instead of the server. May be repeated.")
	at.flags(c)

	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if err := q.check(pairs, len(files) > 0); err != nil {
			return usageError{err}
		}

		// Files decide without a server.
		var answers []outcome
		if len(files) > 0 {
			answers, err = simulateFiles(q, files)
		} else {
			var s server
			if s, err = p.find(at); err == nil {
				answers, err = simulateStored(c.Context(), s, q)
			}
		}
		if err != nil {
			return err
		}

		denied := printOutcomes(p.Stdout, answers)
		if err := unknownActions(q.actions); err != nil {
			return usageError{errors.Join(err, denied)}
		}
		return denied
	}
	return c
}

// check completes the question, or returns how the command was called wrongly.
func (q *question) check(pairs []string, local bool) error {
	switch {
	case len(q.actions) == 0:
		return errors.New("--action is required")
	case q.as == "" && !local:
		return errors.New("--as is required without --policy")
	}

	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return fmt.Errorf("invalid --context %q: must be key=value", pair)
		}

		// A key that is given again gets several values.
		i := 0
		for i < len(q.context) && !strings.EqualFold(q.context[i].key, key) {
			i++
		}
		if i == len(q.context) {
			q.context = append(q.context, entry{key: key})
		}
		q.context[i].values = append(q.context[i].values, value)
	}
	return nil
}

// Lookup makes the question's values an iam.Context.
func (q *question) Lookup(key string) (values []string, found, steady bool) {
	for _, e := range q.context {
		if strings.EqualFold(e.key, key) {
			return e.values, true, false
		}
	}
	if key == "aws:principalarn" && q.as != "" {
		return []string{q.as}, true, false
	}
	return nil, false, false
}

func simulateFiles(q question, files []string) (answers []outcome, err error) {
	var set policy.Set
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		d, err := policy.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		set.Identity = append(set.Identity, policy.Policy{Name: name, Document: d})
	}

	for _, action := range q.actions {
		for _, resource := range q.resources {
			d := set.Decide(policy.Question{Action: action, Resource: resource, Context: &q})
			o := outcome{action: action, resource: resource, decision: decisionImplicit, missing: d.Missing}
			switch {
			case d.Allowed:
				o.decision = decisionAllowed
			case d.Explicit:
				o.decision = decisionExplicit
			}

			if d.Statement != nil {
				o.policy, o.index, o.statement = d.Policy, d.Index+1, d.Statement.JSON()
			}
			answers = append(answers, o)
		}
	}
	return answers, nil
}

// printOutcomes prints the answers, and returns an error when one is a denial.
func printOutcomes(w io.Writer, answers []outcome) error {
	var b strings.Builder
	denied := 0

	for i, o := range answers {
		if i > 0 {
			b.WriteString("\n")
		}
		word := "allowed"
		if !o.allowed() {
			word, denied = "denied", denied+1
		}

		fmt.Fprintf(&b, "%s: %s on %s\n", word, o.action, o.resource)
		switch {
		case o.policy != "":
			fmt.Fprintf(&b, "  by statement %d of %s:\n", o.index, o.policy)
			b.WriteString("  " + strings.ReplaceAll(o.statement, "\n", "\n  ") + "\n")
		case o.limit != "":
			fmt.Fprintf(&b, "  because no statement of the %s allows it\n", o.limit)
		default:
			b.WriteString("  because no statement allows it\n")
		}
		if len(o.missing) > 0 && !o.allowed() {
			fmt.Fprintf(&b, "  asked for, and not given with --context: %s\n", strings.Join(o.missing, ", "))
		}
	}

	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	if denied > 0 {
		return fmt.Errorf("denied: %d of %d", denied, len(answers))
	}
	return nil
}

// simulateStored calls the server, which has the policies of the principal.
func simulateStored(ctx context.Context, s server, q question) ([]outcome, error) {
	if q.as == "arn:aws:iam::"+s.settings.Account+":root" {
		return nil, errors.New("the root of the account may do everything; no policy decides about it")
	}
	c := newIAMClient(s)
	who, err := c.entity(ctx, q.as)
	if err != nil {
		return nil, err
	}
	return c.simulate(ctx, who, q)
}
