// Package sts issues temporary credentials: AssumeRole, AssumeRoleWithWebIdentity and
// GetSessionToken, and names their holder: GetCallerIdentity. It promises:
//
//   - A role is assumed only when its trust policy allows the caller to. One that trusts the whole
//     account leaves it to the caller's own policies; one that names the caller needs no more,
//     unless a permissions boundary or session policies limit the caller. A deny wins anywhere. What
//     a web identity proves is all that its caller needs.
//   - A role that does not exist is answered like one that does not trust the caller.
//   - A session never lasts longer than its role allows, and one hour when a role session assumes
//     a further role.
//   - Session policies only narrow. Managed ones are followed as they change.
//   - Session tags need sts:TagSession in the trust policy; those that are transitive go on from
//     session to session and cannot be replaced.
//
// MFA devices and provided contexts do not exist here, so calls that bring them are refused.
package sts

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	wire "github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/oidc"
	"github.com/carillon-chat/carillon/internal/store"
)

// Options of a Service. All are required.
type Options struct {
	Store    store.Store
	Site     chime.Site
	Access   *access.Service
	Verifier *oidc.Verifier
}

// Service answers the operations of STS. It is safe for concurrent use.
type Service struct {
	store    store.Store
	site     chime.Site
	access   *access.Service
	verifier *oidc.Verifier
}

var _ wire.Handler = (*Service)(nil)

// New makes a Service.
func New(o Options) *Service {
	return &Service{store: o.Store, site: o.Site, access: o.Access, verifier: o.Verifier}
}

// Lengths of sessions that the callers do not choose, and limits of those that they do.
const (
	defaultRole = time.Hour
	chainedRole = time.Hour // at most, of a role that a role session assumes
	defaultUser = 12 * time.Hour
	rootUser    = time.Hour // at most, of the root's own session
)

// role finds the role with exactly the ARN.
func (s *Service) role(ctx context.Context, arn string) (role chime.Role, found bool, err error) {
	prefix := "arn:aws:iam::"
	if !strings.HasPrefix(arn, prefix) || !strings.Contains(arn, ":role/") {
		return role, false, invalid("RoleArn", "must be the ARN of a role")
	}
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	err = s.store.View(ctx, "", func(r store.Reader) (err error) {
		role, found, err = store.Roles.Get(r, store.K(strings.ToLower(name)))
		return err
	})
	return role, found && grants.RoleARN(s.site, role) == arn, err
}

// duration is how long a session of the role lasts.
func duration(role chime.Role, asked *int) (time.Duration, error) {
	if asked == nil {
		return defaultRole, nil
	}
	if *asked > role.MaxSession {
		return 0, invalid("DurationSeconds", "is more than the MaxSessionDuration of the role, %d", role.MaxSession)
	}
	return time.Duration(*asked) * time.Second, nil
}

func invalid(member, format string, args ...any) *api.Error {
	e := api.ValidationError.Errorf(member+" "+format, args...)
	e.Member = member
	return e
}

func accessDenied(format string, args ...any) *api.Error {
	return &api.Error{Type: "AccessDeniedException", Code: "AccessDenied", Status: 403, Message: fmt.Sprintf(format, args...)}
}

// noMFA refuses a code of a device, because there are no devices.
func noMFA(serial, code *string) error {
	if serial != nil || code != nil {
		return accessDenied("MultiFactorAuthentication failed, there is no such MFA device")
	}
	return nil
}

func credentials(c access.Credentials) *wire.Credentials {
	return &wire.Credentials{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Expiration: c.Expiration,
	}
}
