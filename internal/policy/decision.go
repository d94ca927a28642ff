package policy

import (
	"fmt"
	"strings"
)

// The layers, apart from the identity policies, that refuse when they do not allow.
const (
	LimitBoundary = "permissions boundary"
	LimitSession  = "session policies"
	LimitTrust    = "trust policy"
)

// Decision is the answer to one question.
type Decision struct {
	Allowed          bool
	Action, Resource string
	Explicit         bool       // refused by a Deny statement
	Policy           string     // name of the policy that decided; empty when nothing did
	Statement        *Statement // that decided; nil when nothing did
	Index            int        // of the statement in its policy, from 0
	Limit            string     // the layer that had no allow; empty: it was the identity policies
	Steady           bool       // the same question has this answer as long as the principal lives
	Missing          []string   // condition keys, in lower case, that were looked up and not found
}

// Reason returns in a few words why the decision is what it is: "because ...". It ends a sentence like
// AWS's "User: U is not authorized to perform: A on resource: R".
func (d Decision) Reason() string {
	switch {
	case d.Allowed:
		return "because " + d.where() + " allows it"
	case d.Explicit:
		return "because of an explicit deny in " + d.where()
	}

	layer := "identity-based policy"
	switch d.Limit {
	case LimitBoundary:
		layer = "permissions boundary"
	case LimitSession:
		layer = "session policy"
	case LimitTrust:
		layer = "role trust policy"
	}
	return "because no " + layer + " allows the " + d.Action + " action"
}

// where names the statement: "the inline policy P, statement 2 (Sid S)".
func (d Decision) where() string {
	name := d.Policy
	if name == "" {
		name = "policy"
	}
	if !strings.HasPrefix(name, "arn:") {
		name = "the " + name
	}
	name += fmt.Sprintf(", statement %d", d.Index+1)
	if d.Statement != nil && d.Statement.Sid != "" {
		name += " (Sid " + d.Statement.Sid + ")"
	}
	return name
}
