package iam

import "fmt"

// Decision is the answer to one question. Statement decided it; it is nil when nothing
// matched.
type Decision struct {
	Allowed   bool
	Action    string
	Resource  string
	Statement *Statement
}

// Reason says in a few words why the decision is what it is.
func (d Decision) Reason() string {
	switch {
	case d.Allowed:
		return "a statement allows it"
	case d.Statement != nil && d.Statement.Sid != "":
		return fmt.Sprintf("the statement %q denies it", d.Statement.Sid)
	case d.Statement != nil:
		return "a statement denies it"
	default:
		return "no statement allows it"
	}
}

// Evaluate decides whether the policies, taken together, allow the action on every one of the
// resources. The decision names the first resource that is refused.
func Evaluate(policies []*Document, action string, resources ...string) Decision {
	decision := Decision{Action: action}
	for _, resource := range resources {
		decision = decide(policies, action, resource)
		if !decision.Allowed {
			break
		}
	}
	return decision
}

func decide(policies []*Document, action, resource string) Decision {
	d := Decision{Action: action, Resource: resource}
	for _, p := range policies {
		for i := range p.Statements {
			s := &p.Statements[i]
			if !s.matches(action, resource) {
				continue
			}
			if s.Effect == Deny {
				return Decision{Action: action, Resource: resource, Statement: s}
			}
			if !d.Allowed {
				d.Allowed, d.Statement = true, s
			}
		}
	}
	return d
}

func (s *Statement) matches(action, resource string) bool {
	return anyMatch(s.Actions, action, foldASCII) && anyMatch(s.Resources, resource, exact)
}

func anyMatch(patterns []string, text string, fold func(byte) byte) bool {
	for _, p := range patterns {
		if match(p, text, fold) {
			return true
		}
	}
	return false
}

// match compares text with a pattern of * and ?. It takes time proportional to the product of
// the lengths at worst, so no pattern can be used to stall the service.
func match(pattern, text string, fold func(byte) byte) bool {
	p, t := 0, 0
	star, resume := -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || fold(pattern[p]) == fold(text[t])):
			p++
			t++
		case star >= 0: // let the last star take one more character
			resume++
			p, t = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

func exact(c byte) byte { return c }

func foldASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
