package sts

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	wire "github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/store"
)

var errNoCaller = errors.New("sts: a call without a principal")

// GetCallerIdentity names the signer. No policy can refuse it.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *wire.GetCallerIdentityRequest) (*wire.GetCallerIdentityResponse, error) {
	p, ok := access.PrincipalFrom(ctx)
	if !ok {
		return nil, errNoCaller
	}
	return &wire.GetCallerIdentityResponse{UserID: p.ID, Account: s.site.Account, ARN: p.ARN}, nil
}

// GetSessionToken returns a user, or the root, temporary credentials of its own. The transport
// refused callers that have temporary ones already.
func (s *Service) GetSessionToken(ctx context.Context, r *wire.GetSessionTokenRequest) (*wire.GetSessionTokenResponse, error) {
	p, ok := access.PrincipalFrom(ctx)
	if !ok {
		return nil, errNoCaller
	}
	if p.Temporary() {
		return nil, accessDenied("Cannot call GetSessionToken with session credentials")
	}
	if err := noMFA(r.SerialNumber, r.TokenCode); err != nil {
		return nil, err
	}

	request := access.SessionRequest{Duration: defaultUser}
	if r.DurationSeconds != nil {
		request.Duration = time.Duration(*r.DurationSeconds) * time.Second
	}
	if p.IsRoot() {
		request.Duration = min(request.Duration, rootUser)
	} else if err := s.user(ctx, p, &request); err != nil {
		return nil, err
	}

	issued, err := s.access.Issue(ctx, request)
	if err != nil {
		return nil, err
	}
	return &wire.GetSessionTokenResponse{Credentials: credentials(issued)}, nil
}

func (s *Service) user(ctx context.Context, p *access.Principal, request *access.SessionRequest) error {
	return s.store.View(ctx, "", func(r store.Reader) error {
		u, found, err := store.AccountUsers.Get(r, store.K(strings.ToLower(p.Name)))
		if err == nil && (!found || u.ID != p.ID) { // deleted since it was verified
			err = accessDenied("The user %s no longer exists", p.Name)
		}
		request.User = &u
		return err
	})
}
