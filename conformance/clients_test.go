package conformance

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
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

// TestEventsOfChanges makes each change of a channel and its messages through the Go client, and
// reads its events on the sockets of three people: alice makes the changes, bob is a member, mod
// moderates without being a member. What the calls answer is in cases.
func TestEventsOfChanges(t *testing.T) {
	n := start(t, nil)
	app, general := n.Seeded().AppInstanceARN, n.Seeded().ChannelARN
	user := func(name string) *string { return aws.String(app + "/user/" + name) }
	for _, name := range []string{"mod", "new"} {
		must[*id.CreateAppInstanceUserOutput](t)(n.identity.CreateAppInstanceUser(&id.CreateAppInstanceUserInput{AppInstanceArn: &app, AppInstanceUserId: &name, Name: aws.String(strings.ToUpper(name))}))
	}
	must[*id.CreateAppInstanceAdminOutput](t)(n.identity.CreateAppInstanceAdmin(&id.CreateAppInstanceAdminInput{AppInstanceArn: &app, AppInstanceAdminArn: user("mod")}))
	alice, bob, mod := n.connect(t, *user("alice")), n.connect(t, *user("bob")), n.connect(t, *user("mod"))
	m, by := n.messaging, user("alice")

	create := &msg.CreateChannelInput{AppInstanceArn: &app, ChimeBearer: by, Name: aws.String("n"), ChannelId: aws.String("a:b@c"),
		MemberArns: []*string{user("bob")}, ModeratorArns: []*string{user("mod")}, ClientRequestToken: aws.String("token-1")}
	c := must[*msg.CreateChannelOutput](t)(m.CreateChannel(create)).ChannelArn
	must[*msg.CreateChannelOutput](t)(m.CreateChannel(create)) // the same token: no second event
	alice.expect("CREATE_CHANNEL_MEMBERSHIP SYSTEM Alice")
	bob.expect("CREATE_CHANNEL_MEMBERSHIP SYSTEM Bob")

	must[*msg.UpdateChannelOutput](t)(m.UpdateChannel(&msg.UpdateChannelInput{ChannelArn: c, ChimeBearer: user("mod"), Name: aws.String("renamed"), Mode: aws.String("RESTRICTED")}))
	must[*msg.CreateChannelMembershipOutput](t)(m.CreateChannelMembership(&msg.CreateChannelMembershipInput{ChannelArn: c, ChimeBearer: by, MemberArn: user("new"), Type: aws.String("DEFAULT")}))
	must[*msg.DeleteChannelMembershipOutput](t)(m.DeleteChannelMembership(&msg.DeleteChannelMembershipInput{ChannelArn: c, ChimeBearer: by, MemberArn: user("new")}))
	must[*msg.BatchCreateChannelMembershipOutput](t)(m.BatchCreateChannelMembership(&msg.BatchCreateChannelMembershipInput{ChannelArn: c, ChimeBearer: by, MemberArns: []*string{user("new"), user("bob")}}))
	changes := []string{"UPDATE_CHANNEL SYSTEM renamed", "CREATE_CHANNEL_MEMBERSHIP SYSTEM NEW", "DELETE_CHANNEL_MEMBERSHIP SYSTEM NEW", "BATCH_CREATE_CHANNEL_MEMBERSHIP SYSTEM"}

	send := func(kind, persistence, text, token string) *string {
		return must[*msg.SendChannelMessageOutput](t)(m.SendChannelMessage(&msg.SendChannelMessageInput{ChannelArn: c, ChimeBearer: by,
			Content: &text, Type: &kind, Persistence: &persistence, ClientRequestToken: &token})).MessageId
	}
	sent := send("STANDARD", "PERSISTENT", "hello", "token-2")
	send("STANDARD", "PERSISTENT", "hello", "token-2")
	must[*msg.UpdateChannelMessageOutput](t)(m.UpdateChannelMessage(&msg.UpdateChannelMessageInput{ChannelArn: c, ChimeBearer: by, MessageId: sent, Content: aws.String("edited")}))
	for range 2 { // the second redaction is silent
		must[*msg.RedactChannelMessageOutput](t)(m.RedactChannelMessage(&msg.RedactChannelMessageInput{ChannelArn: c, ChimeBearer: by, MessageId: sent}))
	}
	send("CONTROL", "NON_PERSISTENT", "typing", "token-3")
	changes = append(changes, "CREATE_CHANNEL_MESSAGE STANDARD hello", "UPDATE_CHANNEL_MESSAGE STANDARD edited", "REDACT_CHANNEL_MESSAGE STANDARD", "CREATE_CHANNEL_MESSAGE CONTROL typing")
	must[*msg.DeleteChannelMessageOutput](t)(m.DeleteChannelMessage(&msg.DeleteChannelMessageInput{ChannelArn: c, ChimeBearer: user("mod"), MessageId: sent}))
	changes = append(changes, "DELETE_CHANNEL_MESSAGE STANDARD")
	must[*msg.UpdateChannelReadMarkerOutput](t)(m.UpdateChannelReadMarker(&msg.UpdateChannelReadMarkerInput{ChannelArn: c, ChimeBearer: user("bob")})) // no event

	must[*msg.DeleteChannelMembershipOutput](t)(m.DeleteChannelMembership(&msg.DeleteChannelMembershipInput{ChannelArn: c, ChimeBearer: user("bob"), MemberArn: user("bob")}))
	must[*msg.DeleteChannelOutput](t)(m.DeleteChannel(&msg.DeleteChannelInput{ChannelArn: c, ChimeBearer: by}))
	changes = append(changes, "DELETE_CHANNEL_MEMBERSHIP SYSTEM Bob")
	alice.expect(append(slices.Clone(changes), "DELETE_CHANNEL SYSTEM renamed")...)
	bob.expect(changes...) // its own removal, and nothing of the channel after it
	must[*msg.CreateChannelMembershipOutput](t)(m.CreateChannelMembership(&msg.CreateChannelMembershipInput{ChannelArn: &general, ChimeBearer: by, MemberArn: user("mod"), Type: aws.String("DEFAULT")}))
	for _, s := range []socket{bob, mod} { // a moderator and admin got nothing before it was a member
		s.expect("CREATE_CHANNEL_MEMBERSHIP SYSTEM MOD")
	}
}
