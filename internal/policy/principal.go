package policy

import (
	"errors"
	"fmt"
	"strings"
)

// Principal is the caller, by every name that a trust policy may give it: for a role session its own
// ARN, that of the role, and the account.
type Principal struct {
	AWS       []string // ARNs and account ids
	Federated string   // ARN of an OIDC provider, or cognito-identity.amazonaws.com
	Service   string
}

func (r *reader) principals(element string) (*Principals, error) {
	p := &Principals{}
	if r.isString() {
		text, err := r.string(element)
		if err == nil && text != "*" {
			err = fmt.Errorf(`%s is the text %q, not "*" or an object`, element, text)
		}
		p.Everyone = true
		return p, err
	}

	// An object names principals by kind.
	some := false
	err := r.object(element, func(name string) (err error) {
		some = true
		switch name {
		case "AWS":
			p.AWS, p.spans, err = r.spans(element + " AWS")
		case "Federated":
			p.Federated, err = r.strings(element + " Federated")
		case "Service":
			p.Service, err = r.strings(element + " Service")
		default:
			err = fmt.Errorf("%s has the unknown kind %q", element, name)
		}
		return err
	})

	if err == nil && !some {
		err = fmt.Errorf("%s names nobody", element)
	}
	return p, err
}

func (s *Statement) compilePrincipals() error {
	switch {
	case s.Resources != nil:
		return errors.New("it has Resource, which has no place in a trust policy")
	case s.NotResources != nil:
		return errors.New("it has NotResource, which has no place in a trust policy")
	case s.Principals == nil:
		return errors.New("it has no Principal")
	}

	for _, name := range s.Principals.AWS {
		if !isAccountID(name) && name != "*" && (!strings.HasPrefix(name, "arn:") || strings.ContainsAny(name, "*?")) {
			return fmt.Errorf("the AWS principal %q is no ARN, account id or *", name)
		}
	}

	for _, name := range append(append([]string{}, s.Principals.Federated...), s.Principals.Service...) {
		if name == "" || name != "*" && strings.ContainsAny(name, "*?") {
			return fmt.Errorf("the principal %q is empty or has a wildcard, which can stand only alone", name)
		}
	}
	return nil
}

// principal reports whether the statement is about the caller.
func (e *evaluation) principal(s *Statement) bool {
	return s.Principals != nil && s.Principals.name(&e.q.Principal)
}

// name reports whether the element names the caller. "*" alone matches every principal; under a kind,
// every principal of that kind.
func (p *Principals) name(who *Principal) bool {
	if p.Everyone {
		return true
	}
	for _, called := range who.AWS {
		for _, name := range p.AWS {
			if name == "*" || name == called || sameAccount(name, called) {
				return true
			}
		}
	}
	return anyName(p.Federated, who.Federated) || anyName(p.Service, who.Service)
}

func anyName(list []string, called string) bool {
	for _, name := range list {
		if called != "" && (name == "*" || name == called) {
			return true
		}
	}
	return false
}

// sameAccount reports that an account id and the ARN of the account's root name the same principal.
func sameAccount(a, b string) bool {
	id, other := accountOf(a), accountOf(b)
	return id != "" && id == other
}

func accountOf(name string) string {
	if isAccountID(name) {
		return name
	}
	if id, found := strings.CutSuffix(name, ":root"); found {
		if id, found = strings.CutPrefix(id, "arn:aws:iam::"); found && isAccountID(id) {
			return id
		}
	}
	return ""
}

// IsAccount reports whether a principal is an account: its number, or the ARN of its root.
func IsAccount(name string) bool { return accountOf(name) != "" }

func isAccountID(text string) bool {
	return len(text) == 12 && strings.Trim(text, "0123456789") == ""
}
