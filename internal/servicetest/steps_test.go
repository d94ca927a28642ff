package servicetest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// TestEveryOperationIsShort makes each call of messaging and identity. What only reads is no transaction at
// all. What writes has few steps: those that have more with more members, moderators or sub-channels are in
// TestNoTransactionIsLong too, with the most.
func TestEveryOperationIsShort(t *testing.T) {
	for _, op := range messaging.Operations(messaging.Unbuilt{}) {
		if reason := elsewhere[op.Name]; reason != "" {
			t.Log(op.Name, ": ", reason)
			continue
		}
		t.Run(op.Name, func(t *testing.T) { isShort(t, op, messagingCalls) })
	}
	for _, op := range identityapi.Operations(identityapi.Unbuilt{}) {
		t.Run("identity "+op.Name, func(t *testing.T) { isShort(t, op, identityCalls) })
	}
}

// elsewhere are operations of messaging that are not called, with the reason.
var elsewhere = map[string]string{
	"GetMessagingSessionEndpoint": "a setting is the answer",
	"ChannelFlowCallback":         "no processor is called yet, so all are refused",
	"DeleteChannel":               "it removes ranges, in TestNoTransactionIsLong",
	"TagResource":                 "one of identity for both",
	"UntagResource":               "one of identity for both",
	"ListTagsForResource":         "one of identity for both",
}

// fewSteps is half a millisecond of the engine.
const fewSteps = 400

func isShort(t *testing.T, op api.Operation, calls func(*stage) map[string]func(context.Context) error) {
	st := memstore.New()
	defer st.Close()
	meter := &servicetest.Meter{Store: st}
	elastic := op.Name == "ListSubChannels"
	mode := messaging.ChannelModeUnrestricted
	if elastic {
		mode = messaging.ChannelModeRestricted
	}
	s := stageOf(t, servicetest.Over(t, meter, cast...), elastic, messaging.ChannelPrivacyPrivate, mode)
	call := calls(s)[op.Name]
	if call == nil {
		call = func(context.Context) error { return s.do(callOf(op.Name)) }
	}

	meter.Most()
	err := call(t.Context())
	steps := meter.Most()
	if err != nil && !api.NotFoundException.Matches(err) { // there is no ban and no configuration
		t.Fatal(err)
	}
	switch reads := slices.ContainsFunc([]string{"Describe", "Get", "List", "Search"}, func(verb string) bool { return strings.HasPrefix(op.Name, verb) }); {
	case reads && steps > 0:
		t.Errorf("it reads within a transaction, of %d steps", steps)
	case !reads && steps == 0:
		t.Error("it has no transaction")
	case steps > fewSteps:
		t.Errorf("%d steps", steps)
	}
	t.Logf("%d steps", steps)
}

// callOf is a call of the matrix, and a caller of the stage that may make it.
func callOf(operation string) (call, caller string) {
	switch operation {
	case "PutChannelMembershipPreferences", "GetChannelMembershipPreferences":
		return operation + " self", "mem"
	case "UpdateChannelMessage", "GetChannelMessageStatus":
		return operation + " own", "mem"
	case "UpdateChannelReadMarker", "SendChannelMessage":
		return operation, "mem"
	case "DescribeChannelModeratedByAppInstanceUser":
		return operation + " other", "adm"
	}
	return operation, "adm"
}

// tags are the most that a resource may have.
func tags[T any](tag func(key, value string) T) (list []T) {
	for i := range 50 {
		list = append(list, tag(fmt.Sprint("key ", i), strings.Repeat("v", 256)))
	}
	return list
}

func messagingTag(key, value string) messaging.Tag { return messaging.Tag{Key: key, Value: value} }
func identityTag(key, value string) identityapi.Tag {
	return identityapi.Tag{Key: key, Value: value}
}

// asks makes a call of a request.
func asks[In, Out any](call func(context.Context, *In) (*Out, error), in In) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := call(ctx, &in)
		return err
	}
}

// messagingCalls are those that the matrix of roles does not know, or not with the most that they may have.
func messagingCalls(s *stage) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"CreateChannelFlow":                     asks(s.API.CreateChannelFlow, messaging.CreateChannelFlowRequest{AppInstanceARN: s.App, Name: "g", ClientRequestToken: s.Token(), Tags: tags(messagingTag), Processors: s.processors()}),
		"UpdateChannelFlow":                     asks(s.API.UpdateChannelFlow, messaging.UpdateChannelFlowRequest{ChannelFlowARN: s.flow, Name: "g", Processors: s.processors()}),
		"DeleteChannelFlow":                     asks(s.API.DeleteChannelFlow, messaging.DeleteChannelFlowRequest{ChannelFlowARN: s.flow}),
		"DescribeChannelFlow":                   asks(s.API.DescribeChannelFlow, messaging.DescribeChannelFlowRequest{ChannelFlowARN: s.flow}),
		"ListChannelFlows":                      asks(s.API.ListChannelFlows, messaging.ListChannelFlowsRequest{AppInstanceARN: s.App}),
		"ListChannelsAssociatedWithChannelFlow": asks(s.API.ListChannelsAssociatedWithChannelFlow, messaging.ListChannelsAssociatedWithChannelFlowRequest{ChannelFlowARN: s.flow}),
		"PutMessagingStreamingConfigurations": asks(s.API.PutMessagingStreamingConfigurations, messaging.PutMessagingStreamingConfigurationsRequest{AppInstanceARN: s.App, StreamingConfigurations: []messaging.StreamingConfiguration{
			{DataType: messaging.MessagingDataTypeChannel, ResourceARN: "arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-a"},
			{DataType: messaging.MessagingDataTypeChannelMessage, ResourceARN: "arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-b"},
		}}),
		"DeleteMessagingStreamingConfigurations": asks(s.API.DeleteMessagingStreamingConfigurations, messaging.DeleteMessagingStreamingConfigurationsRequest{AppInstanceARN: s.App}),
		"GetMessagingStreamingConfigurations":    asks(s.API.GetMessagingStreamingConfigurations, messaging.GetMessagingStreamingConfigurationsRequest{AppInstanceARN: s.App}),
	}
}

// processors are as many as a flow may have.
func (s *stage) processors() (list []messaging.Processor) {
	for i := range 3 {
		list = append(list, messaging.Processor{
			Name: fmt.Sprint("p", i), ExecutionOrder: i + 1, FallbackAction: messaging.FallbackActionContinue,
			Configuration: &messaging.ProcessorConfiguration{Lambda: &messaging.LambdaConfiguration{
				ResourceARN: "arn:aws:lambda:us-east-1:000000000000:function:p", InvocationType: messaging.InvocationTypeAsync,
			}},
		})
	}
	return list
}

// identityCalls are about the user third, a bot and an admin.
func identityCalls(s *stage) map[string]func(context.Context) error {
	id, app, user, days := s.Identity, s.App, s.User("third"), 30
	name := "n"
	lex := &identityapi.Configuration{Lex: &identityapi.LexConfiguration{
		LexBotAliasARN: "arn:aws:lex:us-east-1:000000000000:bot-alias/AAAAAAAAAA/BBBBBBBBBB", LocaleID: &[]string{"en_US"}[0],
	}}
	bot := must(id.CreateAppInstanceBot(s.t.Context(), &identityapi.CreateAppInstanceBotRequest{AppInstanceARN: app, ClientRequestToken: s.Token(), Configuration: lex}))(s.t).AppInstanceBotARN
	device := identityapi.RegisterAppInstanceUserEndpointRequest{
		AppInstanceUserARN: user, Type: identityapi.AppInstanceUserEndpointTypeApns, ClientRequestToken: s.Token(),
		ResourceARN:        "arn:aws:mobiletargeting:us-east-1:000000000000:apps/a",
		EndpointAttributes: &identityapi.EndpointAttributes{DeviceToken: "device"},
	}
	endpoint := must(id.RegisterAppInstanceUserEndpoint(s.t.Context(), &device))(s.t).EndpointID
	device.ClientRequestToken, device.AppInstanceUserARN = s.Token(), s.User("mem") // it leaves the one for the other
	expiration := &identityapi.ExpirationSettings{ExpirationDays: 1, ExpirationCriterion: identityapi.ExpirationCriterionCreatedTimestamp}

	return map[string]func(context.Context) error{
		"CreateAppInstance":   asks(id.CreateAppInstance, identityapi.CreateAppInstanceRequest{Name: "n", ClientRequestToken: s.Token(), Tags: tags(identityTag)}),
		"DescribeAppInstance": asks(id.DescribeAppInstance, identityapi.DescribeAppInstanceRequest{AppInstanceARN: app}),
		"UpdateAppInstance":   asks(id.UpdateAppInstance, identityapi.UpdateAppInstanceRequest{AppInstanceARN: app, Name: "n"}),
		"DeleteAppInstance":   asks(id.DeleteAppInstance, identityapi.DeleteAppInstanceRequest{AppInstanceARN: app}),
		"ListAppInstances":    asks(id.ListAppInstances, identityapi.ListAppInstancesRequest{}),
		"PutAppInstanceRetentionSettings": asks(id.PutAppInstanceRetentionSettings, identityapi.PutAppInstanceRetentionSettingsRequest{AppInstanceARN: app,
			AppInstanceRetentionSettings: &identityapi.AppInstanceRetentionSettings{ChannelRetentionSettings: &identityapi.ChannelRetentionSettings{RetentionDays: &days}}}),
		"GetAppInstanceRetentionSettings": asks(id.GetAppInstanceRetentionSettings, identityapi.GetAppInstanceRetentionSettingsRequest{AppInstanceARN: app}),

		"CreateAppInstanceUser": asks(id.CreateAppInstanceUser, identityapi.CreateAppInstanceUserRequest{AppInstanceARN: app, AppInstanceUserID: "more", Name: "n", ClientRequestToken: s.Token(),
			Tags: tags(identityTag), ExpirationSettings: expiration}),
		"DescribeAppInstanceUser":              asks(id.DescribeAppInstanceUser, identityapi.DescribeAppInstanceUserRequest{AppInstanceUserARN: user}),
		"UpdateAppInstanceUser":                asks(id.UpdateAppInstanceUser, identityapi.UpdateAppInstanceUserRequest{AppInstanceUserARN: user, Name: "n"}),
		"DeleteAppInstanceUser":                asks(id.DeleteAppInstanceUser, identityapi.DeleteAppInstanceUserRequest{AppInstanceUserARN: user}),
		"ListAppInstanceUsers":                 asks(id.ListAppInstanceUsers, identityapi.ListAppInstanceUsersRequest{AppInstanceARN: app}),
		"PutAppInstanceUserExpirationSettings": asks(id.PutAppInstanceUserExpirationSettings, identityapi.PutAppInstanceUserExpirationSettingsRequest{AppInstanceUserARN: user, ExpirationSettings: expiration}),

		"CreateAppInstanceBot":   asks(id.CreateAppInstanceBot, identityapi.CreateAppInstanceBotRequest{AppInstanceARN: app, ClientRequestToken: s.Token(), Configuration: lex, Tags: tags(identityTag)}),
		"DescribeAppInstanceBot": asks(id.DescribeAppInstanceBot, identityapi.DescribeAppInstanceBotRequest{AppInstanceBotARN: bot}),
		"UpdateAppInstanceBot":   asks(id.UpdateAppInstanceBot, identityapi.UpdateAppInstanceBotRequest{AppInstanceBotARN: bot, Name: &name, Configuration: lex}),
		"DeleteAppInstanceBot":   asks(id.DeleteAppInstanceBot, identityapi.DeleteAppInstanceBotRequest{AppInstanceBotARN: bot}),
		"ListAppInstanceBots":    asks(id.ListAppInstanceBots, identityapi.ListAppInstanceBotsRequest{AppInstanceARN: app}),

		"CreateAppInstanceAdmin":   asks(id.CreateAppInstanceAdmin, identityapi.CreateAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: user}),
		"DescribeAppInstanceAdmin": asks(id.DescribeAppInstanceAdmin, identityapi.DescribeAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: s.User("adm")}),
		"DeleteAppInstanceAdmin":   asks(id.DeleteAppInstanceAdmin, identityapi.DeleteAppInstanceAdminRequest{AppInstanceARN: app, AppInstanceAdminARN: s.User("adm")}),
		"ListAppInstanceAdmins":    asks(id.ListAppInstanceAdmins, identityapi.ListAppInstanceAdminsRequest{AppInstanceARN: app}),

		"RegisterAppInstanceUserEndpoint":   asks(id.RegisterAppInstanceUserEndpoint, device),
		"DescribeAppInstanceUserEndpoint":   asks(id.DescribeAppInstanceUserEndpoint, identityapi.DescribeAppInstanceUserEndpointRequest{AppInstanceUserARN: user, EndpointID: endpoint}),
		"UpdateAppInstanceUserEndpoint":     asks(id.UpdateAppInstanceUserEndpoint, identityapi.UpdateAppInstanceUserEndpointRequest{AppInstanceUserARN: user, EndpointID: endpoint, Name: &name}),
		"DeregisterAppInstanceUserEndpoint": asks(id.DeregisterAppInstanceUserEndpoint, identityapi.DeregisterAppInstanceUserEndpointRequest{AppInstanceUserARN: user, EndpointID: endpoint}),
		"ListAppInstanceUserEndpoints":      asks(id.ListAppInstanceUserEndpoints, identityapi.ListAppInstanceUserEndpointsRequest{AppInstanceUserARN: user}),

		"TagResource":         asks(id.TagResource, identityapi.TagResourceRequest{ResourceARN: app, Tags: tags(identityTag)}),
		"UntagResource":       asks(id.UntagResource, identityapi.UntagResourceRequest{ResourceARN: app, TagKeys: []string{"key 0", "key 1"}}),
		"ListTagsForResource": asks(id.ListTagsForResource, identityapi.ListTagsForResourceRequest{ResourceARN: app}),
	}
}
