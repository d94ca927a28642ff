package sts

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/carillon-chat/carillon/internal/access"
	wire "github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/policy"
)

// AssumeRole returns the caller a session of a role that trusts it.
func (s *Service) AssumeRole(ctx context.Context, r *wire.AssumeRoleRequest) (*wire.AssumeRoleResponse, error) {
	p, ok := access.PrincipalFrom(ctx)
	if !ok {
		return nil, errNoCaller
	}

	// What the request may not contain.
	if err := noMFA(r.SerialNumber, r.TokenCode); err != nil {
		return nil, err
	}
	if len(r.ProvidedContexts) > 0 {
		return nil, invalid("ProvidedContexts", "is not supported")
	}

	// What the session would carry.
	tags, transitive, err := chained(p, r)
	if err != nil {
		return nil, err
	}
	role, found, err := s.role(ctx, r.RoleARN)
	if err != nil {
		return nil, err
	}

	// Whether the role trusts the caller, with that.
	a := assumption{
		service: s, role: role, arn: r.RoleARN, action: "sts:AssumeRole", by: policy.Principal{AWS: append(ownNames(p, role), s.site.Account)},
		conditions: s.access.Conditions(ctx, p, r, access.SourceFrom(ctx)),
	}
	source, err := a.sourceIdentity(r.SourceIdentity)
	if err != nil {
		return nil, err
	}
	a.keys("sts:transitivetagkeys", r.TransitiveTagKeys)
	if err := a.admit(p, found, len(tags) > 0, r.SourceIdentity != nil); err != nil {
		return nil, err
	}

	// The session itself, within the limits of the role and of a chain of roles.
	if a.request, err = s.session(ctx, role, r.RoleSessionName, r.DurationSeconds, r.Policy, r.PolicyARNs); err != nil {
		return nil, err
	}
	if p.Kind == access.RoleSession && a.request.Duration > chainedRole {
		return nil, invalid("DurationSeconds", "is more than the hour that a role session may assume a further role for")
	}
	a.request.Tags, a.request.Transitive = tags, transitive
	if source != "" {
		a.request.Claims = map[string][]string{keySource: {source}}
	}

	issued, err := a.issue(ctx)
	if err != nil {
		return nil, err
	}
	return &wire.AssumeRoleResponse{
		Credentials: credentials(issued), AssumedRoleUser: &wire.AssumedRoleUser{AssumedRoleID: issued.ID, ARN: issued.ARN},
		PackedPolicySize: issued.Packed, SourceIdentity: source,
	}, nil
}

// admit refuses a caller that the role does not trust. A role that is not found trusts none.
func (a *assumption) admit(p *access.Principal, found, tagged, named bool) error {
	own := a.conditions.Decide(a.action, a.arn)
	reason := "because no role trust policy allows the " + a.action + " action"
	if !own.Allowed {
		a.byName = ownNames(p, a.role)
		reason = own.Reason()
	}

	trusted := found && a.trusted(tagged, named)
	if err := a.conditions.Err(); err != nil || trusted {
		return err
	}
	return accessDenied("User: %s is not authorized to perform: %s on resource: %s %s", p.ARN, a.action, a.arn, reason)
}

// ownNames are those by which the trust policy of the role names the principal itself: the ARNs
// that meant it when the policy was set. Its account, which stands for every caller whose own
// policies allow it, is not among them. The first is in no policy, but is a name that "*" fits.
func ownNames(p *access.Principal, role chime.Role) []string {
	names := []string{"id:" + p.ID}
	of, _, _ := strings.Cut(p.ID, ":") // of a session, the id of its role
	for _, t := range role.Trusted {
		if p.Kind != access.ChatSession && (t.ID == p.ID || t.ID == of) {
			names = append(names, t.ARN)
		}
	}
	return names
}

// assumption is a role on its way to being assumed.
type assumption struct {
	service    *Service
	role       chime.Role
	arn        string // of the role
	action     string
	by         policy.Principal
	byName     []string // when set, the trust policy has to allow the action to one of these names
	conditions *access.Conditions
	request    access.SessionRequest
}

// keys adds a condition key of this call, unless it has no value.
func (a *assumption) keys(name string, values []string) {
	if a.conditions.Extra == nil {
		a.conditions.Extra = map[string][]string{}
	}
	if len(values) > 0 {
		a.conditions.Extra[name] = values
	}
}

// trusted evaluates the role's trust policy for the action, and for what comes with it. A policy
// that is not understood trusts no caller.
func (a *assumption) trusted(tagged, named bool) bool {
	trust, err := policy.ParseTrust([]byte(a.role.Trust))
	if err != nil {
		return false
	}

	for _, tag := range a.role.Tags {
		a.keys("aws:resourcetag/"+lower(tag.Key), []string{tag.Value})
		a.keys("iam:resourcetag/"+lower(tag.Key), []string{tag.Value})
	}

	ask := func(action string, by policy.Principal) bool {
		return trust.Trusts(policy.Question{Action: action, Resource: a.arn, Context: a.conditions, Principal: by}).Allowed
	}
	allows := func(action string) bool { return ask(action, a.by) }

	if a.byName != nil && !ask(a.action, policy.Principal{AWS: a.byName}) {
		return false
	}
	return allows(a.action) && (!tagged || allows("sts:TagSession")) && (!named || allows("sts:SetSourceIdentity"))
}

// issue makes the credentials.
func (a *assumption) issue(ctx context.Context) (access.Credentials, error) {
	issued, err := a.service.access.Issue(ctx, a.request)
	if e, tooLarge := errors.AsType[*access.PackedTooLargeError](err); tooLarge {
		return issued, wire.PackedPolicyTooLargeException.Errorf("Packed policy consumes %d%% of allotted space, please use smaller policy.", e.Percent)
	}
	return issued, err
}

// session is the part of a session that every way of assuming a role has.
func (s *Service) session(ctx context.Context, role chime.Role, name string, seconds *int, policy *string, managed []wire.PolicyDescriptorType) (access.SessionRequest, error) {
	request := access.SessionRequest{Role: &role, SessionName: name}
	var err error
	if request.Duration, err = duration(role, seconds); err != nil {
		return request, err
	}
	request.Policies, err = s.sessionPolicies(ctx, policy, managed)
	return request, err
}

const maxSessionPolicies = 10 // managed ones of a session

// sessionPolicies are the given document and the managed policies with the ARNs.
func (s *Service) sessionPolicies(ctx context.Context, document *string, managed []wire.PolicyDescriptorType) (list []access.SessionPolicy, err error) {
	if document != nil {
		if _, err := policy.Parse([]byte(*document)); err != nil {
			return nil, wire.MalformedPolicyDocumentException.Errorf("Policy: %v", err)
		}
		list = append(list, access.SessionPolicy{Document: *document})
	}

	if len(managed) > maxSessionPolicies {
		return nil, invalid("PolicyArns", "has more than %d elements", maxSessionPolicies)
	}

	for i, m := range managed {
		member := fmt.Sprintf("PolicyArns[%d].arn", i)
		if m.ARN == nil {
			return nil, invalid(member, "is required")
		}
		policy, found, err := s.managedPolicy(ctx, *m.ARN)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, invalid(member, "names no managed policy")
		}
		list = append(list, access.SessionPolicy{ARN: policy.ARN, ID: policy.ID})
	}
	return list, nil
}

// keySource is the condition key of the name that a session keeps from role to role.
const keySource = "aws:sourceidentity"

// sourceIdentity returns the name that the session gets: the requested one, or the one that the
// caller has, which cannot be replaced.
func (a *assumption) sourceIdentity(asked *string) (string, error) {
	has, _, _ := a.conditions.Lookup(keySource)
	switch {
	case asked == nil && len(has) == 1:
		return has[0], nil
	case asked == nil:
		return "", nil
	case len(has) == 1 && has[0] != *asked:
		return "", accessDenied("SourceIdentity cannot be changed by a session that has one")
	}
	a.keys("sts:sourceidentity", []string{*asked})
	return *asked, nil
}
