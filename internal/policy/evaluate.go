package policy

// Context supplies the values of condition keys and variables.
type Context interface {
	// Lookup finds a key, given in lower case with the name of a tag in it
	// ("aws:principaltag/useruuid"). Steady reports that the answer, found or not, cannot change while
	// the principal lives, so that a decision that looked up nothing else may be kept. The values
	// are only read.
	Lookup(key string) (values []string, found, steady bool)
}

// Question is whether an action on a resource is allowed.
type Question struct {
	Action    string
	Resource  string
	Context   Context   // nil: no key has a value
	Principal Principal // of trust policies only
}

// Set is everything that limits one principal. HasBoundary and HasSession report that the layer
// exists, so that one without policies allows nothing.
type Set struct {
	Identity []Policy
	Boundary []Policy
	Session  []Policy

	HasBoundary, HasSession bool
}

// Decide answers the question. A matching Deny anywhere refuses; otherwise an identity policy
// must allow, and so must the boundary and the session policies if the principal has them.
// It does not change the Set and allocates nothing, unless a condition key is missing or a
// variable's value is long.
func (s *Set) Decide(q Question) Decision {
	e := evaluation{q: q, steady: true}
	var space [actionSpace]byte
	lower := appendLower(space[:0], q.Action)

	// A deny of any layer wins over every allow, so all three are evaluated before an allow counts.
	identity := e.layer(s.Identity, lower)
	if identity.effect == Deny {
		return e.decision(identity, "")
	}
	boundary := e.layer(s.Boundary, lower)
	if boundary.effect == Deny {
		return e.decision(boundary, "")
	}
	session := e.layer(s.Session, lower)

	switch {
	case session.effect == Deny:
		return e.decision(session, "")
	case identity.effect != Allow:
		return e.decision(verdict{}, "")
	case s.HasBoundary && boundary.effect != Allow:
		return e.decision(verdict{}, LimitBoundary)
	case s.HasSession && session.effect != Allow:
		return e.decision(verdict{}, LimitSession)
	}
	return e.decision(identity, "")
}

// Trusts answers the question of a trust policy: may the principal perform an action of sts on the
// role. It reports nothing about what the principal's own policies allow. A caller that must know whether
// the policy names the principal itself or only its account passes only some of the names.
func (d *Document) Trusts(q Question) Decision {
	e := evaluation{q: q, steady: true, trust: true}
	var space [actionSpace]byte
	lower := appendLower(space[:0], q.Action)
	v := e.layer([]Policy{{Name: "role trust policy", Document: d}}, lower)

	if v.effect == "" {
		return e.decision(v, LimitTrust)
	}
	return e.decision(v, "")
}

// actionSpace is enough, in bytes, for the longest action there is; more of them is no fault.
const actionSpace = 96

// evaluation is the state of answering one question.
type evaluation struct {
	q       Question
	trust   bool
	steady  bool
	missing []string
}

// verdict is a layer's answer: the first deny, else the first allow, else nothing.
type verdict struct {
	effect Effect
	policy string
	index  int
	by     *Statement
}

// layer takes the action in lower case. The evaluation does not hold the action, because the compiler
// must assume that the context keeps the evaluation's contents; this way the action stays on the stack.
func (e *evaluation) layer(policies []Policy, lower []byte) (v verdict) {
	for _, p := range policies {
		if p.Document == nil {
			continue
		}
		for i := range p.Document.Statements {
			s := &p.Document.Statements[i]
			if v.effect != "" && s.Effect == Allow || !e.matches(s, lower) {
				continue
			}
			v = verdict{s.Effect, p.Name, i, s}
			if s.Effect == Deny {
				return v
			}
		}
	}
	return v
}

func (e *evaluation) decision(v verdict, limit string) Decision {
	return Decision{
		Allowed: v.effect == Allow, Explicit: v.effect == Deny,
		Action: e.q.Action, Resource: e.q.Resource,
		Policy: v.policy, Statement: v.by, Index: v.index,
		Limit: limit, Steady: e.steady, Missing: e.missing,
	}
}

func (e *evaluation) matches(s *Statement, lower []byte) bool {
	if !s.actions.matches(lower) {
		return false
	}
	if e.trust && !e.principal(s) || !e.trust && !e.resource(s) {
		return false
	}
	for i := range s.Conditions {
		if !e.condition(&s.Conditions[i]) {
			return false
		}
	}
	return true
}

func (e *evaluation) resource(s *Statement) bool {
	except := s.Resources == nil
	for i := range s.resources {
		matched, resolved := e.matchResource(&s.resources[i])
		if matched || except && !resolved {
			return matched && !except
		}
	}
	return except && len(s.resources) > 0
}

// lookup finds a key in the context and notes what that means for the decision.
func (e *evaluation) lookup(key string) ([]string, bool) {
	if e.q.Context == nil {
		e.miss(key)
		return nil, false
	}
	values, found, steady := e.q.Context.Lookup(key)
	e.steady = e.steady && steady
	if !found {
		e.miss(key)
	}
	return values, found
}

func (e *evaluation) miss(key string) {
	for _, known := range e.missing {
		if known == key {
			return
		}
	}
	e.missing = append(e.missing, key)
}
