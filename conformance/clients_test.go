package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	id "github.com/aws/aws-sdk-go/service/chimesdkidentity"
	msg "github.com/aws/aws-sdk-go/service/chimesdkmessaging"
)

// must ends the test when a call that has to succeed does not.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// refused checks that an error is the exception of the name, as the SDK types it.
func refused(t *testing.T, what string, err error, want string) {
	t.Helper()
	var typed awserr.Error
	if !errors.As(err, &typed) || typed.Code() != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

// TestIdentityThroughTheGoClient calls every identity operation that is built.
func TestIdentityThroughTheGoClient(t *testing.T) {
	n := start(t, nil)
	app := must[*id.CreateAppInstanceOutput](t)(n.identity.CreateAppInstance(&id.CreateAppInstanceInput{
		Name: aws.String("one"), Metadata: aws.String("m"), Tags: []*id.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	})).AppInstanceArn
	must[*id.UpdateAppInstanceOutput](t)(n.identity.UpdateAppInstance(&id.UpdateAppInstanceInput{AppInstanceArn: app, Name: aws.String("two"), Metadata: aws.String("")}))
	if got := must[*id.DescribeAppInstanceOutput](t)(n.identity.DescribeAppInstance(&id.DescribeAppInstanceInput{AppInstanceArn: app})).AppInstance; *got.Name != "two" || aws.StringValue(got.Metadata) != "" || got.CreatedTimestamp == nil {
		t.Errorf("the app instance is %v", got)
	}
	var users []string
	for _, name := range []string{"us-east-1:ann@example", "bob", "cy"} {
		users = append(users, *must[*id.CreateAppInstanceUserOutput](t)(n.identity.CreateAppInstanceUser(&id.CreateAppInstanceUserInput{
			AppInstanceArn: app, AppInstanceUserId: aws.String(name), Name: aws.String("N " + name),
		})).AppInstanceUserArn)
	}
	_, err := n.identity.CreateAppInstanceUser(&id.CreateAppInstanceUserInput{AppInstanceArn: app, AppInstanceUserId: aws.String("bob"), Name: aws.String("other")})
	refused(t, "the id is taken", err, id.ErrCodeConflictException)
	if got := *must[*id.DescribeAppInstanceUserOutput](t)(n.identity.DescribeAppInstanceUser(&id.DescribeAppInstanceUserInput{AppInstanceUserArn: &users[0]})).AppInstanceUser.Name; got != "N us-east-1:ann@example" {
		t.Errorf("the name is %s", got)
	}
	must[*id.UpdateAppInstanceUserOutput](t)(n.identity.UpdateAppInstanceUser(&id.UpdateAppInstanceUserInput{AppInstanceUserArn: &users[1], Name: aws.String("Bob"), Metadata: aws.String("{}")}))

	var listed []string
	for in := (&id.ListAppInstanceUsersInput{AppInstanceArn: app, MaxResults: aws.Int64(1)}); ; {
		page := must[*id.ListAppInstanceUsersOutput](t)(n.identity.ListAppInstanceUsers(in))
		for _, u := range page.AppInstanceUsers {
			listed = append(listed, *u.AppInstanceUserArn)
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	if !slices.Equal(listed, users) {
		t.Errorf("pages of one gave %v, want %v", listed, users)
	}
	admin := &id.CreateAppInstanceAdminInput{AppInstanceArn: app, AppInstanceAdminArn: &users[2]}
	must[*id.CreateAppInstanceAdminOutput](t)(n.identity.CreateAppInstanceAdmin(admin))
	_, err = n.identity.CreateAppInstanceAdmin(admin)
	refused(t, "is an admin already", err, id.ErrCodeConflictException)
	must[*id.DescribeAppInstanceAdminOutput](t)(n.identity.DescribeAppInstanceAdmin(&id.DescribeAppInstanceAdminInput{AppInstanceArn: app, AppInstanceAdminArn: &users[2]}))
	if got := must[*id.ListAppInstanceAdminsOutput](t)(n.identity.ListAppInstanceAdmins(&id.ListAppInstanceAdminsInput{AppInstanceArn: app})); len(got.AppInstanceAdmins) != 1 {
		t.Errorf("admins: %v", got)
	}
	must[*id.DeleteAppInstanceAdminOutput](t)(n.identity.DeleteAppInstanceAdmin(&id.DeleteAppInstanceAdminInput{AppInstanceArn: app, AppInstanceAdminArn: &users[2]}))

	must[*id.TagResourceOutput](t)(n.identity.TagResource(&id.TagResourceInput{ResourceARN: app, Tags: []*id.Tag{{Key: aws.String("l"), Value: aws.String("w")}}}))
	must[*id.UntagResourceOutput](t)(n.identity.UntagResource(&id.UntagResourceInput{ResourceARN: app, TagKeys: aws.StringSlice([]string{"k"})}))
	if got := must[*msg.ListTagsForResourceOutput](t)(n.messaging.ListTagsForResource(&msg.ListTagsForResourceInput{ResourceARN: app})).Tags; len(got) != 1 || *got[0].Key != "l" {
		t.Errorf("tags through the other API: %v", got)
	}
	must[*id.DeleteAppInstanceUserOutput](t)(n.identity.DeleteAppInstanceUser(&id.DeleteAppInstanceUserInput{AppInstanceUserArn: &users[1]}))
	_, err = n.identity.DescribeAppInstanceUser(&id.DescribeAppInstanceUserInput{AppInstanceUserArn: &users[1]})
	refused(t, "a deleted user", err, "NotFoundException")
	must[*id.DeleteAppInstanceOutput](t)(n.identity.DeleteAppInstance(&id.DeleteAppInstanceInput{AppInstanceArn: app}))
	_, err = n.identity.ListAppInstanceUsers(&id.ListAppInstanceUsersInput{AppInstanceArn: app})
	refused(t, "a deleted app instance", err, id.ErrCodeForbiddenException)
	if got := must[*id.ListAppInstancesOutput](t)(n.identity.ListAppInstances(&id.ListAppInstancesInput{})); len(got.AppInstances) != 1 {
		t.Errorf("app instances: %v", got)
	}
}

// TestMessagingThroughTheGoClient calls every messaging operation that is built, and reads the
// events of each change on the sockets of three people: alice makes the changes, bob is a
// member, mod moderates without being a member.
func TestMessagingThroughTheGoClient(t *testing.T) {
	n := start(t, nil)
	app := n.Seeded().AppInstanceARN
	user := func(name string) *string { return aws.String(app + "/user/" + name) }
	for _, name := range []string{"mod", "new"} {
		must[*id.CreateAppInstanceUserOutput](t)(n.identity.CreateAppInstanceUser(&id.CreateAppInstanceUserInput{AppInstanceArn: &app, AppInstanceUserId: &name, Name: aws.String(strings.ToUpper(name))}))
	}
	must[*id.CreateAppInstanceAdminOutput](t)(n.identity.CreateAppInstanceAdmin(&id.CreateAppInstanceAdminInput{AppInstanceArn: &app, AppInstanceAdminArn: user("mod")}))
	alice, bob, mod := n.connect(t, *user("alice")), n.connect(t, *user("bob")), n.connect(t, *user("mod"))
	m, by := n.messaging, user("alice")
	if host := *must[*msg.GetMessagingSessionEndpointOutput](t)(m.GetMessagingSessionEndpoint(&msg.GetMessagingSessionEndpointInput{})).Endpoint.Url; host != n.PublicHost() {
		t.Errorf("the endpoint is %s", host)
	}

	create := &msg.CreateChannelInput{AppInstanceArn: &app, ChimeBearer: by, Name: aws.String("n"), ChannelId: aws.String("a:b@c"),
		MemberArns: []*string{user("bob")}, ModeratorArns: []*string{user("mod")}, ClientRequestToken: aws.String("token-1")}
	c := must[*msg.CreateChannelOutput](t)(m.CreateChannel(create)).ChannelArn
	if again := must[*msg.CreateChannelOutput](t)(m.CreateChannel(create)).ChannelArn; *again != *c {
		t.Errorf("the same token made %s and %s", *c, *again)
	}
	_, err := m.CreateChannel(&msg.CreateChannelInput{AppInstanceArn: &app, ChimeBearer: by, Name: aws.String("n"), ChannelId: aws.String("a:b@c")})
	refused(t, "the channel exists", err, msg.ErrCodeConflictException)
	alice.expect("CREATE_CHANNEL_MEMBERSHIP SYSTEM Alice")
	bob.expect("CREATE_CHANNEL_MEMBERSHIP SYSTEM Bob")

	must[*msg.UpdateChannelOutput](t)(m.UpdateChannel(&msg.UpdateChannelInput{ChannelArn: c, ChimeBearer: user("mod"), Name: aws.String("renamed"), Mode: aws.String("RESTRICTED")}))
	if got := must[*msg.DescribeChannelOutput](t)(m.DescribeChannel(&msg.DescribeChannelInput{ChannelArn: c, ChimeBearer: by})).Channel; *got.Name != "renamed" || *got.CreatedBy.Name != "Alice" {
		t.Errorf("the channel is %v", got)
	}
	_, err = m.UpdateChannel(&msg.UpdateChannelInput{ChannelArn: c, ChimeBearer: user("bob"), Name: aws.String("x"), Mode: aws.String("RESTRICTED")})
	refused(t, "a member renames", err, msg.ErrCodeForbiddenException)
	must[*msg.CreateChannelMembershipOutput](t)(m.CreateChannelMembership(&msg.CreateChannelMembershipInput{ChannelArn: c, ChimeBearer: by, MemberArn: user("new"), Type: aws.String("DEFAULT")}))
	_, err = m.CreateChannelMembership(&msg.CreateChannelMembershipInput{ChannelArn: c, ChimeBearer: by, MemberArn: user("new"), Type: aws.String("DEFAULT")})
	refused(t, "is a member already", err, msg.ErrCodeConflictException)
	must[*msg.DeleteChannelMembershipOutput](t)(m.DeleteChannelMembership(&msg.DeleteChannelMembershipInput{ChannelArn: c, ChimeBearer: by, MemberArn: user("new")}))
	_, err = m.DescribeChannelMembership(&msg.DescribeChannelMembershipInput{ChannelArn: c, ChimeBearer: by, MemberArn: user("new")})
	refused(t, "is no member", err, msg.ErrCodeNotFoundException)
	batch := must[*msg.BatchCreateChannelMembershipOutput](t)(m.BatchCreateChannelMembership(&msg.BatchCreateChannelMembershipInput{ChannelArn: c, ChimeBearer: by, MemberArns: []*string{user("new"), user("bob")}}))
	if len(batch.Errors) != 1 || *batch.Errors[0].ErrorCode != "Conflict" || len(batch.BatchChannelMemberships.Members) != 1 {
		t.Errorf("the batch answered %v", batch)
	}
	changes := []string{"UPDATE_CHANNEL SYSTEM renamed", "CREATE_CHANNEL_MEMBERSHIP SYSTEM NEW", "DELETE_CHANNEL_MEMBERSHIP SYSTEM NEW", "BATCH_CREATE_CHANNEL_MEMBERSHIP SYSTEM"}

	send := &msg.SendChannelMessageInput{ChannelArn: c, ChimeBearer: by, Content: aws.String("hello"), Type: aws.String("STANDARD"), Persistence: aws.String("PERSISTENT"), ClientRequestToken: aws.String("token-2")}
	sent := must[*msg.SendChannelMessageOutput](t)(m.SendChannelMessage(send)).MessageId
	if again := must[*msg.SendChannelMessageOutput](t)(m.SendChannelMessage(send)).MessageId; *again != *sent {
		t.Error("the same token sent two messages")
	}
	must[*msg.UpdateChannelMessageOutput](t)(m.UpdateChannelMessage(&msg.UpdateChannelMessageInput{ChannelArn: c, ChimeBearer: by, MessageId: sent, Content: aws.String("edited")}))
	must[*msg.RedactChannelMessageOutput](t)(m.RedactChannelMessage(&msg.RedactChannelMessageInput{ChannelArn: c, ChimeBearer: by, MessageId: sent}))
	_, err = m.SendChannelMessage(&msg.SendChannelMessageInput{ChannelArn: c, ChimeBearer: user("mod"), Content: aws.String("x"), Type: aws.String("STANDARD"), Persistence: aws.String("PERSISTENT")})
	refused(t, "a moderator who is no member sends", err, msg.ErrCodeForbiddenException)
	if got := must[*msg.GetChannelMessageOutput](t)(m.GetChannelMessage(&msg.GetChannelMessageInput{ChannelArn: c, ChimeBearer: user("bob"), MessageId: sent})).ChannelMessage; !*got.Redacted || aws.StringValue(got.Content) != "" {
		t.Errorf("the redacted message is %v", got)
	}
	if got := *must[*msg.GetChannelMessageStatusOutput](t)(m.GetChannelMessageStatus(&msg.GetChannelMessageStatusInput{ChannelArn: c, ChimeBearer: by, MessageId: sent})).Status.Value; got != "SENT" {
		t.Errorf("the status is %s", got)
	}
	changes = append(changes, "CREATE_CHANNEL_MESSAGE STANDARD hello", "UPDATE_CHANNEL_MESSAGE STANDARD edited", "REDACT_CHANNEL_MESSAGE STANDARD")
	control := &msg.SendChannelMessageInput{ChannelArn: c, ChimeBearer: by, Content: aws.String("typing"), Type: aws.String("CONTROL"), Persistence: aws.String("NON_PERSISTENT")}
	must[*msg.SendChannelMessageOutput](t)(m.SendChannelMessage(control))
	changes = append(changes, "CREATE_CHANNEL_MESSAGE CONTROL typing")
	for i := range 4 {
		text := fmt.Sprint("m", i)
		must[*msg.SendChannelMessageOutput](t)(m.SendChannelMessage(&msg.SendChannelMessageInput{ChannelArn: c, ChimeBearer: by, Content: &text, Type: aws.String("STANDARD"), Persistence: aws.String("PERSISTENT")}))
		changes = append(changes, "CREATE_CHANNEL_MESSAGE STANDARD "+text)
	}
	must[*msg.DeleteChannelMessageOutput](t)(m.DeleteChannelMessage(&msg.DeleteChannelMessageInput{ChannelArn: c, ChimeBearer: user("mod"), MessageId: sent}))
	_, err = m.GetChannelMessage(&msg.GetChannelMessageInput{ChannelArn: c, ChimeBearer: by, MessageId: sent})
	refused(t, "a deleted message", err, msg.ErrCodeNotFoundException)
	changes = append(changes, "DELETE_CHANNEL_MESSAGE STANDARD")

	var history []string
	for in := (&msg.ListChannelMessagesInput{ChannelArn: c, ChimeBearer: user("bob"), MaxResults: aws.Int64(1), SortOrder: aws.String("ASCENDING")}); ; {
		page := must[*msg.ListChannelMessagesOutput](t)(m.ListChannelMessages(in))
		for _, item := range page.ChannelMessages {
			history = append(history, *item.Content)
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	if got := strings.Join(history, " "); got != "m0 m1 m2 m3" {
		t.Errorf("the history is %s", got)
	}

	must[*msg.UpdateChannelReadMarkerOutput](t)(m.UpdateChannelReadMarker(&msg.UpdateChannelReadMarkerInput{ChannelArn: c, ChimeBearer: user("bob")}))
	if got := must[*msg.DescribeChannelMembershipForAppInstanceUserOutput](t)(m.DescribeChannelMembershipForAppInstanceUser(&msg.DescribeChannelMembershipForAppInstanceUserInput{ChannelArn: c, AppInstanceUserArn: user("bob"), ChimeBearer: user("bob")})).ChannelMembership; got.AppInstanceUserMembershipSummary.ReadMarkerTimestamp == nil || got.ChannelSummary.LastMessageTimestamp == nil {
		t.Errorf("bob's membership is %v", got)
	}
	if got := must[*msg.ListChannelMembershipsForAppInstanceUserOutput](t)(m.ListChannelMembershipsForAppInstanceUser(&msg.ListChannelMembershipsForAppInstanceUserInput{ChimeBearer: user("bob")})).ChannelMemberships; len(got) != 2 {
		t.Errorf("bob is in %v", got)
	}
	if got := must[*msg.ListChannelMembershipsOutput](t)(m.ListChannelMemberships(&msg.ListChannelMembershipsInput{ChannelArn: c, ChimeBearer: by})).ChannelMemberships; len(got) != 3 {
		t.Errorf("members: %v", got)
	}
	if got := must[*msg.ListChannelsOutput](t)(m.ListChannels(&msg.ListChannelsInput{AppInstanceArn: &app, ChimeBearer: by})).Channels; len(got) != 2 {
		t.Errorf("channels: %v", got)
	}
	must[*msg.TagResourceOutput](t)(m.TagResource(&msg.TagResourceInput{ResourceARN: c, Tags: []*msg.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}))
	must[*msg.UntagResourceOutput](t)(m.UntagResource(&msg.UntagResourceInput{ResourceARN: c, TagKeys: aws.StringSlice([]string{"k"})}))
	must[*msg.DeleteChannelMembershipOutput](t)(m.DeleteChannelMembership(&msg.DeleteChannelMembershipInput{ChannelArn: c, ChimeBearer: user("bob"), MemberArn: user("bob")}))
	must[*msg.DeleteChannelOutput](t)(m.DeleteChannel(&msg.DeleteChannelInput{ChannelArn: c, ChimeBearer: by}))
	_, err = m.DescribeChannel(&msg.DescribeChannelInput{ChannelArn: c, ChimeBearer: by})
	refused(t, "a deleted channel", err, msg.ErrCodeForbiddenException)
	_, err = m.ListChannelBans(&msg.ListChannelBansInput{ChannelArn: c, ChimeBearer: by})
	refused(t, "not built", err, msg.ErrCodeServiceUnavailableException)

	changes = append(changes, "DELETE_CHANNEL_MEMBERSHIP SYSTEM Bob")
	alice.expect(append(slices.Clone(changes), "DELETE_CHANNEL SYSTEM renamed")...)
	bob.expect(changes...) // its own removal, and nothing of the channel after it
	general := n.Seeded().ChannelARN
	must[*msg.CreateChannelMembershipOutput](t)(m.CreateChannelMembership(&msg.CreateChannelMembershipInput{ChannelArn: &general, ChimeBearer: by, MemberArn: user("mod"), Type: aws.String("DEFAULT")}))
	for _, s := range []socket{bob, mod} { // a moderator and admin got nothing before it was a member
		s.expect("CREATE_CHANNEL_MEMBERSHIP SYSTEM MOD")
	}
}
