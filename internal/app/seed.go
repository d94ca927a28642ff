package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/iam"
	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/console"
)

// What dev mode provides to begin with.
const (
	seedApp         = "dev"
	seedChannel     = "general"
	seedChannelName = "General"
	seedRole        = "dev"
)

// seedTrust lets every principal that the account allows assume the role of dev mode; seedPolicy is
// what the role may do.
const (
	seedTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},` +
		`"Action":["sts:AssumeRole","sts:TagSession"]}]}`
	seedPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"chime:*","Resource":"*"}]}`
)

var seedUsers = []struct{ id, name string }{{"alice", "Alice"}, {"bob", "Bob"}}

// Seeded is what dev mode made at its first start and finds again at the next ones.
type Seeded struct {
	AppInstanceARN string
	UserARNs       []string
	ChannelARN     string
	RoleARN        string
}

// seed provides the app instance, users, channel and role of dev mode through the services. What
// exists already is left as it is, also when it was changed.
func (a *App) seed(ctx context.Context) error {
	if a.cfg.Mode != config.Dev {
		return nil
	}
	seeded := new(Seeded)
	for _, step := range []func(context.Context, *services) error{seeded.app, seeded.users, seeded.channel, seeded.role} {
		if err := step(ctx, a.services); err != nil {
			return fmt.Errorf("seed: %w", err)
		}
	}
	a.seeded = seeded
	return nil
}

func (d *Seeded) app(ctx context.Context, s *services) error {
	for request := new(identityapi.ListAppInstancesRequest); ; {
		page, err := s.identity.ListAppInstances(ctx, request)
		if err != nil {
			return err
		}
		for _, found := range page.AppInstances {
			if found.Name == seedApp {
				d.AppInstanceARN = found.AppInstanceARN
				return nil
			}
		}
		if page.NextToken == "" {
			break
		}
		request.NextToken = &page.NextToken
	}

	made, err := s.identity.CreateAppInstance(ctx, &identityapi.CreateAppInstanceRequest{Name: seedApp})
	if err != nil {
		return err
	}
	d.AppInstanceARN = made.AppInstanceARN
	return nil
}

func (d *Seeded) users(ctx context.Context, s *services) error {
	app, err := s.site.Parse("AppInstanceArn", d.AppInstanceARN)
	if err != nil {
		return err
	}

	for _, user := range seedUsers {
		arn := s.site.RefARN(app.App, chime.UserRef(user.id))
		d.UserARNs = append(d.UserARNs, arn)
		_, err := s.identity.DescribeAppInstanceUser(ctx, &identityapi.DescribeAppInstanceUserRequest{AppInstanceUserARN: arn})
		if err == nil {
			continue
		}

		_, err = s.identity.CreateAppInstanceUser(ctx, &identityapi.CreateAppInstanceUserRequest{
			AppInstanceARN: d.AppInstanceARN, AppInstanceUserID: user.id, Name: user.name,
		})
		if err != nil && !isConflict(err) {
			return err
		}
	}
	return nil
}

func (d *Seeded) channel(ctx context.Context, s *services) error {
	app, err := s.site.Parse("AppInstanceArn", d.AppInstanceARN)
	if err != nil {
		return err
	}

	id := seedChannel
	d.ChannelARN = s.site.ChannelARN(app.App, id)
	_, err = s.channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: d.ChannelARN, ChimeBearer: d.UserARNs[0]})
	if err == nil {
		return nil
	}

	_, err = s.channels.CreateChannel(ctx, &messaging.CreateChannelRequest{
		AppInstanceARN: d.AppInstanceARN, ChannelID: &id, Name: seedChannelName,
		Mode: messaging.ChannelModeUnrestricted, Privacy: messaging.ChannelPrivacyPublic,
		ChimeBearer: d.UserARNs[0], MemberARNs: d.UserARNs[1:],
	})
	if isConflict(err) { // alice may not see it any more
		err = nil
	}
	return err
}

// role is made once and then left as it is found.
func (d *Seeded) role(ctx context.Context, s *services) error {
	found, err := s.account.GetRole(ctx, &iam.GetRoleRequest{RoleName: seedRole})
	if err == nil {
		d.RoleARN = found.Role.ARN
		return nil
	}
	made, err := s.account.CreateRole(ctx, &iam.CreateRoleRequest{
		RoleName: seedRole, AssumeRolePolicyDocument: fmt.Sprintf(seedTrust, s.site.Account),
	})
	if err != nil {
		return err
	}
	d.RoleARN = made.Role.ARN
	_, err = s.account.PutRolePolicy(ctx, &iam.PutRolePolicyRequest{RoleName: seedRole, PolicyName: seedRole, PolicyDocument: seedPolicy})
	return err
}

func isConflict(err error) bool {
	var answer *api.Error
	return errors.As(err, &answer) && (answer.Type == api.ConflictException.Type || answer.Type == iam.EntityAlreadyExistsException.Type)
}

// devConsole gives the chat page access to the seeded app instance.
type devConsole struct {
	*services
	appARN string
}

// ListUsers implements console.Directory.
func (c devConsole) ListUsers(ctx context.Context) (users []console.User, err error) {
	for request := (&identityapi.ListAppInstanceUsersRequest{AppInstanceARN: c.appARN}); ; {
		page, err := c.identity.ListAppInstanceUsers(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, u := range page.AppInstanceUsers {
			res, err := c.site.Parse("AppInstanceUserArn", u.AppInstanceUserARN)
			if err != nil {
				return nil, err
			}
			users = append(users, console.User{ID: res.ID, Name: u.Name, ARN: u.AppInstanceUserARN})
		}
		if page.NextToken == "" {
			return users, nil
		}
		request.NextToken = &page.NextToken
	}
}

// IssueCredentials implements console.Issuer.
func (c devConsole) IssueCredentials(ctx context.Context, userID string, duration time.Duration) (console.Credentials, error) {
	app, err := c.site.Parse("AppInstanceArn", c.appARN)
	if err != nil {
		return console.Credentials{}, err
	}

	ref := chime.UserRef(userID)
	described, err := c.identity.DescribeAppInstanceUser(ctx, &identityapi.DescribeAppInstanceUserRequest{
		AppInstanceUserARN: c.site.RefARN(app.App, ref),
	})
	if err != nil {
		return console.Credentials{}, err
	}

	issued, err := c.access.IssueUserCredentials(ctx, app.App, ref, duration)
	if err != nil {
		return console.Credentials{}, err
	}

	user := described.AppInstanceUser
	return console.Credentials{
		User:        console.User{ID: userID, Name: user.Name, ARN: user.AppInstanceUserARN},
		AccessKeyID: issued.AccessKeyID, SecretAccessKey: issued.SecretAccessKey, SessionToken: issued.SessionToken,
		Expiration: issued.Expiration,
	}, nil
}
