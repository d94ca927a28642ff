// Package cognito answers the calls of Cognito identity that browser apps make: GetId,
// GetCredentialsForIdentity and GetOpenIdToken. They are not signed. It promises:
//
//   - Roles define the pools: a pool exists while a role's trust policy lets
//     cognito-identity.amazonaws.com assume it by sts:AssumeRoleWithWebIdentity under the condition
//     that cognito-identity.amazonaws.com:aud is the pool's id, spelled out. The role of a caller is
//     the one that trusts the caller's identity, pool and amr: "authenticated" with a login,
//     "unauthenticated" without. There is no other setting.
//   - A login is an ID token of an issuer that IAM knows as an OIDC provider, under the provider's
//     name. One login of a pool always has the same identity.
//   - An identity with logins is given only to callers that prove one of them. One without may be
//     given a login that has no identity yet, and is then such an identity.
//   - Nothing is stored for a pool that does not exist, and identities without a login are made at a
//     bounded rate.
package cognito

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/carillon-chat/carillon/internal/api/cognito"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/oidc"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/sts"
)

// TokenLife is how long a token of GetOpenIdToken is valid.
const TokenLife = 10 * time.Minute

// Options of a Service.
type Options struct {
	Store    store.Store
	Site     chime.Site
	STS      *sts.Service
	Verifier *oidc.Verifier
	Own      *oidc.Own // makes the tokens of GetOpenIdToken
	Now      func() time.Time
	Random   io.Reader
	// GuestRate is how many identities without a login are made in a second, of all pools
	// together.
	GuestRate int
}

// Service answers the operations. It is safe for concurrent use.
type Service struct {
	options Options
	guests  bucket

	generation atomic.Uint64 // of the roles; Forget begins a new one
	reading    sync.Mutex    // taken while pools are read
	known      atomic.Pointer[pools]
}

var _ wire.Handler = (*Service)(nil)

// New makes a Service.
func New(o Options) *Service {
	return &Service{options: o, guests: bucket{rate: float64(o.GuestRate), now: o.Now}}
}

// Forget drops what is remembered of roles. A change of roles calls it after the commit.
func (s *Service) Forget() { s.generation.Add(1) }

// GetId returns the identity of a caller in a pool: that of the logins, or a new one.
func (s *Service) GetId(ctx context.Context, r *wire.GetIdInput) (*wire.GetIdResponse, error) {
	roles, err := s.pool(ctx, r.IdentityPoolID)
	if err != nil {
		return nil, err
	}
	if len(roles) == 0 || r.AccountID != nil && *r.AccountID != s.options.Site.Account {
		return nil, wire.ResourceNotFoundException.Errorf("IdentityPool '%s' not found.", r.IdentityPoolID)
	}

	logins, err := s.prove(ctx, r.Logins)
	if err != nil {
		return nil, err
	}

	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	// An identity that no role trusts would be of no use.
	if _, err := s.fitting(ctx, roles, caller{id, r.IdentityPoolID, logins}); err != nil {
		return nil, err
	}

	if len(logins) == 0 && !s.guests.take() {
		return nil, wire.TooManyRequestsException.Errorf("Too many identities are asked for without a login; try again later.")
	}
	if id, err = s.findOrMake(ctx, r.IdentityPoolID, id, logins); err != nil {
		return nil, err
	}
	return &wire.GetIdResponse{IdentityID: id}, nil
}

// GetCredentialsForIdentity returns a session of its role to an identity.
func (s *Service) GetCredentialsForIdentity(ctx context.Context, r *wire.GetCredentialsForIdentityInput) (*wire.GetCredentialsForIdentityResponse, error) {
	who, err := s.admit(ctx, r.IdentityID, r.Logins)
	if err != nil {
		return nil, err
	}

	roles, err := s.pool(ctx, who.pool)
	if err != nil {
		return nil, err
	}
	role, err := s.choose(ctx, roles, who, r.CustomRoleARN)
	if err != nil {
		return nil, err
	}

	issued, err := s.options.STS.AssumeByLogin(ctx, role, who.login(), sessionName)
	if err != nil {
		return nil, withinModel(err)
	}
	return &wire.GetCredentialsForIdentityResponse{IdentityID: who.id, Credentials: &wire.Credentials{
		AccessKeyID: issued.AccessKeyID, SecretKey: issued.SecretAccessKey, SessionToken: issued.SessionToken, Expiration: &issued.Expiration,
	}}, nil
}

// sessionName is that of every session, as AWS names them: the identity is in its condition keys.
const sessionName = "CognitoIdentityCredentials"

// GetOpenIdToken gives an identity a token for AssumeRoleWithWebIdentity.
func (s *Service) GetOpenIdToken(ctx context.Context, r *wire.GetOpenIdTokenInput) (*wire.GetOpenIdTokenResponse, error) {
	who, err := s.admit(ctx, r.IdentityID, r.Logins)
	if err != nil {
		return nil, err
	}
	token, err := s.options.Own.Token(ctx, who.id, who.pool, who.methods(), s.options.Now(), TokenLife)
	if err != nil {
		return nil, err
	}
	return &wire.GetOpenIdTokenResponse{IdentityID: who.id, Token: token}, nil
}
