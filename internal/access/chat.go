package access

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
)

// UserSessionDuration is how long the credentials of a chat session are valid at most.
const UserSessionDuration = time.Hour

// Tags of a chat session, which its policy speaks of.
const (
	tagApp  = "AppInstanceId"
	tagUser = "AppInstanceUserId"
)

// chatRole stands in ARNs where other sessions have the name of a role.
const chatRole = "app-instance-user"

// IssueUserCredentials makes temporary credentials that can act as one app instance user
// alone, until the user is deleted. The caller has made sure that the duration is at most
// UserSessionDuration. A user that does not exist is an error.
func (s *Service) IssueUserCredentials(ctx context.Context, app string, user chime.Ref, duration time.Duration) (Credentials, error) {
	holder, err := s.chatHolder(ctx, app, user.ID())
	if err == nil && holder == "" {
		err = fmt.Errorf("access: the app instance user %s does not exist", user.ID())
	}
	if err != nil {
		return Credentials{}, err
	}
	c := claims{
		Kind: ChatSession, ID: holder, SessionName: user.ID(),
		Tags: []chime.Tag{{Key: tagApp, Value: app}, {Key: tagUser, Value: user.ID()}},
	}
	return s.issue(c, duration, Credentials{ARN: s.assumedARN(chatRole, user.ID()), ID: user.ID()})
}

// chatHolder identifies the app instance user that has the id now, by its order of creation; empty
// when there is none.
func (s *Service) chatHolder(ctx context.Context, app, id string) (holder string, err error) {
	err = s.store.View(ctx, app, func(r store.Reader) error {
		u, found, err := store.Users.Get(r, store.K(app, id))
		if found {
			holder = strconv.FormatUint(u.Order, 10)
		}
		return err
	})
	return holder, err
}

// chatSession is the principal of a session of the chat page, which ends with its user.
func (s *Service) chatSession(ctx context.Context, c claims) (*Principal, error) {
	app, _ := tagValue(c.Tags, tagApp)
	holder, err := s.chatHolder(ctx, app, c.SessionName)
	if err != nil {
		return nil, err
	}
	if holder == "" || holder != c.ID {
		return nil, sigv4.ErrOrphanToken
	}
	arn := s.assumedARN(chatRole, c.SessionName)
	return &Principal{
		ARN: arn, policyARN: arn, ID: c.SessionName, SessionName: c.SessionName, Tags: c.Tags, SessionTags: c.Tags,
		serial: s.newSerial(), set: policy.Set{Identity: s.chatPolicy},
	}, nil
}

// chatPolicy is what an application's end user does as itself and in channels: the policy of the
// public demo (spec 2.6).
func chatPolicy(site chime.Site) ([]policy.Policy, error) {
	app := site.AppInstanceARN("${aws:PrincipalTag/" + tagApp + "}")
	text := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "chime:GetMessagingSessionEndpoint", "Resource": "*"},
		{"Effect": "Allow", "Action": ["chime:%s"],
		 "Resource": ["%[2]s/user/${aws:PrincipalTag/%[3]s}", "%[2]s/channel/*", "%[2]s/channel-flow/*"]},
		{"Effect": "Allow", "Action": ["chime:ListAppInstanceUsers", "chime:DescribeAppInstanceUser"],
		 "Resource": "%[2]s/user/*"},
		{"Effect": "Allow", "Action": "mobiletargeting:GetApp", "Resource": "*"}
	]}`, strings.Join(strings.Fields(chatActions), `", "chime:`), app, tagUser)
	d, err := policy.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("access: policy of chat sessions: %w", err)
	}
	return []policy.Policy{{Name: "the policy of chat sessions", Document: d}}, nil
}

const chatActions = `Connect
	AssociateChannelFlow DisassociateChannelFlow DescribeChannelFlow ListChannelFlows
	BatchCreateChannelMembership CreateChannelMembership DeleteChannelMembership
	DescribeChannelMembership DescribeChannelMembershipForAppInstanceUser
	ListChannelMemberships ListChannelMembershipsForAppInstanceUser
	GetChannelMembershipPreferences PutChannelMembershipPreferences
	CreateChannel DescribeChannel UpdateChannel DeleteChannel ListChannels
	SearchChannels ListSubChannels PutChannelExpirationSettings
	CreateChannelBan DeleteChannelBan DescribeChannelBan ListChannelBans
	CreateChannelModerator DeleteChannelModerator DescribeChannelModerator ListChannelModerators
	DescribeChannelModeratedByAppInstanceUser ListChannelsModeratedByAppInstanceUser
	SendChannelMessage GetChannelMessage GetChannelMessageStatus ListChannelMessages
	UpdateChannelMessage RedactChannelMessage DeleteChannelMessage UpdateChannelReadMarker
	RegisterAppInstanceUserEndpoint UpdateAppInstanceUserEndpoint DescribeAppInstanceUserEndpoint
	ListAppInstanceUserEndpoints DeregisterAppInstanceUserEndpoint`
