package access

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// UserSessionDuration is how long the credentials of a user session are valid.
const UserSessionDuration = time.Hour

// Options of a Service.
type Options struct {
	Site                chime.Site
	RootAccessKeyID     string
	RootSecretAccessKey string
	Now                 func() time.Time
	Random              io.Reader
	// PresignGrace is how long after its end a presigned URL still opens (zero: one minute).
	PresignGrace time.Duration
	// Explain adds to the refusal of a signature what the server computed.
	Explain bool
}

// Service verifies and authorises. It is safe for concurrent use.
type Service struct {
	site       chime.Site
	root       *Principal
	rootSecret string
	now        func() time.Time
	random     io.Reader
	verifier   *sigv4.Verifier
	sealer     *sealer
	opened     openedTokens
}

// Principal is who signed a request.
type Principal struct {
	ARN         string
	AccessKeyID string
	Service     string    // signing name of the scope: chime, sts, iam or cognito-identity
	Expires     time.Time // end of temporary credentials; zero: never

	policies *iam.Set
}

// Credentials are temporary keys as clients take them.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

// New makes a Service, or says what the options lack.
func New(o Options) (*Service, error) {
	if o.RootAccessKeyID == "" || o.RootSecretAccessKey == "" {
		return nil, errors.New("access: the root access key is not set")
	}
	scopes := sigv4.Scopes(o.Site.Region, "chime", "sts", "iam", "cognito-identity")
	if o.Site.Region != "us-east-1" { // IAM and the global STS endpoint sign for it everywhere
		scopes = append(scopes, sigv4.Scopes("us-east-1", "iam", "sts")...)
	}
	verifier, err := sigv4.New(sigv4.Options{Scopes: scopes, Now: o.Now, Grace: o.PresignGrace, Explain: o.Explain})
	if err != nil {
		return nil, err
	}
	sealer, err := newSealer(o.RootSecretAccessKey)
	if err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	policies, err := rootPolicy()
	if err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	return &Service{
		site: o.Site, rootSecret: o.RootSecretAccessKey, now: o.Now, random: o.Random,
		verifier: verifier, sealer: sealer,
		root: &Principal{
			ARN: "arn:aws:iam::" + o.Site.Account + ":root", AccessKeyID: o.RootAccessKeyID, policies: policies,
		},
	}, nil
}

// Verify finds who signed the request. A refusal is a *sigv4.Error.
func (s *Service) Verify(ctx context.Context, r *sigv4.Request) (*Principal, error) {
	result, err := s.verifier.Verify(ctx, r, s)
	if err != nil {
		return nil, err
	}
	p := *result.Principal.(*Principal)
	p.Service = result.Scope.Service
	return &p, nil
}

// SecretKey looks up the secret of an access key; it makes the Service a sigv4.Keys.
func (s *Service) SecretKey(_ context.Context, accessKeyID, sessionToken string) (string, any, error) {
	if sessionToken == "" {
		if subtle.ConstantTimeCompare([]byte(accessKeyID), []byte(s.root.AccessKeyID)) != 1 {
			return "", nil, sigv4.ErrUnknownKey
		}
		return s.rootSecret, s.root, nil
	}
	session, err := s.open(sessionToken)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", sigv4.ErrInvalidToken, err)
	}
	if session.principal.AccessKeyID != accessKeyID {
		return "", nil, fmt.Errorf("%w: it belongs to another access key", sigv4.ErrInvalidToken)
	}
	if !s.now().Before(session.principal.Expires) {
		return "", nil, sigv4.ErrExpiredToken
	}
	return session.secret, session.principal, nil
}

// Authorize refuses with AccessDeniedException unless the principal's policies allow the
// operation on every resource that the request names.
func (s *Service) Authorize(p *Principal, op *api.Operation, req api.Request) error {
	needed := []choice{{"*"}}
	if op.SigningName == "chime" {
		needed = s.resources(op.Name, req)
	}
	return p.allow(op.SigningName+":"+op.Name, needed)
}

// AuthorizeConnect does the same for opening a socket as the user.
func (s *Service) AuthorizeConnect(p *Principal, userARN string) error {
	return p.allow("chime:Connect", []choice{{userARN}})
}

func (p *Principal) allow(action string, needed []choice) error {
	if len(needed) == 0 {
		return denied(p, iam.Decision{Action: action, Resource: "*"})
	}
	for _, c := range needed {
		if d := p.decide(action, c); !d.Allowed {
			return denied(p, d)
		}
	}
	return nil
}

// decide asks for each ARN of a choice: one deny refuses, one allow suffices.
func (p *Principal) decide(action string, c choice) iam.Decision {
	var answer iam.Decision
	for i, arn := range c {
		d := p.policies.Decide(iam.Question{Action: action, Resource: arn})
		if d.Explicit {
			return d
		}
		if i == 0 || d.Allowed && !answer.Allowed {
			answer = d
		}
	}
	return answer
}

func denied(p *Principal, d iam.Decision) error {
	return &api.Error{
		Type: "AccessDeniedException", Code: "AccessDenied", Status: 403,
		Message: fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s",
			p.ARN, d.Action, d.Resource, d.Reason()),
	}
}

// IssueUserCredentials makes temporary credentials that can act as one app instance user and
// nobody else. The caller has made sure that the user exists.
func (s *Service) IssueUserCredentials(app string, user chime.Ref) (Credentials, error) {
	id, err := s.newAccessKeyID()
	if err != nil {
		return Credentials{}, err
	}
	now := s.now()
	c := claims{
		AccessKeyID: id, UserARN: s.site.RefARN(app, user),
		Issued: chime.At(now), Expires: chime.At(now.Add(UserSessionDuration)),
	}
	token, err := s.sealer.seal(c, s.random)
	if err != nil {
		return Credentials{}, err
	}
	return Credentials{
		AccessKeyID: id, SecretAccessKey: s.sealer.secret(id), SessionToken: token, Expiration: c.Expires.Time(),
	}, nil
}

// newAccessKeyID makes an id of the form of AWS's temporary ones.
func (s *Service) newAccessKeyID() (string, error) {
	var raw [10]byte
	if _, err := io.ReadFull(s.random, raw[:]); err != nil {
		return "", fmt.Errorf("access key: %w", err)
	}
	return "ASIA" + base32.StdEncoding.EncodeToString(raw[:]), nil
}

// openedTokens remembers the sessions of tokens that were opened, because a client sends the
// same token with every request.
type openedTokens struct {
	mu       sync.RWMutex
	sessions map[string]*session
}

type session struct {
	secret    string
	principal *Principal
}

const maxOpenedTokens = 10_000

func (s *Service) open(token string) (*session, error) {
	s.opened.mu.RLock()
	known := s.opened.sessions[token]
	s.opened.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	c, err := s.sealer.open(token)
	if err != nil {
		return nil, err
	}
	res, err := s.site.ParseIdentity("session token", c.UserARN)
	if err != nil {
		return nil, err
	}
	policies, err := userPolicy(s.site.AppInstanceARN(res.App), c.UserARN)
	if err != nil {
		return nil, err
	}
	opened := &session{secret: s.sealer.secret(c.AccessKeyID), principal: &Principal{
		ARN:         "arn:aws:sts::" + s.site.Account + ":assumed-role/app-instance-user/" + res.ID,
		AccessKeyID: c.AccessKeyID, Expires: c.Expires.Time(),
		policies: policies,
	}}
	s.opened.mu.Lock()
	defer s.opened.mu.Unlock()
	if s.opened.sessions == nil || len(s.opened.sessions) >= maxOpenedTokens {
		s.opened.sessions = make(map[string]*session)
	}
	s.opened.sessions[token] = opened
	return opened, nil
}
