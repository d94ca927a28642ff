package access

import (
	"context"
	"strconv"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/store"
)

// Conditions supplies the values of condition keys and policy variables for the questions of one
// request; it is a policy.Context. It belongs to one goroutine.
type Conditions struct {
	// Extra are further values, by the names of their keys in lower case. They go first.
	Extra map[string][]string

	ctx      context.Context
	s        *Service
	p        *Principal // nil: the request is not signed
	req      api.Request
	from     Source
	resource string // that the question is about
	tagged   string // resource whose tags are in tags
	tags     []chime.Tag
	failed   error // why something could not be read
}

// Conditions makes the condition values of a request. p is nil when it is not signed, req when
// there is none.
func (s *Service) Conditions(ctx context.Context, p *Principal, req api.Request, from Source) *Conditions {
	return &Conditions{ctx: ctx, s: s, p: p, req: req, from: from}
}

// Decide answers whether the policies of the signer allow the action on the resource.
func (c *Conditions) Decide(action, resource string) policy.Decision {
	return c.ask(c.p, action, resource)
}

// Err is why a value could not be read, so that no decision that looked it up counts.
func (c *Conditions) Err() error { return c.failed }

// ask answers whether the principal may do the action on the resource.
func (c *Conditions) ask(p *Principal, action, resource string) policy.Decision {
	if p.all {
		return policy.Decision{Allowed: true, Action: action, Resource: resource, Steady: true}
	}
	c.resource = resource
	return p.set.Decide(policy.Question{Action: action, Resource: resource, Context: c})
}

// Lookup implements iam.Context. What depends on the principal alone is steady.
func (c *Conditions) Lookup(key string) (found []string, ok, steady bool) {
	if v, ok := c.Extra[key]; ok {
		return v, true, false
	}
	if prefix, name, ok := strings.Cut(key, "/"); ok {
		return c.tag(prefix, name)
	}
	if v, ok := c.ofRequest(key); ok {
		return v, v != nil, false
	}
	if c.p == nil {
		return nil, false, false
	}
	v := c.p.values(key, c.s.site)
	return v, v != nil, true
}

// tag returns the value of a key such as aws:principaltag/team.
func (c *Conditions) tag(prefix, name string) (found []string, ok, steady bool) {
	var tags []chime.Tag
	switch prefix {
	case "aws:principaltag":
		if c.p != nil {
			tags = c.p.Tags
		}
		steady = true
	case "aws:requesttag":
		tags = requestTags(c.req)
	case "aws:resourcetag", "iam:resourcetag":
		tags = c.resourceTags()
	default:
		// A provider whose name has a slash: example.com/tenant:sub.
		if c.p != nil {
			v := c.p.claims[prefix+"/"+name]
			return v, v != nil, true
		}
		return nil, false, false
	}

	v, ok := tagValue(tags, name)
	if !ok {
		return nil, false, steady
	}
	return []string{v}, true, steady
}

// ofRequest returns the values of keys that can differ between two requests of a principal. known
// reports that it is such a key; its values are nil when this request has none.
func (c *Conditions) ofRequest(key string) (v values, known bool) {
	switch key {
	case "aws:currenttime":

		return one(c.s.now().UTC().Format("2006-01-02T15:04:05Z")), true
	case "aws:epochtime":
		return one(strconv.FormatInt(c.s.now().Unix(), 10)), true
	case "aws:securetransport":
		return one(strconv.FormatBool(c.from.Secure)), true
	case "aws:sourceip":
		if ip := c.from.IP(); ip.IsValid() {
			return one(ip.String()), true
		}
		return nil, true

	case "aws:useragent":
		return unlessEmpty(c.from.UserAgent), true
	case "aws:tagkeys":
		return requestTagKeys(c.req), true
	case "sts:externalid":
		return c.member("ExternalId"), true

	case "sts:rolesessionname":
		return c.member("RoleSessionName"), true
	case "iam:policyarn":
		return c.member("PolicyArn"), true
	case "iam:permissionsboundary":
		return c.member("PermissionsBoundary"), true
	}
	return nil, false
}

func (c *Conditions) member(name string) values {
	if c.req == nil {
		return nil
	}
	return unlessEmpty(c.req.Member(name))
}

// values returns the values of keys about the principal.
func (p *Principal) values(key string, site chime.Site) values {
	switch key {
	case "aws:principalarn":
		return one(p.policyARN)
	case "aws:principalaccount":
		return one(site.Account)
	case "aws:principaltype":
		return one(p.kindName())
	case "aws:userid":
		return one(p.ID)
	case "aws:username":
		if p.Kind == User || p.Kind == UserSession {
			return unlessEmpty(p.Name)
		}

	case "aws:requestedregion":
		return one(site.Region)

	case "aws:tokenissuetime":
		if p.Temporary() {
			return one(p.Issued.UTC().Format("2006-01-02T15:04:05Z"))
		}
	case "aws:multifactorauthpresent":
		if p.Temporary() {
			return one("false")
		}
	case "aws:federatedprovider":
		return unlessEmpty(p.provider)
	case "aws:principalisawsservice", "aws:viaawsservice":
		return one("false")
	}
	return p.claims[key]
}

func (p *Principal) kindName() string {
	switch {
	case p.all:
		return "Account"
	case p.Kind == RoleSession || p.Kind == ChatSession:
		return "AssumedRole"
	}
	return "User"
}

func one(value string) values { return values{value} }

func unlessEmpty(value string) values {
	if value == "" {
		return nil
	}
	return values{value}
}

// resourceTags reads the tags of the resource when a policy looks one up. When they cannot be
// read, failed is set, and no decision counts.
func (c *Conditions) resourceTags() []chime.Tag {
	if c.tagged == c.resource {
		return c.tags
	}
	c.tagged, c.tags = c.resource, nil
	err := c.s.store.View(c.ctx, c.s.site.AppOf(c.resource), func(r store.Reader) (err error) {
		c.tags, err = tagsOf(r, c.s.site, c.resource)
		return err
	})
	if err != nil && c.failed == nil {
		c.failed = err
	}
	return c.tags
}

// tagsOf reads the tags of what an ARN names, none when it names nothing that has tags.
func tagsOf(r store.Reader, site chime.Site, arn string) ([]chime.Tag, error) {
	if res, err := site.Parse("", arn); err == nil {
		tags, _, err := store.Tags.Get(r, store.TagsKey(res))
		return tags, err
	}
	path, ok := strings.CutPrefix(arn, "arn:aws:iam::"+site.Account+":")
	if !ok {
		return nil, nil
	}

	kind, rest, _ := strings.Cut(path, "/")
	key := store.K(strings.ToLower(rest[strings.LastIndexByte(rest, '/')+1:]))
	switch kind {
	case "user":
		u, _, err := store.AccountUsers.Get(r, key)
		return u.Tags, err
	case "role":
		role, _, err := store.Roles.Get(r, key)
		return role.Tags, err
	case "policy":
		p, _, err := store.Policies.Get(r, key)
		return p.Tags, err
	case "oidc-provider":
		o, _, err := store.OIDCProviders.Get(r, store.K(rest))
		return o.Tags, err
	}
	return nil, nil
}

// requestTags are the tags that a request wants to put.
func requestTags(req api.Request) []chime.Tag {
	switch r := req.(type) {
	case *messaging.CreateChannelRequest:
		return chime.TagsOf(r.Tags)
	case *messaging.CreateChannelFlowRequest:
		return chime.TagsOf(r.Tags)
	case *messaging.TagResourceRequest:
		return chime.TagsOf(r.Tags)

	case *identity.CreateAppInstanceRequest:
		return chime.TagsOf(r.Tags)
	case *identity.CreateAppInstanceUserRequest:
		return chime.TagsOf(r.Tags)
	case *identity.CreateAppInstanceBotRequest:
		return chime.TagsOf(r.Tags)
	case *identity.TagResourceRequest:
		return chime.TagsOf(r.Tags)

	case *iam.CreateUserRequest:
		return optional(r.Tags)
	case *iam.CreateRoleRequest:
		return optional(r.Tags)
	case *iam.CreatePolicyRequest:
		return optional(r.Tags)
	case *iam.CreateOpenIDConnectProviderRequest:
		return optional(r.Tags)
	case *iam.TagRoleRequest:
		return optional(r.Tags)
	case *iam.TagUserRequest:
		return optional(r.Tags)
	case *iam.TagPolicyRequest:
		return optional(r.Tags)
	case *iam.TagOpenIDConnectProviderRequest:
		return optional(r.Tags)

	case *sts.AssumeRoleRequest:
		return optional(r.Tags)
	}
	return nil
}

// requestTagKeys are the keys of the tags that a request wants to put or to remove.
func requestTagKeys(req api.Request) values {
	switch r := req.(type) {
	case *messaging.UntagResourceRequest:
		return r.TagKeys
	case *identity.UntagResourceRequest:
		return r.TagKeys
	case *iam.UntagRoleRequest:
		return r.TagKeys
	case *iam.UntagUserRequest:
		return r.TagKeys
	case *iam.UntagPolicyRequest:
		return r.TagKeys
	case *iam.UntagOpenIDConnectProviderRequest:
		return r.TagKeys
	}

	var keys values
	for _, tag := range requestTags(req) {
		keys = append(keys, tag.Key)
	}
	return keys
}

func optional[T ~struct {
	Key   string
	Value *string
}](tags []T) []chime.Tag {
	kept := make([]chime.Tag, len(tags))
	for i, tag := range tags {
		tag := struct {
			Key   string
			Value *string
		}(tag)
		kept[i].Key = tag.Key
		if tag.Value != nil {
			kept[i].Value = *tag.Value
		}
	}
	return kept
}
