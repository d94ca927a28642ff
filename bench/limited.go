//go:build linux

package main

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
)

// endUser is the policy of the application that AWS publishes as a sample (spec 2.6): some forty
// actions on one user and on all channels of its app instance.
const endUser = `{"Version":"2012-10-17","Statement":[
 {"Effect":"Allow","Action":"chime:GetMessagingSessionEndpoint","Resource":"*"},
 {"Effect":"Allow","Action":["chime:AssociateChannelFlow","chime:BatchCreateChannelMembership","chime:Connect","chime:CreateChannel",
  "chime:CreateChannelBan","chime:CreateChannelMembership","chime:CreateChannelModerator","chime:DeleteChannel","chime:DeleteChannelBan",
  "chime:DeleteChannelMembership","chime:DeleteChannelMessage","chime:DeleteChannelModerator","chime:DescribeChannel","chime:DescribeChannelBan",
  "chime:DescribeChannelFlow","chime:DescribeChannelMembership","chime:DescribeChannelMembershipForAppInstanceUser",
  "chime:DescribeChannelModeratedByAppInstanceUser","chime:DescribeChannelModerator","chime:DisassociateChannelFlow",
  "chime:GetChannelMembershipPreferences","chime:GetChannelMessage","chime:GetChannelMessageStatus","chime:ListChannelBans",
  "chime:ListChannelFlows","chime:ListChannelMemberships","chime:ListChannelMembershipsForAppInstanceUser","chime:ListChannelMessages",
  "chime:ListChannelModerators","chime:ListChannels","chime:ListChannelsModeratedByAppInstanceUser","chime:ListSubChannels",
  "chime:PutChannelMembershipPreferences","chime:RedactChannelMessage","chime:SearchChannels","chime:SendChannelMessage","chime:UpdateChannel",
  "chime:UpdateChannelMessage","chime:UpdateChannelReadMarker"],
  "Resource":["USER","APP/channel/*","APP/channel-flow/*"]},
 {"Effect":"Allow","Action":["chime:DescribeAppInstanceUser","chime:ListAppInstanceUsers"],"Resource":"APP/user/*"}]}`

// limitedKeys are keys that may only act as the user, under the policy of an end user.
func (a *api) limitedKeys(ctx context.Context, userARN string) (keys, error) {
	app, _, _ := strings.Cut(userARN, "/user/")
	policy := strings.NewReplacer("USER", userARN, "APP", app).Replace(endUser)
	var made struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	for _, call := range []struct {
		values url.Values
		out    any
	}{
		{url.Values{"Action": {"CreateUser"}}, nil},
		{url.Values{"Action": {"PutUserPolicy"}, "PolicyName": {"end-user"}, "PolicyDocument": {policy}}, nil},
		{url.Values{"Action": {"CreateAccessKey"}}, &made},
	} {
		call.values.Set("Version", "2010-05-08")
		call.values.Set("UserName", "end-user")
		if err := a.iam(ctx, call.values, call.out); err != nil {
			return keys{}, err
		}
	}
	return keys{made.ID, made.Secret}, nil
}

// iam makes a call of IAM.
func (a *api) iam(ctx context.Context, values url.Values, out any) error {
	body := values.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := root.sign(r, "iam", []byte(body)); err != nil {
		return err
	}
	text, err := a.do(r)
	if err != nil || out == nil {
		return err
	}
	return xml.Unmarshal(text, out)
}
