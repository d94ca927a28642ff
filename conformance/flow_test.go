package conformance

import (
	"fmt"
	"slices"
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

// TestFlowsThroughTheGoClient calls every operation on channel flows.
func TestFlowsThroughTheGoClient(t *testing.T) {
	n := start(t, nil)
	m, app := n.messaging, n.Seeded().AppInstanceARN
	alice, channel := aws.String(app+"/user/alice"), aws.String(n.Seeded().ChannelARN)
	create := &msg.CreateChannelFlowInput{
		AppInstanceArn: &app, Name: aws.String("one"), Processors: processors("ABORT", "CONTINUE"), ClientRequestToken: aws.String("token-1"),
		Tags: []*msg.Tag{{Key: aws.String("team"), Value: aws.String("red")}},
	}
	one := must[*msg.CreateChannelFlowOutput](t)(m.CreateChannelFlow(create)).ChannelFlowArn
	if again := must[*msg.CreateChannelFlowOutput](t)(m.CreateChannelFlow(create)).ChannelFlowArn; *again != *one {
		t.Errorf("the same token made %s and %s", *one, *again)
	}
	if tags := must[*msg.ListTagsForResourceOutput](t)(m.ListTagsForResource(&msg.ListTagsForResourceInput{ResourceARN: one})).Tags; len(tags) != 1 || *tags[0].Value != "red" {
		t.Errorf("the tags are %v", tags)
	}
	two := must[*msg.CreateChannelFlowOutput](t)(m.CreateChannelFlow(&msg.CreateChannelFlowInput{AppInstanceArn: &app, Name: aws.String("two"), Processors: processors("CONTINUE")})).ChannelFlowArn
	must[*msg.UpdateChannelFlowOutput](t)(m.UpdateChannelFlow(&msg.UpdateChannelFlowInput{ChannelFlowArn: one, Name: aws.String("first"), Processors: processors("CONTINUE")}))
	got := must[*msg.DescribeChannelFlowOutput](t)(m.DescribeChannelFlow(&msg.DescribeChannelFlowInput{ChannelFlowArn: one})).ChannelFlow
	if *got.ChannelFlowArn != *one || *got.Name != "first" || len(got.Processors) != 1 || *got.Processors[0].FallbackAction != "CONTINUE" ||
		!strings.HasSuffix(*got.Processors[0].Configuration.Lambda.ResourceArn, ":f0") || got.LastUpdatedTimestamp.Before(*got.CreatedTimestamp) {
		t.Errorf("the flow is %v", got)
	}
	var listed []string
	for in := (&msg.ListChannelFlowsInput{AppInstanceArn: &app, MaxResults: aws.Int64(1)}); ; {
		page := must[*msg.ListChannelFlowsOutput](t)(m.ListChannelFlows(in))
		for _, f := range page.ChannelFlows {
			listed = append(listed, *f.Name)
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	if !slices.Equal(listed, []string{"first", "two"}) {
		t.Errorf("pages of one gave %v", listed)
	}

	associate := &msg.AssociateChannelFlowInput{ChannelArn: channel, ChannelFlowArn: one, ChimeBearer: alice}
	must[*msg.AssociateChannelFlowOutput](t)(m.AssociateChannelFlow(associate))
	must[*msg.AssociateChannelFlowOutput](t)(m.AssociateChannelFlow(associate))
	_, err := m.AssociateChannelFlow(&msg.AssociateChannelFlowInput{ChannelArn: channel, ChannelFlowArn: two, ChimeBearer: alice})
	refused(t, "a second flow", err, msg.ErrCodeConflictException)
	_, err = m.AssociateChannelFlow(&msg.AssociateChannelFlowInput{ChannelArn: channel, ChannelFlowArn: two, ChimeBearer: aws.String(app + "/user/bob")})
	refused(t, "a member gives a flow", err, msg.ErrCodeForbiddenException)
	if got := must[*msg.DescribeChannelOutput](t)(m.DescribeChannel(&msg.DescribeChannelInput{ChannelArn: channel, ChimeBearer: alice})).Channel; aws.StringValue(got.ChannelFlowArn) != *one {
		t.Errorf("the channel has the flow %v", got.ChannelFlowArn)
	}
	if got := must[*msg.ListChannelsAssociatedWithChannelFlowOutput](t)(m.ListChannelsAssociatedWithChannelFlow(&msg.ListChannelsAssociatedWithChannelFlowInput{ChannelFlowArn: one})).Channels; len(got) != 1 || *got[0].ChannelArn != *channel || *got[0].Privacy != "PUBLIC" {
		t.Errorf("the flow is used by %v", got)
	}
	_, err = m.DeleteChannelFlow(&msg.DeleteChannelFlowInput{ChannelFlowArn: one})
	refused(t, "a flow in use", err, msg.ErrCodeConflictException)
	_, err = m.ChannelFlowCallback(&msg.ChannelFlowCallbackInput{ChannelArn: channel, ChannelMessage: &msg.ChannelMessageCallback{MessageId: aws.String("m")}})
	refused(t, "a callback nobody waits for", err, msg.ErrCodeForbiddenException)

	disassociate := &msg.DisassociateChannelFlowInput{ChannelArn: channel, ChannelFlowArn: one, ChimeBearer: alice}
	must[*msg.DisassociateChannelFlowOutput](t)(m.DisassociateChannelFlow(disassociate))
	_, err = m.DisassociateChannelFlow(disassociate)
	refused(t, "a flow that is not there", err, msg.ErrCodeNotFoundException)
	must[*msg.DeleteChannelFlowOutput](t)(m.DeleteChannelFlow(&msg.DeleteChannelFlowInput{ChannelFlowArn: one}))
	_, err = m.DescribeChannelFlow(&msg.DescribeChannelFlowInput{ChannelFlowArn: one})
	refused(t, "a deleted flow", err, msg.ErrCodeForbiddenException)
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

func TestStreamingConfigurationsThroughTheGoClient(t *testing.T) {
	n := start(t, nil)
	m, app := n.messaging, n.Seeded().AppInstanceARN
	get := &msg.GetMessagingStreamingConfigurationsInput{AppInstanceArn: &app}
	_, err := m.GetMessagingStreamingConfigurations(get)
	refused(t, "none", err, msg.ErrCodeNotFoundException)
	one := &msg.StreamingConfiguration{DataType: aws.String("ChannelMessage"), ResourceArn: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-x")}
	put := func(list ...*msg.StreamingConfiguration) error {
		_, err := m.PutMessagingStreamingConfigurations(&msg.PutMessagingStreamingConfigurationsInput{AppInstanceArn: &app, StreamingConfigurations: list})
		return err
	}
	if err := put(one); err != nil {
		t.Fatal(err)
	}
	refused(t, "one type twice", put(one, one), msg.ErrCodeBadRequestException)
	if got := must[*msg.GetMessagingStreamingConfigurationsOutput](t)(m.GetMessagingStreamingConfigurations(get)).StreamingConfigurations; len(got) != 1 || *got[0].ResourceArn != *one.ResourceArn {
		t.Errorf("the settings are %v", got)
	}
	for range 2 {
		must[*msg.DeleteMessagingStreamingConfigurationsOutput](t)(m.DeleteMessagingStreamingConfigurations(&msg.DeleteMessagingStreamingConfigurationsInput{AppInstanceArn: &app}))
	}
	_, err = m.GetMessagingStreamingConfigurations(get)
	refused(t, "deleted", err, msg.ErrCodeNotFoundException)
}
