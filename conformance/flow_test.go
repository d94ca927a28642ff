package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	msg "github.com/aws/aws-sdk-go/service/chimesdkmessaging"
)

// processors have one fallback action each and run in the order in which they are given.
func processors(fallbacks ...string) (list []*msg.Processor) {
	for i, action := range fallbacks {
		list = append(list, &msg.Processor{
			Name: aws.String("step"), ExecutionOrder: aws.Int64(int64(i + 1)), FallbackAction: aws.String(action),
			Configuration: &msg.ProcessorConfiguration{Lambda: &msg.LambdaConfiguration{
				InvocationType: aws.String("ASYNC"), ResourceArn: aws.String(fmt.Sprintf("arn:aws:lambda:us-east-1:000000000000:function:f%d", i)),
			}},
		})
	}
	return list
}

// TestFlowEventsOnSockets: the sender alone is told that a message waits and that it failed; all
// members get what is sent.
func TestFlowEventsOnSockets(t *testing.T) {
	n := start(t, nil)
	m, app := n.messaging, n.Seeded().AppInstanceARN
	by, channel := aws.String(app+"/user/alice"), aws.String(n.Seeded().ChannelARN)
	alice, bob := n.connect(t, *by), n.connect(t, app+"/user/bob")
	flow := must[*msg.CreateChannelFlowOutput](t)(m.CreateChannelFlow(&msg.CreateChannelFlowInput{AppInstanceArn: &app, Name: aws.String("f"), Processors: processors("CONTINUE")})).ChannelFlowArn
	must[*msg.AssociateChannelFlowOutput](t)(m.AssociateChannelFlow(&msg.AssociateChannelFlowInput{ChannelArn: channel, ChannelFlowArn: flow, ChimeBearer: by}))
	fall := func(action string) {
		must[*msg.UpdateChannelFlowOutput](t)(m.UpdateChannelFlow(&msg.UpdateChannelFlowInput{ChannelFlowArn: flow, Name: aws.String("f"), Processors: processors(action)}))
	}
	send := func(content, persistence string) *string {
		sent := must[*msg.SendChannelMessageOutput](t)(m.SendChannelMessage(&msg.SendChannelMessageInput{
			ChannelArn: channel, ChimeBearer: by, Content: &content, Type: aws.String("STANDARD"), Persistence: &persistence,
		}))
		if *sent.Status.Value != "PENDING" {
			t.Errorf("the reply to %s is %v", content, sent.Status)
		}
		return sent.MessageId
	}
	edit := func(id *string, content string) {
		must[*msg.UpdateChannelMessageOutput](t)(m.UpdateChannelMessage(&msg.UpdateChannelMessageInput{ChannelArn: channel, ChimeBearer: by, MessageId: id, Content: &content}))
	}
	first := send("one", "PERSISTENT")
	edit(first, "two")
	send("three", "NON_PERSISTENT")
	fall("ABORT")
	failed := send("four", "PERSISTENT")
	edit(first, "five")
	send("six", "NON_PERSISTENT")
	fall("CONTINUE")
	send("seven", "PERSISTENT")

	alice.expect("PENDING_CREATE_CHANNEL_MESSAGE STANDARD one", "CREATE_CHANNEL_MESSAGE STANDARD one",
		"PENDING_UPDATE_CHANNEL_MESSAGE STANDARD two", "UPDATE_CHANNEL_MESSAGE STANDARD two",
		"PENDING_CREATE_CHANNEL_MESSAGE STANDARD three", "CREATE_CHANNEL_MESSAGE STANDARD three",
		"PENDING_CREATE_CHANNEL_MESSAGE STANDARD four", "FAILED_CREATE_CHANNEL_MESSAGE STANDARD four",
		"PENDING_UPDATE_CHANNEL_MESSAGE STANDARD five", "FAILED_UPDATE_CHANNEL_MESSAGE STANDARD five",
		"PENDING_CREATE_CHANNEL_MESSAGE STANDARD six", "FAILED_CREATE_CHANNEL_MESSAGE STANDARD six",
		"PENDING_CREATE_CHANNEL_MESSAGE STANDARD seven", "CREATE_CHANNEL_MESSAGE STANDARD seven")
	bob.expect("CREATE_CHANNEL_MESSAGE STANDARD one", "UPDATE_CHANNEL_MESSAGE STANDARD two",
		"CREATE_CHANNEL_MESSAGE STANDARD three", "CREATE_CHANNEL_MESSAGE STANDARD seven")
	status := must[*msg.GetChannelMessageStatusOutput](t)(m.GetChannelMessageStatus(&msg.GetChannelMessageStatusInput{ChannelArn: channel, ChimeBearer: by, MessageId: failed})).Status
	if *status.Value != "FAILED" || aws.StringValue(status.Detail) == "" {
		t.Errorf("the status is %v", status)
	}
	for who, want := range map[string]string{"alice": "two four seven", "bob": "two seven"} {
		var contents []string
		for _, item := range must[*msg.ListChannelMessagesOutput](t)(m.ListChannelMessages(&msg.ListChannelMessagesInput{
			ChannelArn: channel, ChimeBearer: aws.String(app + "/user/" + who), SortOrder: aws.String("ASCENDING"),
		})).ChannelMessages {
			contents = append(contents, *item.Content)
		}
		if got := strings.Join(contents, " "); got != want {
			t.Errorf("%s lists %s, want %s", who, got, want)
		}
	}
}
