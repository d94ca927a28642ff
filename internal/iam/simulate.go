package iam

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/store"
)

// SimulateCustomPolicy decides by the documents of the request alone.
func (s *Service) SimulateCustomPolicy(_ context.Context, r *iamapi.SimulateCustomPolicyRequest) (*iamapi.SimulatePolicyResponse, error) {
	sim := s.newSimulation()
	if err := sim.addInput(r.PolicyInputList); err != nil {
		return nil, err
	}
	return sim.answer(asked{
		operation: "SimulateCustomPolicy", actions: r.ActionNames, resources: r.ResourceARNs, boundary: r.PermissionsBoundaryPolicyInputList,
		context: r.ContextEntries, caller: r.CallerARN, resourcePolicy: r.ResourcePolicy, marker: r.Marker, maxItems: r.MaxItems,
	})
}

// SimulatePrincipalPolicy decides by what limits a user or role now, and the documents of the
// request on top. A boundary in the request replaces the principal's own.
func (s *Service) SimulatePrincipalPolicy(ctx context.Context, r *iamapi.SimulatePrincipalPolicyRequest) (*iamapi.SimulatePolicyResponse, error) {
	sim := s.newSimulation()
	err := s.store.View(ctx, "", func(reader store.Reader) error { return s.loadPrincipal(reader, sim, r.PolicySourceARN) })
	if err != nil {
		return nil, err
	}
	if err := sim.addInput(r.PolicyInputList); err != nil {
		return nil, err
	}
	return sim.answer(asked{
		operation: "SimulatePrincipalPolicy " + r.PolicySourceARN, actions: r.ActionNames, resources: r.ResourceARNs, boundary: r.PermissionsBoundaryPolicyInputList,
		context: r.ContextEntries, caller: r.CallerARN, resourcePolicy: r.ResourcePolicy, marker: r.Marker, maxItems: r.MaxItems,
	})
}

// simulation is a principal that may not exist, and the circumstances of its calls.
type simulation struct {
	set     policy.Set
	sources map[string]source // by the names of policies
	values  circumstances
}

// source is how an answer calls a policy.
type source struct {
	id   string
	kind iamapi.PolicySourceType
}

// circumstances are the values of condition keys; the keys are in lower case.
type circumstances map[string][]string

// Lookup implements iam.Context.
func (c circumstances) Lookup(key string) (values []string, found, steady bool) {
	values, found = c[key]
	return values, found, true
}

func (s *Service) newSimulation() *simulation {
	now := s.clock().UTC()
	return &simulation{sources: map[string]source{}, values: circumstances{
		"aws:currenttime": {now.Format(time.RFC3339)}, "aws:epochtime": {strconv.FormatInt(now.Unix(), 10)},
	}}
}

// loadPrincipal takes over a user or role by its ARN.
func (s *Service) loadPrincipal(r store.Reader, sim *simulation, arn string) error {
	path, ok := strings.CutPrefix(arn, "arn:aws:iam::"+s.site.Account+":")
	kind, path, _ := strings.Cut(path, "/")
	if !ok || kind != chime.EntityUser && kind != chime.EntityRole {
		return invalid("PolicySourceArn", "%s is not the ARN of a user or role of this account", arn)
	}

	// Names ignore case and ARNs do not, so the entity's own ARN is compared at the end.
	name := path[strings.LastIndexByte(path, '/')+1:]
	var found string // its own ARN
	if kind == chime.EntityUser {
		user, _, err := grants.LoadUser(r, s.site, name)
		if err != nil {
			return err
		}
		found, sim.set = user.ARN, user.Set
		sim.principal("User", user.ARN, user.Tags)
		sim.values["aws:username"], sim.values["aws:userid"] = []string{user.Name}, []string{user.ID}
	} else {
		role, _, err := grants.LoadRole(r, s.site, name)
		if err != nil {
			return err
		}
		found, sim.set = role.ARN, role.Set
		sim.principal("AssumedRole", role.ARN, role.Tags)
	}

	if found != arn {
		return iamapi.NoSuchEntityException.Errorf("The entity %s does not exist.", arn)
	}

	sim.values["aws:principalaccount"] = []string{s.site.Account}
	sim.name(sim.set.Identity, kind, name)
	sim.name(sim.set.Boundary, kind, name)
	return nil
}

// principal sets the condition keys about the principal.
func (sim *simulation) principal(kind, arn string, tags []chime.Tag) {
	sim.values["aws:principaltype"], sim.values["aws:principalarn"] = []string{kind}, []string{arn}
	for _, tag := range tags {
		sim.values["aws:principaltag/"+strings.ToLower(tag.Key)] = []string{tag.Value}
	}
}

// name notes where stored policies are from. An inline policy is called as AWS does,
// user_ann_Policy, and a managed one by its ARN.
func (sim *simulation) name(list []policy.Policy, kind, entity string) {
	for _, p := range list {
		inline, isInline := strings.CutPrefix(p.Name, grants.InlineName(""))
		switch {
		case isInline:
			sim.sources[p.Name] = source{kind + "_" + entity + "_" + inline, iamapi.PolicySourceType(kind)}
		case strings.HasPrefix(p.Name, "arn:aws:iam::aws:"):
			sim.sources[p.Name] = source{p.Name, iamapi.PolicySourceTypeAwsManaged}
		default:
			sim.sources[p.Name] = source{p.Name, iamapi.PolicySourceTypeUserManaged}
		}
	}
}

func (sim *simulation) addInput(documents []string) error {
	list, err := sim.parse("PolicyInputList", documents)
	sim.set.Identity = append(sim.set.Identity, list...)
	return err
}

// parse reads the documents of a member and names them member.1, member.2.
func (sim *simulation) parse(member string, documents []string) ([]policy.Policy, error) {
	var list []policy.Policy
	for i, text := range documents {
		doc, err := policy.Parse([]byte(text))
		if err != nil {
			return nil, invalid(fmt.Sprintf("%s.%d", member, i+1), "%s", fault(err))
		}
		name := member + "." + strconv.Itoa(i+1)
		list = append(list, policy.Policy{Name: name, Document: doc})
		sim.sources[name] = source{name, iamapi.PolicySourceTypeNone}
	}
	return list, nil
}

// asked is the input that both operations share.
type asked struct {
	operation              string
	actions, resources     []string
	boundary               []string
	context                []iamapi.ContextEntry
	caller, resourcePolicy *string
	marker                 *string
	maxItems               *int
}

// answer decides for each pair of an action and a resource.
func (sim *simulation) answer(a asked) (*iamapi.SimulatePolicyResponse, error) {
	if err := sim.take(a); err != nil {
		return nil, err
	}
	if len(a.resources) == 0 {
		a.resources = []string{"*"}
	}

	scope := strings.Join([]string{a.operation, strings.Join(a.actions, ","), strings.Join(a.resources, ",")}, "\n")
	p, err := newPage[iamapi.EvaluationResult](scope, a.marker, a.maxItems)
	if err != nil {
		return nil, err
	}
	orderKey := func(i int) string { return fmt.Sprintf("%019d", i) }

	// A marker is the number of the last pair that was decided.
	begin, end := 0, len(a.actions)*len(a.resources)
	if p.after != "" {
		last, err := strconv.Atoi(p.after)
		if err != nil || last < 0 || last >= end {
			return nil, errMarker
		}
		begin = last + 1
	}

	// A page ends early when its work would exceed maxSteps.
	cost, spent := sim.cost(), 0
	for i := begin; i < end; i++ {
		q := policy.Question{Action: a.actions[i/len(a.resources)], Resource: a.resources[i%len(a.resources)], Context: sim.values}
		of := cost(q)
		if spent += of; of > maxSteps {
			return nil, invalid("PolicyInputList", "and the resource %.64q are too large together", q.Resource)
		} else if spent > maxSteps {
			p.truncated = true
			break
		}
		if !p.add(orderKey(i), sim.decide(q)) {
			break
		}
	}

	return &iamapi.SimulatePolicyResponse{EvaluationResults: p.items, IsTruncated: p.truncated, Marker: p.marker()}, nil
}

// maxSteps bounds the work of one page, whatever MaxItems says: about 0.1 s. What one user or role can
// have of policies fits in for more than one pair at any length of names.
const maxSteps = 1 << 28

// cost returns a function of how many steps a question may take at most.
func (sim *simulation) cost() func(policy.Question) int {
	bytes, conditions := sim.set.Size()
	longest := 0
	for _, values := range sim.values {
		for _, value := range values {
			longest = max(longest, len(value))
		}
	}
	// Each condition may be one more key without a value, which is looked for among those before it.
	return func(q policy.Question) int {
		return bytes*(len(q.Action)+len(q.Resource)+longest) + conditions*(conditions+1)
	}
}

// take checks and applies what the request adds.
func (sim *simulation) take(a asked) error {
	if a.resourcePolicy != nil {
		return invalid("ResourcePolicy", "the resources of this service have no policies of their own")
	}

	for _, action := range a.actions {
		if !strings.Contains(action, ":") {
			return invalid("ActionNames", "%q is not of the form service:action", action)
		}
	}

	if len(a.boundary) > 0 {
		list, err := sim.parse("PermissionsBoundaryPolicyInputList", a.boundary)
		if err != nil {
			return err
		}
		sim.set.Boundary, sim.set.HasBoundary = list, true
	}

	if a.caller != nil {
		sim.values["aws:principalarn"] = []string{*a.caller}
	}
	for _, entry := range a.context {
		if entry.ContextKeyName == nil {
			return invalid("ContextEntries", "an entry has no ContextKeyName")
		}
		sim.values[strings.ToLower(*entry.ContextKeyName)] = entry.ContextKeyValues
	}
	return nil
}

func (sim *simulation) decide(q policy.Question) iamapi.EvaluationResult {
	d := sim.set.Decide(q)
	result := iamapi.EvaluationResult{
		EvalActionName: q.Action, EvalResourceName: q.Resource, MissingContextValues: d.Missing,
		EvalDecision: iamapi.PolicyEvaluationDecisionTypeImplicitDeny,
	}

	switch {
	case d.Allowed:
		result.EvalDecision = iamapi.PolicyEvaluationDecisionTypeAllowed
	case d.Explicit:
		result.EvalDecision = iamapi.PolicyEvaluationDecisionTypeExplicitDeny
	}

	// Clients find the statement by its position in the document.
	if by := d.Statement; by != nil {
		from := sim.sources[d.Policy]
		result.MatchedStatements = []iamapi.Statement{{
			SourcePolicyID: from.id, SourcePolicyType: from.kind,
			StartPosition: &iamapi.Position{Line: by.Start.Line, Column: by.Start.Column},
			EndPosition:   &iamapi.Position{Line: by.End.Line, Column: by.End.Column},
		}}
	}

	if sim.set.HasBoundary {
		boundary := policy.Set{Identity: sim.set.Boundary}
		result.PermissionsBoundaryDecisionDetail = &iamapi.PermissionsBoundaryDecisionDetail{
			AllowedByPermissionsBoundary: boundary.Decide(q).Allowed,
		}
	}
	return result
}
