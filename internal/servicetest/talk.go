package servicetest

import (
	"context"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
)

// Say sends a text a second later and returns the id of the message.
func (w *World) Say(by, channelID, content string, change ...func(*messaging.SendChannelMessageRequest)) string {
	w.t.Helper()
	w.Now = w.Now.Add(time.Second)
	req := w.Text(by, channelID, content)
	for _, f := range change {
		f(req)
	}
	return w.Send(req)
}

// To makes a message one for a member alone.
func (w *World) To(id string) func(*messaging.SendChannelMessageRequest) {
	arn := w.User(id)
	return func(r *messaging.SendChannelMessageRequest) { r.Target = []messaging.Target{{MemberARN: &arn}} }
}

// Control makes a message a control message.
func Control(r *messaging.SendChannelMessageRequest) { r.Type = messaging.ChannelMessageTypeControl }

// Redact redacts a message.
func (w *World) Redact(by, channelID, messageID string) {
	w.t.Helper()
	_, err := w.API.RedactChannelMessage(context.Background(), &messaging.RedactChannelMessageRequest{
		ChannelARN: w.Channel(channelID), MessageID: messageID, ChimeBearer: w.User(by)})
	w.must(err)
}

// Delete deletes a message.
func (w *World) Delete(by, channelID, messageID string) {
	w.t.Helper()
	_, err := w.API.DeleteChannelMessage(context.Background(), &messaging.DeleteChannelMessageRequest{
		ChannelARN: w.Channel(channelID), MessageID: messageID, ChimeBearer: w.User(by)})
	w.must(err)
}

// Read moves the read marker of a member to now.
func (w *World) Read(id, channelID string) {
	w.t.Helper()
	_, err := w.API.UpdateChannelReadMarker(context.Background(), &messaging.UpdateChannelReadMarkerRequest{
		ChannelARN: w.Channel(channelID), ChimeBearer: w.User(id)})
	w.must(err)
}

// Remove removes a member.
func (w *World) Remove(by, channelID, id string) {
	w.t.Helper()
	_, err := w.API.DeleteChannelMembership(context.Background(), &messaging.DeleteChannelMembershipRequest{
		ChannelARN: w.Channel(channelID), MemberARN: w.User(id), ChimeBearer: w.User(by)})
	w.must(err)
}

// Retain has messages hidden after a number of days, never when that is zero.
func (w *World) Retain(days int) {
	w.t.Helper()
	settings := new(identityapi.ChannelRetentionSettings)
	if days > 0 {
		settings.RetentionDays = &days
	}
	_, err := w.Identity.PutAppInstanceRetentionSettings(context.Background(), &identityapi.PutAppInstanceRetentionSettingsRequest{
		AppInstanceARN: w.App, AppInstanceRetentionSettings: &identityapi.AppInstanceRetentionSettings{ChannelRetentionSettings: settings}})
	w.must(err)
}

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// ListedUnread counts the messages of others in the list of a channel that are later than the member's read
// marker.
func (w *World) ListedUnread(user, channelID string) (n int) {
	me := w.User(user)
	membership, err := w.API.DescribeChannelMembershipForAppInstanceUser(context.Background(), &messaging.DescribeChannelMembershipForAppInstanceUserRequest{
		ChannelARN: w.Channel(channelID), AppInstanceUserARN: me, ChimeBearer: me})
	w.must(err)
	marker := membership.ChannelMembership.AppInstanceUserMembershipSummary.ReadMarkerTimestamp
	req := &messaging.ListChannelMessagesRequest{ChannelARN: w.Channel(channelID), ChimeBearer: me}
	for {
		resp, err := w.API.ListChannelMessages(context.Background(), req)
		w.must(err)
		for _, m := range resp.ChannelMessages {
			if m.Type == messaging.ChannelMessageTypeStandard && !m.Redacted && m.Sender.ARN != me &&
				(marker == nil || m.CreatedTimestamp.After(*marker)) {
				n++
			}
		}
		if resp.NextToken == "" {
			return n
		}
		req.NextToken = &resp.NextToken
	}
}

// FailMessages gives a channel a flow that fails every message: its processor is nowhere.
func (w *World) FailMessages(by, channelID string) {
	w.t.Helper()
	made, err := w.API.CreateChannelFlow(context.Background(), &messaging.CreateChannelFlowRequest{
		AppInstanceARN: w.App, Name: "fails", ClientRequestToken: w.Token(), Processors: []messaging.Processor{{
			Name: "nowhere", ExecutionOrder: 1, FallbackAction: messaging.FallbackActionAbort,
			Configuration: &messaging.ProcessorConfiguration{Lambda: &messaging.LambdaConfiguration{
				ResourceARN: "arn:aws:lambda:us-east-1:000000000000:function:nowhere", InvocationType: messaging.InvocationTypeAsync,
			}},
		}},
	})
	w.must(err)
	_, err = w.API.AssociateChannelFlow(context.Background(), &messaging.AssociateChannelFlowRequest{
		ChannelARN: w.Channel(channelID), ChannelFlowARN: made.ChannelFlowARN, ChimeBearer: w.User(by),
	})
	w.must(err)
}
