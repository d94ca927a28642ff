package policy

import (
	"errors"
	"fmt"
	"strings"
)

// MaxDocumentSize is the most bytes of a document that is read at all. AWS's limits for each kind
// of policy are smaller and belong to the callers.
const MaxDocumentSize = 20 << 10

// kind distinguishes identity policies, which name resources, from trust policies, which name principals.
type kind int

const (
	identityPolicy kind = iota
	trustPolicy
)

// Parse reads an identity policy, a permissions boundary or a session policy. The error names the
// statement and element that it is about.
func Parse(text []byte) (*Document, error) { return parse(text, identityPolicy) }

// ParseTrust reads the trust policy of a role.
func ParseTrust(text []byte) (*Document, error) { return parse(text, trustPolicy) }

func parse(text []byte, k kind) (*Document, error) {
	if len(text) > MaxDocumentSize {
		return nil, fmt.Errorf("the policy is longer than %d bytes", MaxDocumentSize)
	}

	doc := &Document{}
	if err := doc.read(newReader(text)); err != nil {
		return nil, err
	}

	if v := doc.Version; v != "" && v != Version2012 && v != Version2008 {
		return nil, fmt.Errorf("the policy's Version is %q, neither %s nor %s", v, Version2012, Version2008)
	}
	if len(doc.Statements) == 0 {
		return nil, errors.New("the policy has no Statement")
	}

	// A Sid identifies a statement of its policy, so it comes once.
	sids := make(map[string]bool)
	for i := range doc.Statements {
		s := &doc.Statements[i]
		err := s.compile(k, doc.Version == Version2012)
		if err == nil && s.Sid != "" && sids[s.Sid] {
			err = fmt.Errorf("the Sid %q is that of another statement too", s.Sid)
		}
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i+1, err)
		}
		sids[s.Sid] = true
	}
	return doc, nil
}

func (d *Document) read(r *reader) error {
	err := r.object("the policy", func(name string) (err error) {
		switch name {
		case "Version":
			d.Version, err = r.string(name)
			if err == nil && d.Version == "" {
				err = errors.New("the policy's Version is empty")
			}
		case "Id":
			d.ID, err = r.string(name)

		case "Statement":
			err = r.each(func() error {
				var s Statement
				if err := s.read(r); err != nil {
					return fmt.Errorf("statement %d: %w", len(d.Statements)+1, err)
				}
				d.Statements = append(d.Statements, s)
				return nil
			})

		default:
			err = fmt.Errorf("the element %q of the policy is unknown", name)
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.end()
}

func (s *Statement) read(r *reader) error {
	start, err := r.open("Statement")
	if err != nil {
		return err
	}
	err = r.members(func(name string) (err error) {
		switch name {
		case "Sid":
			s.Sid, err = r.string(name)
		case "Effect":
			var effect string
			effect, err = r.string(name)
			s.Effect = Effect(effect)
		case "Action":
			s.Actions, err = r.strings(name)
		case "NotAction":
			s.NotActions, err = r.strings(name)
		case "Resource":
			s.Resources, err = r.strings(name)
		case "NotResource":
			s.NotResources, err = r.strings(name)
		case "Principal":
			s.Principals, err = r.principals(name)
		case "NotPrincipal":
			s.notPrincipal = true
			_, err = r.principals(name)
		case "Condition":
			s.Conditions, err = r.conditions()
		default:
			err = fmt.Errorf("the element %q is unknown", name)
		}
		return err
	})
	if err != nil {
		return err
	}

	s.text = string(r.text[start:r.offset()])
	s.Start, s.End = position(r.text, start), position(r.text, r.offset())
	return nil
}

// compile checks the statement and prepares its matchers.
func (s *Statement) compile(k kind, variables bool) (err error) {
	if s.Effect != Allow && s.Effect != Deny {
		return fmt.Errorf("its Effect is %q, neither Allow nor Deny", s.Effect)
	}

	if err := s.checkSid(k); err != nil {
		return err
	}
	if s.notPrincipal { // AWS has it in policies of resources alone
		return errors.New("it has NotPrincipal, which no policy here can have; in a trust policy, a Deny with a condition on aws:PrincipalArn says the same")
	}

	// The actions, then what the statement applies to, which depends on the kind of policy.
	if err := oneOf("Action", s.Actions != nil, "NotAction", s.NotActions != nil); err != nil {
		return err
	}
	if s.actions, err = compileActions(s.Actions, s.NotActions, k); err != nil {
		return err
	}

	if k == identityPolicy {
		err = s.compileResources(variables)
	} else {
		err = s.compilePrincipals()
	}
	if err != nil {
		return err
	}

	for i := range s.Conditions {
		if err := s.Conditions[i].compile(variables); err != nil {
			return err
		}
	}
	return nil
}

// checkSid holds identity policies to letters and digits, as AWS does.
func (s *Statement) checkSid(k kind) error {
	for _, c := range []byte(s.Sid) {
		if k == identityPolicy && !isAlphanumeric(c) {
			return fmt.Errorf("its Sid %q has other characters than letters and digits", s.Sid)
		}
	}
	return nil
}

func (s *Statement) compileResources(variables bool) error {
	switch {
	case s.Principals != nil:
		return errors.New("it has Principal, which belongs in trust policies only")
	}
	if err := oneOf("Resource", s.Resources != nil, "NotResource", s.NotResources != nil); err != nil {
		return err
	}

	element, list := "Resource", s.Resources
	if list == nil {
		element, list = "NotResource", s.NotResources
	}
	for _, text := range list {
		if !isResource(text, variables) {
			return fmt.Errorf("the %s %q is neither an ARN nor *", element, text)
		}
		t, err := compileTemplate(text, variables, true)
		if err != nil {
			return fmt.Errorf("the %s %q %w", element, text, err)
		}
		s.resources = append(s.resources, t)
	}
	return nil
}

// isResource lets through what can match an ARN.
func isResource(text string, variables bool) bool {
	wild := strings.ContainsAny(text, "*?") || variables && strings.Contains(text, "${")
	switch {
	case strings.HasPrefix(text, "arn:"):
		return wild || strings.Count(text, ":") >= 5
	case strings.HasPrefix(text, "*"):
		return true
	default:
		return variables && strings.HasPrefix(text, "${")
	}
}

// oneOf makes sure that exactly one of two elements is there.
func oneOf(a string, hasA bool, b string, hasB bool) error {
	switch {
	case hasA && hasB:
		return fmt.Errorf("it has both %s and %s", a, b)
	case !hasA && !hasB:
		return fmt.Errorf("it has no %s", a)
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
