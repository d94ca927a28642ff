package servicetest_test

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// TestTokensOfWhatWasDeleted: a create call that is repeated with its token answers the same while what
// it made is there, and makes it anew when that was deleted. describe fails when it is not there.
func TestTokensOfWhatWasDeleted(t *testing.T) {
	lex := &identity.Configuration{Lex: &identity.LexConfiguration{
		LexBotAliasARN: "arn:aws:lex:us-east-1:000000000000:bot-alias/AAAAAAAAAA/BBBBBBBBBB", LocaleID: new("en_US"),
	}}
	processors := []messaging.Processor{{Name: "p", ExecutionOrder: 1, FallbackAction: messaging.FallbackActionContinue,
		Configuration: &messaging.ProcessorConfiguration{Lambda: &messaging.LambdaConfiguration{
			ResourceARN: "arn:aws:lambda:us-east-1:000000000000:function:f", InvocationType: messaging.InvocationTypeAsync,
		}}}}
	for name, of := range map[string]struct {
		create           func(w *servicetest.World) (made string, err error)
		remove, describe func(w *servicetest.World, made string) error
	}{
		"an app instance": {
			create: func(w *servicetest.World) (string, error) {
				resp, err := w.Identity.CreateAppInstance(t.Context(), &identity.CreateAppInstanceRequest{Name: "n", ClientRequestToken: "t"})
				return resp.AppInstanceARN, err
			},
			remove: func(w *servicetest.World, made string) error {
				_, err := w.Identity.DeleteAppInstance(t.Context(), &identity.DeleteAppInstanceRequest{AppInstanceARN: made})
				return err
			},
			describe: func(w *servicetest.World, made string) error {
				_, err := w.Identity.DescribeAppInstance(t.Context(), &identity.DescribeAppInstanceRequest{AppInstanceARN: made})
				return err
			},
		},
		"a user": {
			create: func(w *servicetest.World) (string, error) {
				resp, err := w.Identity.CreateAppInstanceUser(t.Context(), &identity.CreateAppInstanceUserRequest{
					AppInstanceARN: w.App, AppInstanceUserID: "u", Name: "n", ClientRequestToken: "t"})
				return resp.AppInstanceUserARN, err
			},
			remove: func(w *servicetest.World, made string) error {
				_, err := w.Identity.DeleteAppInstanceUser(t.Context(), &identity.DeleteAppInstanceUserRequest{AppInstanceUserARN: made})
				return err
			},
			describe: func(w *servicetest.World, made string) error {
				_, err := w.Identity.DescribeAppInstanceUser(t.Context(), &identity.DescribeAppInstanceUserRequest{AppInstanceUserARN: made})
				return err
			},
		},
		"a bot": {
			create: func(w *servicetest.World) (string, error) {
				resp, err := w.Identity.CreateAppInstanceBot(t.Context(), &identity.CreateAppInstanceBotRequest{
					AppInstanceARN: w.App, Configuration: lex, ClientRequestToken: "t"})
				return resp.AppInstanceBotARN, err
			},
			remove: func(w *servicetest.World, made string) error {
				_, err := w.Identity.DeleteAppInstanceBot(t.Context(), &identity.DeleteAppInstanceBotRequest{AppInstanceBotARN: made})
				return err
			},
			describe: func(w *servicetest.World, made string) error {
				_, err := w.Identity.DescribeAppInstanceBot(t.Context(), &identity.DescribeAppInstanceBotRequest{AppInstanceBotARN: made})
				return err
			},
		},
		"an endpoint": {
			create: func(w *servicetest.World) (string, error) {
				resp, err := w.Identity.RegisterAppInstanceUserEndpoint(t.Context(), &identity.RegisterAppInstanceUserEndpointRequest{
					AppInstanceUserARN: w.User("owner"), Type: identity.AppInstanceUserEndpointTypeApns, ClientRequestToken: "t",
					ResourceARN:        "arn:aws:mobiletargeting:us-east-1:000000000000:apps/a",
					EndpointAttributes: &identity.EndpointAttributes{DeviceToken: "d"}})
				return resp.EndpointID, err
			},
			remove: func(w *servicetest.World, made string) error {
				_, err := w.Identity.DeregisterAppInstanceUserEndpoint(t.Context(), &identity.DeregisterAppInstanceUserEndpointRequest{
					AppInstanceUserARN: w.User("owner"), EndpointID: made})
				return err
			},
			describe: func(w *servicetest.World, made string) error {
				_, err := w.Identity.DescribeAppInstanceUserEndpoint(t.Context(), &identity.DescribeAppInstanceUserEndpointRequest{
					AppInstanceUserARN: w.User("owner"), EndpointID: made})
				return err
			},
		},
		"a flow": {
			create: func(w *servicetest.World) (string, error) {
				resp, err := w.Flows.CreateChannelFlow(t.Context(), &messaging.CreateChannelFlowRequest{
					AppInstanceARN: w.App, Name: "f", Processors: processors, ClientRequestToken: "t"})
				return resp.ChannelFlowARN, err
			},
			remove: func(w *servicetest.World, made string) error {
				_, err := w.Flows.DeleteChannelFlow(t.Context(), &messaging.DeleteChannelFlowRequest{ChannelFlowARN: made})
				return err
			},
			describe: func(w *servicetest.World, made string) error {
				_, err := w.Flows.DescribeChannelFlow(t.Context(), &messaging.DescribeChannelFlowRequest{ChannelFlowARN: made})
				return err
			},
		},
		"a channel": {
			create: func(w *servicetest.World) (string, error) {
				resp, err := w.Channels.CreateChannel(t.Context(), &messaging.CreateChannelRequest{
					AppInstanceARN: w.App, Name: "c", ChannelID: new("c"), ChimeBearer: w.User("owner"), ClientRequestToken: "t"})
				return resp.ChannelARN, err
			},
			remove: func(w *servicetest.World, made string) error {
				_, err := w.Channels.DeleteChannel(t.Context(), &messaging.DeleteChannelRequest{ChannelARN: made, ChimeBearer: w.User("owner")})
				return err
			},
			describe: func(w *servicetest.World, made string) error {
				_, err := w.Channels.DescribeChannel(t.Context(), &messaging.DescribeChannelRequest{ChannelARN: made, ChimeBearer: w.User("owner")})
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := servicetest.New(t, "owner")
			first := must(of.create(w))(t)
			if again := must(of.create(w))(t); again != first {
				t.Errorf("repeated, the call answers %s and not %s", again, first)
			}
			if err := of.remove(w, first); err != nil {
				t.Fatal(err)
			}
			second := must(of.create(w))(t)
			if err := of.describe(w, second); err != nil {
				t.Errorf("made again with the token of before, it is not there: %v", err)
			}
		})
	}
}

// TestTokensOfFormerNames: a token that was used in a channel means nothing in the next channel of the
// same id, nor one of a user to the next user.
func TestTokensOfFormerNames(t *testing.T) {
	for name, change := range map[string]func(*servicetest.World){
		"a channel made again": func(w *servicetest.World) {
			must(w.Channels.DeleteChannel(t.Context(), &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("owner")}))(t)
			w.AddChannel("owner", "c")
			w.AddMember("owner", "c", "guest", messaging.ChannelMembershipTypeDefault)
		},
		"a sender made again": func(w *servicetest.World) {
			w.Replace("guest", "Other")
			w.AddMember("owner", "c", "guest", messaging.ChannelMembershipTypeDefault)
		},
	} {
		for _, persistence := range []messaging.ChannelMessagePersistenceType{"PERSISTENT", "NON_PERSISTENT"} {
			t.Run(name+" "+string(persistence), func(t *testing.T) {
				w := servicetest.New(t, "owner", "guest")
				w.AddChannel("owner", "c")
				w.AddMember("owner", "c", "guest", messaging.ChannelMembershipTypeDefault)
				req := w.Text("guest", "c", "hello")
				req.Persistence = persistence
				first := w.Send(req)
				change(w)
				w.Events()
				second := w.Send(req)
				if told := w.Events(); second == first || len(told) != 1 {
					t.Errorf("the next message has the id of the former: %t; told: %q", second == first, told)
				}
				req.Content = "something else"
				if _, err := w.Messages.SendChannelMessage(t.Context(), req); servicetest.Outcome(err) != "Conflict" {
					t.Errorf("the same token with another content: %v", err)
				}
			})
		}
	}
	t.Run("a creator made again", func(t *testing.T) {
		w := servicetest.New(t, "owner")
		req := &messaging.CreateChannelRequest{AppInstanceARN: w.App, Name: "c", ChimeBearer: w.User("owner"), ClientRequestToken: "t"}
		first := must(w.Channels.CreateChannel(t.Context(), req))(t)
		w.Replace("owner", "Other")
		if second := must(w.Channels.CreateChannel(t.Context(), req))(t); second.ChannelARN == first.ChannelARN {
			t.Error("the next holder of the id is answered the channel of the former")
		}
	})
}

// A message that an admin deleted does not come back when its send is repeated.
func TestTokensOfDeletedMessages(t *testing.T) {
	w := servicetest.New(t, "owner")
	w.AddChannel("owner", "c")
	w.MakeAdmin("owner")
	req := w.Text("owner", "c", "hello")
	id := w.Send(req)
	must(w.Messages.DeleteChannelMessage(t.Context(), &messaging.DeleteChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User("owner")}))(t)
	w.Events()
	if again := w.Send(req); again != id {
		t.Errorf("repeated, the send answers %s and not %s", again, id)
	}
	if told := w.Events(); len(told) > 0 {
		t.Errorf("told: %q", told)
	}
}
