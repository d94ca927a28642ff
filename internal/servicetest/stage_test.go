package servicetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// stage is one channel with everybody of the matrix around it. Each caller sent a message while
// it was a DEFAULT member.
type stage struct {
	*servicetest.World
	t       *testing.T
	channel string
	sub     *string           // the one sub-channel of an elastic channel
	own     map[string]string // message id by sender
	flow    string
}

var callers = []string{"adm", "mod", "mem", "hid", "pub", "prv", "ban"}

func newStage(t *testing.T, elastic bool, privacy messaging.ChannelPrivacy, mode messaging.ChannelMode) *stage {
	return stageOf(t, servicetest.New(t, cast...), elastic, privacy, mode)
}

// cast are the users of a stage.
var cast = append([]string{"owner", "third", "secret", "new"}, callers...)

// stageOf is a stage in a world with its users.
func stageOf(t *testing.T, w *servicetest.World, elastic bool, privacy messaging.ChannelPrivacy, mode messaging.ChannelMode) *stage {
	s := &stage{World: w, t: t, own: map[string]string{}}
	s.channel = s.Channel("c")
	s.AddChannel("owner", "c", func(r *messaging.CreateChannelRequest) {
		r.Privacy, r.Mode = privacy, mode
		if elastic {
			r.ElasticChannelConfiguration = &messaging.ElasticChannelConfiguration{
				MaximumSubChannels: 2, TargetMembershipsPerSubChannel: 20, MinimumMembershipPercentage: 1,
			}
		}
	})
	ctx, owner := context.Background(), s.User("owner")
	if elastic {
		subs := must(s.API.ListSubChannels(ctx, &messaging.ListSubChannelsRequest{ChannelARN: s.channel, ChimeBearer: owner}))(t)
		s.sub = &subs.SubChannels[0].SubChannelID
	}
	for _, who := range append([]string{"third"}, callers...) {
		s.AddMember("owner", "c", who, messaging.ChannelMembershipTypeDefault)
		text := s.Text(who, "c", "by "+who)
		text.SubChannelID = s.sub
		s.own[who] = s.Send(text)
		if who != "mem" && who != "third" && who != "ban" {
			must(s.API.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{ChannelARN: s.channel, MemberARN: s.User(who), ChimeBearer: owner}))(t)
		}
	}
	must(s.API.CreateChannelModerator(ctx, &messaging.CreateChannelModeratorRequest{ChannelARN: s.channel, ChannelModeratorARN: s.User("mod"), ChimeBearer: owner}))(t)
	must(s.API.CreateChannelBan(ctx, &messaging.CreateChannelBanRequest{ChannelARN: s.channel, MemberARN: s.User("ban"), ChimeBearer: owner}))(t)
	if !elastic {
		s.AddMember("owner", "c", "hid", messaging.ChannelMembershipTypeHidden)
		s.AddMember("owner", "c", "secret", messaging.ChannelMembershipTypeHidden)
	}
	s.MakeAdmin("adm")
	s.flow = must(s.API.CreateChannelFlow(ctx, &messaging.CreateChannelFlowRequest{
		AppInstanceARN: s.App, Name: "f", ClientRequestToken: s.Token(), Processors: []messaging.Processor{{
			Name: "p", ExecutionOrder: 1, FallbackAction: messaging.FallbackActionContinue,
			Configuration: &messaging.ProcessorConfiguration{Lambda: &messaging.LambdaConfiguration{
				ResourceARN: "arn:aws:lambda:us-east-1:000000000000:function:p", InvocationType: messaging.InvocationTypeAsync,
			}},
		}},
	}))(t).ChannelFlowARN
	return s
}

// must ends the test when a call that prepares it fails.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

var errNotFoundInSearch error = api.Forbidden("the search does not find the channel")

// do makes a call of the matrix.
func (s *stage) do(call, caller string) error {
	operation, variant, _ := strings.Cut(call, " ")
	subject := s.User("third")
	message := s.own["third"]
	switch {
	case variant == "self" || variant == "HIDDEN self":
		subject = s.User(caller)
	case variant == "own":
		message = s.own[caller]
	case strings.HasSuffix(variant, "of the banned") || variant == "again":
		subject = s.User("ban")
	case variant == "of a moderator":
		subject = s.User("owner")
	case variant == "of an admin":
		subject = s.User("adm")
	case strings.HasSuffix(variant, "of a hidden member"):
		subject = s.User("secret")
	case operation == "CreateChannelMembership" || operation == "BatchCreateChannelMembership":
		subject = s.User("new")
	}
	kind := messaging.ChannelMembershipTypeDefault
	if strings.HasPrefix(variant, "HIDDEN") {
		kind = messaging.ChannelMembershipTypeHidden
	}
	for _, calls := range []func(context.Context, attempt) (bool, error){s.channelCall, s.memberCall, s.messageCall, s.roleCall} {
		if known, err := calls(context.Background(), attempt{operation, variant, s.User(caller), subject, message, kind}); known {
			return err
		}
	}
	return fmt.Errorf("the test does not know %s", operation)
}

// attempt is one call of the matrix with what its operation needs.
type attempt struct {
	operation, variant, me, subject, message string
	kind                                     messaging.ChannelMembershipType
}

func (s *stage) channelCall(ctx context.Context, c attempt) (known bool, err error) {
	switch c.operation {
	case "CreateChannel":
		_, err = s.API.CreateChannel(ctx, &messaging.CreateChannelRequest{AppInstanceARN: s.App, Name: "n", ChimeBearer: c.me, ClientRequestToken: s.Token()})
	case "UpdateChannel":
		name := "renamed"
		_, err = s.API.UpdateChannel(ctx, &messaging.UpdateChannelRequest{ChannelARN: s.channel, Name: &name, ChimeBearer: c.me})
	case "DeleteChannel":
		_, err = s.API.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: s.channel, ChimeBearer: c.me})
	case "DescribeChannel":
		_, err = s.API.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: s.channel, ChimeBearer: c.me})
	case "ListChannels":
		_, err = s.API.ListChannels(ctx, &messaging.ListChannelsRequest{AppInstanceARN: s.App, Privacy: messaging.ChannelPrivacy(c.variant), ChimeBearer: c.me})
	case "SearchChannels":
		var found *messaging.SearchChannelsResponse
		found, err = s.API.SearchChannels(ctx, &messaging.SearchChannelsRequest{ChimeBearer: &c.me, Fields: []messaging.SearchField{{
			Key: messaging.SearchFieldKeyMembers, Operator: messaging.SearchFieldOperatorIncludes, Values: []string{c.subject},
		}}})
		if err == nil && c.variant == "finds it" && !slices.ContainsFunc(found.Channels, func(f messaging.ChannelSummary) bool { return f.ChannelARN == s.channel }) {
			err = errNotFoundInSearch
		}
	case "PutChannelExpirationSettings":
		_, err = s.API.PutChannelExpirationSettings(ctx, &messaging.PutChannelExpirationSettingsRequest{ChannelARN: s.channel, ChimeBearer: &c.me})
	case "ListSubChannels":
		_, err = s.API.ListSubChannels(ctx, &messaging.ListSubChannelsRequest{ChannelARN: s.channel, ChimeBearer: c.me})
	case "AssociateChannelFlow":
		_, err = s.API.AssociateChannelFlow(ctx, &messaging.AssociateChannelFlowRequest{ChannelARN: s.channel, ChannelFlowARN: s.flow, ChimeBearer: c.me})
	case "DisassociateChannelFlow":
		must(s.API.AssociateChannelFlow(ctx, &messaging.AssociateChannelFlowRequest{ChannelARN: s.channel, ChannelFlowARN: s.flow, ChimeBearer: s.User("owner")}))(s.t)
		_, err = s.API.DisassociateChannelFlow(ctx, &messaging.DisassociateChannelFlowRequest{ChannelARN: s.channel, ChannelFlowARN: s.flow, ChimeBearer: c.me})
	default:
		return false, nil
	}
	return true, err
}

func (s *stage) memberCall(ctx context.Context, c attempt) (known bool, err error) {
	var moderatorsSub *string // moderators of elastic channels choose their sub-channel
	if c.me == c.subject && c.me == s.User("mod") {
		moderatorsSub = s.sub
	}
	switch c.operation {
	case "ListChannelMembershipsForAppInstanceUser":
		_, err = s.API.ListChannelMembershipsForAppInstanceUser(ctx, &messaging.ListChannelMembershipsForAppInstanceUserRequest{AppInstanceUserARN: &c.subject, ChimeBearer: c.me})
	case "DescribeChannelMembershipForAppInstanceUser":
		_, err = s.API.DescribeChannelMembershipForAppInstanceUser(ctx, &messaging.DescribeChannelMembershipForAppInstanceUserRequest{ChannelARN: s.channel, AppInstanceUserARN: c.subject, ChimeBearer: c.me})
	case "ListChannelsModeratedByAppInstanceUser":
		_, err = s.API.ListChannelsModeratedByAppInstanceUser(ctx, &messaging.ListChannelsModeratedByAppInstanceUserRequest{AppInstanceUserARN: &c.subject, ChimeBearer: c.me})
	case "DescribeChannelModeratedByAppInstanceUser":
		if c.variant == "other" {
			c.subject = s.User("owner")
		}
		_, err = s.API.DescribeChannelModeratedByAppInstanceUser(ctx, &messaging.DescribeChannelModeratedByAppInstanceUserRequest{ChannelARN: s.channel, AppInstanceUserARN: c.subject, ChimeBearer: c.me})
	case "CreateChannelMembership":
		_, err = s.API.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{ChannelARN: s.channel, MemberARN: c.subject, Type: c.kind, ChimeBearer: c.me, SubChannelID: moderatorsSub})
	case "BatchCreateChannelMembership":
		var resp *messaging.BatchCreateChannelMembershipResponse
		resp, err = s.API.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{ChannelARN: s.channel, MemberARNs: []string{c.subject}, Type: c.kind, ChimeBearer: c.me, SubChannelID: moderatorsSub})
		if err == nil && len(resp.Errors) > 0 {
			err = errors.New("an entry in Errors")
		}
	case "DescribeChannelMembership":
		_, err = s.API.DescribeChannelMembership(ctx, &messaging.DescribeChannelMembershipRequest{ChannelARN: s.channel, MemberARN: c.subject, ChimeBearer: c.me})
	case "ListChannelMemberships":
		_, err = s.API.ListChannelMemberships(ctx, &messaging.ListChannelMembershipsRequest{ChannelARN: s.channel, Type: messaging.ChannelMembershipType(c.variant), ChimeBearer: c.me, SubChannelID: s.sub})
	case "DeleteChannelMembership":
		_, err = s.API.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{ChannelARN: s.channel, MemberARN: c.subject, ChimeBearer: c.me})
	case "GetChannelMembershipPreferences":
		_, err = s.API.GetChannelMembershipPreferences(ctx, &messaging.GetChannelMembershipPreferencesRequest{ChannelARN: s.channel, MemberARN: c.subject, ChimeBearer: c.me})
	case "PutChannelMembershipPreferences":
		_, err = s.API.PutChannelMembershipPreferences(ctx, &messaging.PutChannelMembershipPreferencesRequest{ChannelARN: s.channel, MemberARN: c.subject, ChimeBearer: c.me,
			Preferences: &messaging.ChannelMembershipPreferences{PushNotifications: &messaging.PushNotificationPreferences{AllowNotifications: messaging.AllowNotificationsNone}}})
	case "UpdateChannelReadMarker":
		_, err = s.API.UpdateChannelReadMarker(ctx, &messaging.UpdateChannelReadMarkerRequest{ChannelARN: s.channel, ChimeBearer: c.me})
	default:
		return false, nil
	}
	return true, err
}

func (s *stage) messageCall(ctx context.Context, c attempt) (known bool, err error) {
	switch c.operation {
	case "SendChannelMessage":
		_, err = s.API.SendChannelMessage(ctx, &messaging.SendChannelMessageRequest{ChannelARN: s.channel, Content: "x", ChimeBearer: c.me, ClientRequestToken: s.Token(),
			Type: messaging.ChannelMessageTypeStandard, Persistence: messaging.ChannelMessagePersistenceTypePersistent, SubChannelID: s.sub})
	case "GetChannelMessage":
		_, err = s.API.GetChannelMessage(ctx, &messaging.GetChannelMessageRequest{ChannelARN: s.channel, MessageID: c.message, ChimeBearer: c.me, SubChannelID: s.sub})
	case "ListChannelMessages":
		_, err = s.API.ListChannelMessages(ctx, &messaging.ListChannelMessagesRequest{ChannelARN: s.channel, ChimeBearer: c.me, SubChannelID: s.sub})
	case "UpdateChannelMessage":
		_, err = s.API.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{ChannelARN: s.channel, MessageID: c.message, Content: "edited", ChimeBearer: c.me, SubChannelID: s.sub})
	case "RedactChannelMessage":
		_, err = s.API.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: s.channel, MessageID: c.message, ChimeBearer: c.me, SubChannelID: s.sub})
	case "DeleteChannelMessage":
		_, err = s.API.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{ChannelARN: s.channel, MessageID: c.message, ChimeBearer: c.me, SubChannelID: s.sub})
	case "GetChannelMessageStatus":
		_, err = s.API.GetChannelMessageStatus(ctx, &messaging.GetChannelMessageStatusRequest{ChannelARN: s.channel, MessageID: c.message, ChimeBearer: c.me, SubChannelID: s.sub})
	default:
		return false, nil
	}
	return true, err
}

func (s *stage) roleCall(ctx context.Context, c attempt) (known bool, err error) {
	owner, banned := s.User("owner"), s.User("ban")
	switch c.operation {
	case "CreateChannelModerator":
		_, err = s.API.CreateChannelModerator(ctx, &messaging.CreateChannelModeratorRequest{ChannelARN: s.channel, ChannelModeratorARN: c.subject, ChimeBearer: c.me})
	case "DeleteChannelModerator":
		_, err = s.API.DeleteChannelModerator(ctx, &messaging.DeleteChannelModeratorRequest{ChannelARN: s.channel, ChannelModeratorARN: owner, ChimeBearer: c.me})
	case "DescribeChannelModerator":
		_, err = s.API.DescribeChannelModerator(ctx, &messaging.DescribeChannelModeratorRequest{ChannelARN: s.channel, ChannelModeratorARN: owner, ChimeBearer: c.me})
	case "ListChannelModerators":
		_, err = s.API.ListChannelModerators(ctx, &messaging.ListChannelModeratorsRequest{ChannelARN: s.channel, ChimeBearer: c.me})
	case "CreateChannelBan":
		_, err = s.API.CreateChannelBan(ctx, &messaging.CreateChannelBanRequest{ChannelARN: s.channel, MemberARN: c.subject, ChimeBearer: c.me})
	case "DeleteChannelBan":
		_, err = s.API.DeleteChannelBan(ctx, &messaging.DeleteChannelBanRequest{ChannelARN: s.channel, MemberARN: banned, ChimeBearer: c.me})
	case "DescribeChannelBan":
		_, err = s.API.DescribeChannelBan(ctx, &messaging.DescribeChannelBanRequest{ChannelARN: s.channel, MemberARN: banned, ChimeBearer: c.me})
	case "ListChannelBans":
		_, err = s.API.ListChannelBans(ctx, &messaging.ListChannelBansRequest{ChannelARN: s.channel, ChimeBearer: c.me})
	default:
		return false, nil
	}
	return true, err
}
