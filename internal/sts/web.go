package sts

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/oidc"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/store"
)

// The issuer of Cognito identities, as trust policies and condition keys name it, and its URL.
const (
	Cognito    = "cognito-identity.amazonaws.com"
	CognitoURL = "https://" + Cognito
)

const webIdentityAction = "sts:AssumeRoleWithWebIdentity"

// AssumeRoleWithWebIdentity returns a session of a role to a caller with a token of an issuer that
// the role trusts. The request is not signed.
func (s *Service) AssumeRoleWithWebIdentity(ctx context.Context, r *wire.AssumeRoleWithWebIdentityRequest) (*wire.AssumeRoleWithWebIdentityResponse, error) {
	if r.ProviderID != nil {
		return nil, invalid("ProviderId", "is for OAuth 2.0 access tokens, which are not supported")
	}

	// The token proves the identity of the caller; the role's trust policy decides whether that is enough.
	who, err := s.verifier.Verify(ctx, r.WebIdentityToken)
	if err != nil {
		return nil, refused(err)
	}
	role, found, err := s.role(ctx, r.RoleARN)
	if err != nil {
		return nil, err
	}
	login := s.login(who)
	a := s.federated(ctx, role, login, r)
	trusted := found && a.trusted(len(login.Tags) > 0, false)
	if err := a.conditions.Err(); err != nil {
		return nil, err
	}
	if !trusted {
		return nil, accessDenied("Not authorized to perform %s", webIdentityAction)
	}

	if a.request, err = s.session(ctx, role, r.RoleSessionName, r.DurationSeconds, r.Policy, r.PolicyARNs); err != nil {
		return nil, err
	}

	issued, err := a.login(ctx, login)
	if err != nil {
		return nil, err
	}
	return &wire.AssumeRoleWithWebIdentityResponse{
		Credentials: credentials(issued), AssumedRoleUser: &wire.AssumedRoleUser{AssumedRoleID: issued.ID, ARN: issued.ARN},
		SubjectFromWebIdentityToken: who.Subject, Audience: who.Audience, Provider: login.Principal, PackedPolicySize: issued.Packed,
	}, nil
}

// refused turns the refusal of a token into the answer. Any other error is a failure of the server.
func refused(err error) error {
	kinds := []struct {
		kind   error
		answer api.Exception
	}{
		{oidc.ErrExpired, wire.ExpiredTokenException},
		{oidc.ErrRejected, wire.IDPRejectedClaimException},
		{oidc.ErrCommunication, wire.IDPCommunicationErrorException},
		{oidc.ErrInvalid, wire.InvalidIdentityTokenException},
	}
	for _, k := range kinds {
		if errors.Is(err, k.kind) {
			return k.answer.Errorf("%v", err)
		}
	}
	return err
}

// Login is an identity that an issuer vouches for, as trust policies and conditions see it.
type Login struct {
	Principal string // in trust policies: the ARN of an OIDC provider, or Cognito
	// Claims are the condition keys of the login, in lower case: "example.com:sub".
	Claims map[string][]string
	// Tags and Transitive are the session tags that the issuer requests.
	Tags       []chime.Tag
	Transitive []string
}

// login puts the claims of a verified token into the language of policies.
func (s *Service) login(who *oidc.Identity) Login {
	login := Login{Principal: grants.ProviderARN(s.site, who.Provider), Tags: who.Tags}
	if who.Provider == Cognito {
		login.Principal = Cognito
	}

	prefix := lower(who.Provider) + ":"
	login.Claims = map[string][]string{prefix + "sub": {who.Subject}, prefix + "aud": {who.Audience}}
	if len(who.Methods) > 0 {
		login.Claims[prefix+"amr"] = who.Methods
	}
	if len(who.Claimed) > 0 {
		login.Claims[prefix+"oaud"] = who.Claimed
	}

	for _, tag := range who.Tags {
		if holds(who.TransitiveTags, tag.Key) {
			login.Transitive = append(login.Transitive, tag.Key)
		}
	}
	return login
}

// federated prepares the question whether a role trusts a login. req is nil when the login comes
// through another API.
func (s *Service) federated(ctx context.Context, role chime.Role, login Login, req api.Request) *assumption {
	a := &assumption{
		service: s, role: role, arn: grants.RoleARN(s.site, role), action: webIdentityAction,
		by: policy.Principal{Federated: login.Principal}, conditions: s.access.Conditions(ctx, nil, req, access.SourceFrom(ctx)),
	}

	a.keys("aws:federatedprovider", []string{login.Principal})
	for key, values := range login.Claims {
		a.keys(key, values)
	}

	var keys []string
	for _, tag := range login.Tags {
		a.keys("aws:requesttag/"+lower(tag.Key), []string{tag.Value})
		keys = append(keys, tag.Key)
	}
	a.keys("aws:tagkeys", keys)
	a.keys("sts:transitivetagkeys", login.Transitive)
	return a
}

// login issues the session of a login that is trusted.
func (a *assumption) login(ctx context.Context, login Login) (access.Credentials, error) {
	if err := checkTags(login.Tags); err != nil {
		return access.Credentials{}, wire.IDPRejectedClaimException.Errorf("the session tags in the token: %s", err.Message)
	}
	for _, tag := range login.Tags {
		if tag.Key == "" || utf8.RuneCountInString(tag.Key) > 128 || utf8.RuneCountInString(tag.Value) > 256 {
			return access.Credentials{}, wire.IDPRejectedClaimException.Errorf("a session tag in the token is empty or too long")
		}
	}
	a.request.Tags, a.request.Transitive = login.Tags, login.Transitive
	a.request.Provider, a.request.Claims = login.Principal, login.Claims
	return a.issue(ctx)
}

// Trusts reports whether the role lets the login assume it by web identity.
func (s *Service) Trusts(ctx context.Context, role chime.Role, login Login) bool {
	a := s.federated(ctx, role, login, nil)
	return a.trusted(len(login.Tags) > 0, false) && a.conditions.Err() == nil
}

// AssumeByLogin returns a session of a role for a login. The caller has called Trusts.
func (s *Service) AssumeByLogin(ctx context.Context, role chime.Role, login Login, sessionName string) (access.Credentials, error) {
	a := s.federated(ctx, role, login, nil)
	a.request = access.SessionRequest{Role: &role, SessionName: sessionName, Duration: defaultRole}
	return a.login(ctx, login)
}

func (s *Service) managedPolicy(ctx context.Context, arn string) (m grants.Managed, found bool, err error) {
	err = s.store.View(ctx, "", func(r store.Reader) (err error) {
		m, found, err = grants.LoadManaged(r, s.site, arn)
		return err
	})
	return m, found, err
}
