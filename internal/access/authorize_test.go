package access_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// What a policy has to hold for some calls, and what refuses them.
func TestPolicies(t *testing.T) {
	create := &messaging.CreateChannelRequest{AppInstanceARN: app, ChimeBearer: app + "/user/ann", MemberARNs: []string{app + "/user/bob"}}
	newUser := &identity.CreateAppInstanceUserRequest{AppInstanceARN: app, AppInstanceUserID: "new"}
	deny := func(actions, resources string) string {
		return `,{"Sid":"No","Effect":"Deny","Action":[` + actions + `],"Resource":[` + resources + `]}`
	}
	statement := func(actions, resources string) string {
		return `{"Effect":"Allow","Action":[` + actions + `],"Resource":[` + resources + `]}`
	}
	q := func(arns ...string) string { return `"` + strings.Join(arns, `","`) + `"` }
	own, channels := app+"/user/ann", app+"/channel/*"
	for _, test := range []struct {
		name, policy string
		req          api.Request
		refused      []string // words of the refusal; none: allowed
	}{
		{"bearer and channel", statement(`"chime:DescribeChannel"`, q(own, channels)),
			&messaging.DescribeChannelRequest{ChimeBearer: own, ChannelARN: app + "/channel/c"}, nil},
		{"only the bearer", statement(`"chime:DescribeChannel"`, q(own)),
			&messaging.DescribeChannelRequest{ChimeBearer: own, ChannelARN: app + "/channel/c"},
			[]string{"assumed-role/chat/s is not authorized to perform: chime:DescribeChannel on resource: " + app + "/channel/c because no identity-based policy allows"}},
		{"only the channel", statement(`"chime:DescribeChannel"`, q(channels)),
			&messaging.DescribeChannelRequest{ChimeBearer: own, ChannelARN: app + "/channel/c"}, []string{"on resource: " + own}},
		{"the channel of another app instance", statement(`"chime:DescribeChannel"`, q(own, channels)),
			&messaging.DescribeChannelRequest{ChimeBearer: own, ChannelARN: app + "2/channel/c"}, []string{"on resource: " + app + "2/channel/c"}},
		{"a denied channel", statement(`"chime:*"`, `"*"`) + deny(`"chime:Describe*"`, q(app+"/channel/c")),
			&messaging.DescribeChannelRequest{ChimeBearer: own, ChannelARN: app + "/channel/c"}, []string{"explicit deny", "statement 2 (Sid No)"}},
		{"members of a new channel", statement(`"chime:CreateChannel", "chime:CreateChannelMembership"`, q(own, channels)), create, nil},
		{"members without leave", statement(`"chime:CreateChannel"`, q(own, channels)), create, []string{"perform: chime:CreateChannelMembership on resource: " + own}},
		{"members denied", statement(`"chime:*"`, `"*"`) + deny(`"chime:CreateChannelMembership"`, q(channels)), create, []string{"explicit deny"}},
		{"a user by its future ARN", statement(`"chime:CreateAppInstanceUser"`, q(app+"/user/*")), newUser, nil},
		{"a user by its app instance", statement(`"chime:CreateAppInstanceUser"`, q(app)), newUser, nil},
		{"a user by another ARN", statement(`"chime:CreateAppInstanceUser"`, q(app+"/user/other")), newUser, []string{"on resource: " + app + "/user/new"}},
		{"a user denied by its ARN", statement(`"chime:*"`, `"*"`) + deny(`"chime:*"`, q(app+"/user/new")), newUser, []string{"on resource: " + app + "/user/new", "explicit"}},
		{"a user denied by its app instance", statement(`"chime:*"`, `"*"`) + deny(`"chime:*"`, q(app)), newUser, []string{"on resource: " + app + " because", "explicit"}},
		{"a stream by its old action", statement(`"chime:PutAppInstanceStreamingConfigurations", "kinesis:*"`, `"*"`),
			&messaging.PutMessagingStreamingConfigurationsRequest{AppInstanceARN: app,
				StreamingConfigurations: []messaging.StreamingConfiguration{{ResourceARN: "arn:aws:kinesis:us-east-1:0:stream/s"}}}, nil},
		{"a stream without leave of Kinesis", statement(`"chime:*"`, `"*"`),
			&messaging.PutMessagingStreamingConfigurationsRequest{AppInstanceARN: app,
				StreamingConfigurations: []messaging.StreamingConfiguration{{ResourceARN: "arn:aws:kinesis:us-east-1:0:stream/s"}}}, []string{"kinesis:DescribeStream"}},
		{"a device without leave of Pinpoint", statement(`"chime:*"`, `"*"`),
			&identity.RegisterAppInstanceUserEndpointRequest{AppInstanceUserARN: own, ResourceARN: "arn:aws:mobiletargeting:us-east-1:0:apps/p"}, []string{"mobiletargeting:GetApp"}},
		{"nothing", statement(`"none:none"`, `"*"`), new(messaging.GetMessagingSessionEndpointRequest), []string{"on resource: * because no"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.role(t, "chat", `{"Version":"2012-10-17","Statement":[`+test.policy+`]}`)
			p := f.assume(t, "chat", access.SessionRequest{})
			for range 2 { // from memory too
				err := f.Authorize(t.Context(), p, operationOf(test.req), test.req, access.Source{})
				if test.refused == nil {
					if err != nil {
						t.Error(err)
					}
					continue
				}
				expect(t, err, "AccessDeniedException", test.refused...)
				if e, ok := errors.AsType[*access.DeniedError](err); !ok || e.Principal != p.ARN || e.Decision.Allowed {
					t.Errorf("got %#v", err)
				}
			}
		})
	}
}
