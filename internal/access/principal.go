package access

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
)

// Kind is what a principal is.
type Kind uint8

// The kinds of principal. Their numbers are part of session tokens.
const (
	// Root is the account itself: it may do everything.
	Root Kind = iota + 1
	// User is an IAM user, by a long-term access key.
	User
	// RoleSession has assumed a role: AssumeRole, web identity or Cognito.
	RoleSession
	// UserSession has the temporary credentials of a user or of the root: GetSessionToken.
	UserSession
	// ChatSession is an app instance user that the console of dev mode let in; its policy is
	// built in and no role stands behind it.
	ChatSession
)

// Principal is the signer of a request. It is shared by all its requests and never changed.
type Principal struct {
	Kind Kind
	ARN  string // arn:aws:iam::...:root, ...:user/PATH/NAME, arn:aws:sts::...:assumed-role/NAME/SESSION
	ID   string // aws:userid: the account, AIDA..., AROA...:SESSION
	// Name is that of the user or role, as it was given; empty for the root.
	Name        string
	SessionName string // of a role session
	AccessKeyID string
	// Tags are the values of aws:PrincipalTag: the tags of the user or role, and over them those
	// of the session.
	Tags []chime.Tag
	// Transitive are the keys of the session's tags that go on when it assumes another role.
	Transitive []string
	// SessionTags are the tags that the session was given.
	SessionTags []chime.Tag
	// Issued and Expires are when temporary credentials begin and end; zero for others.
	Issued, Expires time.Time

	token     string            // of temporary credentials
	serial    uint64            // names it in the cache of decisions
	policyARN string            // aws:PrincipalArn: of a role session, the role
	provider  string            // aws:FederatedProvider
	claims    map[string]values // condition keys of a federated login, in lower case
	set       policy.Set        // what limits it; not looked at when all is true
	all       bool              // it may do everything
}

type values = []string

// IsRoot reports whether the principal acts for the account itself.
func (p *Principal) IsRoot() bool { return p.all }

// Temporary reports whether the principal has temporary credentials.
func (p *Principal) Temporary() bool { return !p.Expires.IsZero() }

// RoleARN is the ARN of a role session's role, and of any other principal its own: the value of
// aws:PrincipalArn.
func (p *Principal) RoleARN() string { return p.policyARN }

// caller is what requests of other services than chime carry in their context.
type caller struct {
	principal *Principal
	source    Source
}

type callerKey struct{}

// Provider is the federated provider that a role session came from, empty for others:
// aws:FederatedProvider.
func (p *Principal) Provider() string { return p.provider }

// WithCaller adds to the context the caller, nil for an operation without signature, and its
// source.
func WithCaller(ctx context.Context, p *Principal, from Source) context.Context {
	return context.WithValue(ctx, callerKey{}, caller{p, from})
}

// PrincipalFrom returns the principal whose request ctx belongs to. Only requests to IAM and STS
// have one: those to the messaging and identity APIs are many, and their services go by the bearer.
func PrincipalFrom(ctx context.Context) (*Principal, bool) {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.principal, c.principal != nil
}

// SourceFrom returns where the request that ctx belongs to came from, as far as the context knows.
func SourceFrom(ctx context.Context) Source {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c.source
}

func (s *Service) newSerial() uint64 { return s.serial.Add(1) }

func (s *Service) iamARN(path string) string { return "arn:aws:iam::" + s.site.Account + ":" + path }

func (s *Service) rootPrincipal() *Principal {
	arn := s.iamARN("root")
	return &Principal{Kind: Root, ARN: arn, policyARN: arn, ID: s.site.Account, serial: s.newSerial(), all: true}
}

func (s *Service) userPrincipal(u *entity) *Principal {
	return &Principal{
		Kind: User, ARN: u.arn, policyARN: u.arn, ID: u.id, Name: u.name, Tags: u.tags, serial: s.newSerial(), set: u.set,
	}
}

// sessionPrincipal returns the principal that the claims of a session token name. A session ends
// with the user or role that it was made for: a later one of the same name has another id, and the
// root another mark with another secret.
func (s *Service) sessionPrincipal(ctx context.Context, generation uint64, c claims) (p *Principal, err error) {
	switch {
	case c.Kind == ChatSession:
		if p, err = s.chatSession(ctx, c); err != nil {
			return nil, err
		}
	case c.Kind == UserSession && c.Name == "" && c.ID == s.rootMark:
		p = s.rootPrincipal()
	case c.Kind == UserSession && c.Name == "":
		return nil, sigv4.ErrOrphanToken
	case c.Kind == UserSession:
		user, err := s.holder(ctx, generation, chime.EntityUser, c)
		if err != nil {
			return nil, err
		}
		p = s.userPrincipal(user)
	case c.Kind == RoleSession:
		role, err := s.holder(ctx, generation, chime.EntityRole, c)
		if err != nil {
			return nil, err
		}
		p = s.roleSession(role, c)
	default:
		return nil, fmt.Errorf("%w: it is of an unknown kind", sigv4.ErrInvalidToken)
	}

	p.Kind, p.AccessKeyID = c.Kind, c.AccessKeyID
	p.Issued, p.Expires = c.Issued.Time(), c.Expires.Time()
	return p, s.addSessionPolicies(ctx, p, c.Policies, c.PolicyIDs)
}

// holder is the user or role of a session.
func (s *Service) holder(ctx context.Context, generation uint64, kind string, c claims) (*entity, error) {
	e, err := s.entity(ctx, generation, kind, c.Name)
	if err == nil && (e == nil || e.id != c.ID) {
		err = sigv4.ErrOrphanToken
	}
	return e, err
}

func (s *Service) roleSession(role *entity, c claims) *Principal {
	return &Principal{
		ARN: s.assumedARN(role.name, c.SessionName), policyARN: role.arn, ID: role.id + ":" + c.SessionName,
		Name: role.name, SessionName: c.SessionName,
		Tags: over(role.tags, c.Tags), SessionTags: c.Tags, Transitive: c.Transitive,
		serial: s.newSerial(), provider: c.Provider, claims: c.Federated, set: role.set,
	}
}

// addSessionPolicies puts session policies over a principal, whose set has none yet: documents, and
// managed policies by their ARNs as they are now. One that no longer exists allows nothing, and
// neither does a later one of its name.
func (s *Service) addSessionPolicies(ctx context.Context, p *Principal, list, ids []string) error {
	for i, text := range list {
		session, found := policy.Policy{Name: fmt.Sprintf("session policy %d", i+1)}, true
		var err error
		if strings.HasPrefix(text, "arn:") {
			err = s.store.View(ctx, "", func(r store.Reader) error {
				m, known, err := grants.LoadManaged(r, s.site, text)
				found = known && (i >= len(ids) || m.ID == ids[i])
				if found {
					session, err = m.InForce()
				}
				return err
			})
		} else {
			session.Document, err = policy.Parse([]byte(text))
		}

		if err != nil {
			return fmt.Errorf("session policy %d: %w", i+1, err)
		}
		if found {
			p.set.Session = append(p.set.Session, session)
		}
		p.set.HasSession = true
	}
	return nil
}

func (s *Service) assumedARN(role, session string) string {
	return "arn:aws:sts::" + s.site.Account + ":assumed-role/" + role + "/" + session
}

// over puts tags over others. Keys are equal without regard to case, as IAM has them.
func over(base, tags []chime.Tag) []chime.Tag {
	if len(base) == 0 {
		return tags
	}
	all := make([]chime.Tag, 0, len(base)+len(tags))
	for _, tag := range base {
		if _, replaced := tagValue(tags, tag.Key); !replaced {
			all = append(all, tag)
		}
	}
	return append(all, tags...)
}

func tagValue(tags []chime.Tag, key string) (string, bool) {
	for _, tag := range tags {
		if strings.EqualFold(tag.Key, key) {
			return tag.Value, true
		}
	}
	return "", false
}
