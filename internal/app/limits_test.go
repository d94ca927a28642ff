package app_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"github.com/coder/websocket"

	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/throttle"
)

func TestEveryRateIsASetting(t *testing.T) {
	cfg := lab.Settings(t, config.Dev, nil)
	rates := slices.Sorted(maps.Keys(cfg.RatesByName()))
	if names := slices.Sorted(slices.Values(throttle.Names())); !slices.Equal(names, rates) {
		t.Errorf("settings %q, rates %q", rates, names)
	}
}

// refusedAfter repeats a call until it is refused, and tells the exception and its message.
func refusedAfter(t *testing.T, call func(i int) error) string {
	t.Helper()
	for i := range 200 {
		var refused awserr.Error
		if err := call(i); errors.As(err, &refused) {
			return refused.Code() + ": " + refused.Message()
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return "never refused"
}

func TestSettingsLimitResources(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, map[string]string{
		"limit-app-instances": "2", "limit-users-per-app-instance": "9", "limit-admins-per-app-instance": "3", "limit-endpoints-per-user": "4",
		"limit-channels-per-app-instance": "10", "limit-members-per-channel": "5", "limit-memberships-per-user": "6",
		"limit-moderators-per-channel": "3", "limit-flows-per-app-instance": "7", "limit-processors-per-flow": "1",
		"limit-elastic-channels-per-app-instance": "1", "limit-sub-channels-per-channel": "11", "limit-members-per-sub-channel": "12",
	}))
	seeded := n.Seeded()
	app, alice, bob := &seeded.AppInstanceARN, &seeded.UserARNs[0], &seeded.UserARNs[1]
	session := n.session(t, "http", n.RootKeys())
	identity, messaging := chimesdkidentity.New(session), chimesdkmessaging.New(session)
	var users []*string
	for i := range 5 {
		user, err := identity.CreateAppInstanceUser(&chimesdkidentity.CreateAppInstanceUserInput{
			AppInstanceArn: app, AppInstanceUserId: aws.String(fmt.Sprint("user-", i)), Name: aws.String("User")})
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, user.AppInstanceUserArn)
	}
	channel := func(creator *string) (*string, error) {
		created, err := messaging.CreateChannel(&chimesdkmessaging.CreateChannelInput{AppInstanceArn: app, Name: aws.String("c"), ChimeBearer: creator})
		if err != nil {
			return nil, err
		}
		return created.ChannelArn, nil
	}
	full, err := channel(bob)
	if err != nil {
		t.Fatal(err)
	}
	processors := func(n int) []*chimesdkmessaging.Processor {
		var list []*chimesdkmessaging.Processor
		for i := range n {
			list = append(list, &chimesdkmessaging.Processor{
				Name: aws.String("p"), ExecutionOrder: aws.Int64(int64(i + 1)), FallbackAction: aws.String("CONTINUE"),
				Configuration: &chimesdkmessaging.ProcessorConfiguration{Lambda: &chimesdkmessaging.LambdaConfiguration{
					InvocationType: aws.String("ASYNC"), ResourceArn: aws.String("arn:aws:lambda:us-east-1:000000000000:function:f")}},
			})
		}
		return list
	}
	flow := func(n int) error {
		_, err := messaging.CreateChannelFlow(&chimesdkmessaging.CreateChannelFlowInput{AppInstanceArn: app, Name: aws.String("f"), Processors: processors(n)})
		return err
	}
	elastic := func(subChannels, members int64) error {
		_, err := messaging.CreateChannel(&chimesdkmessaging.CreateChannelInput{
			AppInstanceArn: app, Name: aws.String("e"), ChimeBearer: users[0], Mode: aws.String("RESTRICTED"),
			ElasticChannelConfiguration: &chimesdkmessaging.ElasticChannelConfiguration{
				MaximumSubChannels: &subChannels, TargetMembershipsPerSubChannel: &members, MinimumMembershipPercentage: aws.Int64(10)}})
		return err
	}
	for _, test := range []struct {
		name  string
		limit int
		call  func(i int) error
	}{
		{"app instances", 2, func(i int) error {
			_, err := identity.CreateAppInstance(&chimesdkidentity.CreateAppInstanceInput{Name: aws.String("x")})
			return err
		}},
		{"admins", 3, func(i int) error {
			_, err := identity.CreateAppInstanceAdmin(&chimesdkidentity.CreateAppInstanceAdminInput{AppInstanceArn: app, AppInstanceAdminArn: users[i]})
			return err
		}},
		{"endpoints", 4, func(i int) error {
			_, err := identity.RegisterAppInstanceUserEndpoint(&chimesdkidentity.RegisterAppInstanceUserEndpointInput{
				AppInstanceUserArn: alice, Type: aws.String("GCM"), ResourceArn: aws.String("arn:aws:mobiletargeting:us-east-1:000000000000:apps/a"),
				EndpointAttributes: &chimesdkidentity.EndpointAttributes{DeviceToken: aws.String(fmt.Sprint(i))}})
			return err
		}},
		{"members", 5, func(i int) error {
			_, err := messaging.CreateChannelMembership(&chimesdkmessaging.CreateChannelMembershipInput{
				ChannelArn: full, MemberArn: users[i], Type: aws.String("DEFAULT"), ChimeBearer: bob})
			return err
		}},
		{"moderators", 3, func(i int) error {
			_, err := messaging.CreateChannelModerator(&chimesdkmessaging.CreateChannelModeratorInput{
				ChannelArn: full, ChannelModeratorArn: users[i], ChimeBearer: bob})
			return err
		}},
		{"sub-channels", 11, func(i int) error { return elastic(12, 5) }},
		{"memberships of a sub-channel", 12, func(i int) error { return elastic(5, 13) }},
		{"elastic channels", 1, func(i int) error { return elastic(11, 12) }},
		{"memberships", 6, func(int) error {
			_, err := channel(alice)
			return err
		}},
		{"channels", 10, func(int) error {
			_, err := channel(bob)
			return err
		}},
		{"flows", 7, func(int) error { return flow(1) }},
		{"processors", 1, func(int) error { return flow(2) }},
		{"users", 9, func(i int) error {
			_, err := identity.CreateAppInstanceUser(&chimesdkidentity.CreateAppInstanceUserInput{
				AppInstanceArn: app, AppInstanceUserId: aws.String(fmt.Sprint("more-", i)), Name: aws.String("User")})
			return err
		}},
	} {
		got := refusedAfter(t, test.call)
		if !strings.HasPrefix(got, "ResourceLimitExceededException") || !strings.Contains(got, fmt.Sprint(test.limit)) {
			t.Errorf("%s, limit %d: %s", test.name, test.limit, got)
		}
	}
}

func TestSettingsLimitRates(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, map[string]string{"rate-bearer": "1", "rate-connect": "1"}))
	seeded := n.Seeded()
	messaging := chimesdkmessaging.New(n.session(t, "http", n.RootKeys()))
	got := refusedAfter(t, func(int) error {
		_, err := messaging.DescribeChannel(&chimesdkmessaging.DescribeChannelInput{ChannelArn: &seeded.ChannelARN, ChimeBearer: &seeded.UserARNs[0]})
		return err
	})
	if !strings.HasPrefix(got, "ThrottledClientException") || !strings.Contains(got, "rate-bearer is 1 call a second") {
		t.Error(got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ended := make(chan error, 200)
	var reading sync.WaitGroup
	defer reading.Wait()
	for range cap(ended) { // some wait for their turn, until one would wait too long
		conn := n.connect(t, "ws", n.RootKeys(), seeded.UserARNs[1])
		reading.Go(func() {
			if _, _, err := conn.Read(ctx); err != nil {
				ended <- err
			}
		})
		if len(ended) > 0 {
			break
		}
	}
	if code := websocket.CloseStatus(<-ended); code != 4005 {
		t.Errorf("the socket that is one too many ends with %d", code)
	}
	cancel()
}

func TestElasticChannelsAreKnownToTheLimiter(t *testing.T) {
	n := start(t, lab.Settings(t, config.Dev, map[string]string{"rate-change-members": "1", "rate-change-members-elastic": "2"}))
	seeded := n.Seeded()
	messaging := chimesdkmessaging.New(n.session(t, "http", n.RootKeys()))
	elastic, err := messaging.CreateChannel(&chimesdkmessaging.CreateChannelInput{
		AppInstanceArn: &seeded.AppInstanceARN, Name: aws.String("e"), ChimeBearer: &seeded.UserARNs[0], Mode: aws.String("RESTRICTED"),
		ElasticChannelConfiguration: &chimesdkmessaging.ElasticChannelConfiguration{
			MaximumSubChannels: aws.Int64(2), TargetMembershipsPerSubChannel: aws.Int64(2), MinimumMembershipPercentage: aws.Int64(10)}})
	if err != nil {
		t.Fatal(err)
	}
	for channel, want := range map[string]string{
		seeded.ChannelARN: "rate-change-members is 1 call a second", *elastic.ChannelArn: "rate-change-members-elastic is 2 calls a second",
	} {
		got := refusedAfter(t, func(int) error {
			_, err := messaging.DeleteChannelBan(&chimesdkmessaging.DeleteChannelBanInput{
				ChannelArn: &channel, MemberArn: &seeded.UserARNs[1], ChimeBearer: &seeded.UserARNs[0]})
			return err
		})
		if !strings.HasPrefix(got, "ThrottledClientException") || !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
