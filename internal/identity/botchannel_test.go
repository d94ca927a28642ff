package identity_test

import (
	"context"
	"slices"
	"testing"

	wire "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// TestABotTalksAndLeaves: a bot is a member, sends as itself, and when it is deleted the others
// are told and its message keeps its name.
func TestABotTalksAndLeaves(t *testing.T) {
	ctx := context.Background()
	w := servicetest.New(t, "alice")
	w.AddChannel("alice", "c")
	created, err := w.Identity.CreateAppInstanceBot(ctx, botRequest(w.App, "Robot"))
	ok(t, err)
	bot := created.AppInstanceBotARN
	_, err = w.Channels.CreateChannelMembership(ctx, &messaging.CreateChannelMembershipRequest{
		ChannelARN: w.Channel("c"), MemberARN: bot, Type: messaging.ChannelMembershipTypeDefault, ChimeBearer: w.User("alice"),
	})
	ok(t, err)
	w.Events()

	text := w.Text("alice", "c", "beep")
	text.ChimeBearer = bot
	id := w.Send(text)
	_, err = w.Identity.DeleteAppInstanceBot(ctx, &wire.DeleteAppInstanceBotRequest{AppInstanceBotARN: bot})
	ok(t, err)
	events := w.Events()
	if len(events) != 2 || events[0] != "CREATE_CHANNEL_MESSAGE to members: beep" ||
		!slices.Contains(events, "DELETE_CHANNEL_MEMBERSHIP to members: Robot -"+bot[len(w.App+"/bot/"):]) {
		t.Errorf("events %q", events)
	}
	text = w.Text("alice", "c", "beep again")
	text.ChimeBearer = bot
	_, err = w.Messages.SendChannelMessage(ctx, text)
	refused(t, err, "UnauthorizedClientException", "ChimeBearer")
	got, err := w.Messages.GetChannelMessage(ctx, &messaging.GetChannelMessageRequest{
		ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User("alice"),
	})
	ok(t, err)
	if sender := got.ChannelMessage.Sender; sender.ARN != bot || sender.Name != "Robot" {
		t.Errorf("the message is by %+v", sender)
	}
}
