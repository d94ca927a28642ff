package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	msg "github.com/aws/aws-sdk-go/service/chimesdkmessaging"
)

// secret is in all that waits, is denied or fails in these tests.
const secret = "secret"

// TestWhatWaitsIsShownToNoOther looks at a channel in every way that an admin, its devices, bots, sinks and webhooks have, while
// messages and an edit wait for a processor, after they were denied, and after others failed.
func TestWhatWaitsIsShownToNoOther(t *testing.T) {
	invoked := make(chan chatEvent, 10)
	address := processor(t, processorSecret, func(w http.ResponseWriter, _ *http.Request, e chatEvent) {
		w.WriteHeader(http.StatusAccepted)
		if !strings.HasPrefix(e.ChannelMessage.Content, `{"Messages"`) { // replies of the bot wait as long as they like
			invoked <- e
		}
	})
	o := newOnlooker(t, "arn:aws:lambda:*:function:filter "+address)
	m, app, channel, alice, bob := o.n.messaging, o.app, o.channel, o.by, o.app+"/user/bob"

	// All that is sent mentions alice, and has a notification.
	send := func(content, kind, persistence string, target ...*string) *string {
		in := &msg.SendChannelMessageInput{
			ChannelArn: &channel, ChimeBearer: &bob, Content: &content, Type: &kind, Persistence: &persistence,
			MessageAttributes: map[string]*msg.MessageAttributeValue{"CHIME.mentions": {StringValues: []*string{&alice}}},
			PushNotification:  &msg.PushNotificationConfiguration{Title: &content, Body: aws.String("b"), Type: aws.String("DEFAULT")},
		}
		for _, member := range target {
			in.Target = append(in.Target, &msg.Target{MemberArn: member})
		}
		return must[*msg.SendChannelMessageOutput](t)(m.SendChannelMessage(in)).MessageId
	}
	first := send("before the flow", "STANDARD", "PERSISTENT")
	bot := o.invite()
	o.open()
	hide := func(how string) {
		o.waiting = append(o.waiting,
			send(secret+how, "STANDARD", "PERSISTENT"), send(secret+how+" live", "STANDARD", "NON_PERSISTENT"),
			send(secret+how+" for alice", "STANDARD", "PERSISTENT", &alice), send(secret+how+" for the bot", "STANDARD", "PERSISTENT", &bot))
		must[*msg.UpdateChannelMessageOutput](t)(m.UpdateChannelMessage(&msg.UpdateChannelMessageInput{
			ChannelArn: &channel, ChimeBearer: &bob, MessageId: first, Content: aws.String(secret + how + " edit"),
		}))
	}
	fences := 0
	fence := func() string {
		fences++
		content := fmt.Sprint("fence ", fences)
		send(content, "CONTROL", "PERSISTENT") // passes no flow
		return content
	}

	takeAway := flowOf(t, m, app, channel, alice, "filter")
	activity := o.activity()
	hide(" waits")
	var events []chatEvent
	for range len(o.waiting) + 1 {
		events = append(events, <-invoked)
	}
	if got := o.activity(); got != activity {
		t.Errorf("what waits is activity: %s\nbefore: %s", got, activity)
	}
	o.sees(fence(), first)
	if got := o.listed(bob); strings.Count(got, secret) != 3 { // the new version of an edit is shown to no one
		t.Errorf("the sender lists %s", got)
	}

	// All are denied.
	if activity = o.activity(); !strings.Contains(activity, "LastMessageTimestamp") {
		t.Errorf("the activity is %s", activity)
	}
	for _, e := range events {
		must[*msg.ChannelFlowCallbackOutput](t)(m.ChannelFlowCallback(&msg.ChannelFlowCallbackInput{
			CallbackId: &e.CallbackID, ChannelArn: &channel, DeleteResource: aws.Bool(true), ChannelMessage: &msg.ChannelMessageCallback{MessageId: &e.ChannelMessage.MessageID},
		}))
	}
	if got := o.activity(); got != activity {
		t.Errorf("what is denied is activity: %s\nbefore: %s", got, activity)
	}
	o.sees(fence(), first)
	if got := o.listed(bob); strings.Contains(got, secret) {
		t.Errorf("the sender lists %s", got)
	}

	// All of a flow whose processor is nowhere fails at once.
	takeAway()
	takeAway = flowOf(t, m, app, channel, alice, "nowhere")
	activity = o.activity()
	hide(" fails")
	if got := o.activity(); got != activity {
		t.Errorf("what has failed is activity: %s\nbefore: %s", got, activity)
	}
	o.sees(fence(), first)
	if got := o.listed(bob); strings.Count(got, secret) != 3 {
		t.Errorf("the sender lists %s", got)
	}
	takeAway()
	flowOf(t, m, app, channel, alice, "filter")
	activity = o.activity()

	// What passes is shown in each of these ways: they do look.
	send("passes", "STANDARD", "PERSISTENT")
	send("passes", "STANDARD", "PERSISTENT", &bot)
	for _, content := range []string{"has passed", "has passed to the bot"} {
		e := <-invoked
		must[*msg.ChannelFlowCallbackOutput](t)(m.ChannelFlowCallback(&msg.ChannelFlowCallbackInput{
			CallbackId: &e.CallbackID, ChannelArn: &channel, ChannelMessage: &msg.ChannelMessageCallback{
				MessageId: &e.ChannelMessage.MessageID, Content: &content, PushNotification: &msg.PushNotificationConfiguration{Title: &content, Body: aws.String("b"), Type: aws.String("DEFAULT")},
			},
		}))
	}
	o.unread = 1
	o.sees("has passed", first)
	o.asked("has passed", "has passed to the bot")
	if got := o.activity(); got == activity {
		t.Errorf("what has passed is no activity: %s", got)
	}
}

// sees looks in every way: each shows the fence, and the message from before the flow as it was, and nothing that is secret.
func (o *onlooker) sees(fence string, first *string) {
	o.t.Helper()
	m := o.n.messaging
	o.clean("a list", fence, o.listed(o.by))
	got := must[*msg.GetChannelMessageOutput](o.t)(m.GetChannelMessage(&msg.GetChannelMessageInput{ChannelArn: &o.channel, ChimeBearer: &o.by, MessageId: first}))
	if *got.ChannelMessage.Content != "before the flow" || got.ChannelMessage.LastEditedTimestamp != nil {
		o.t.Errorf("the message whose edit waits is %v", got)
	}
	for _, id := range o.waiting {
		if got, err := m.GetChannelMessage(&msg.GetChannelMessageInput{ChannelArn: &o.channel, ChimeBearer: &o.by, MessageId: id}); err == nil {
			o.t.Errorf("a get shows %v", got)
		}
		if got, err := m.GetChannelMessageStatus(&msg.GetChannelMessageStatusInput{ChannelArn: &o.channel, ChimeBearer: &o.by, MessageId: id}); err == nil {
			o.t.Errorf("the status is %v", got)
		}
	}
	o.clean("the export of the onlooker", fence, o.exported())

	// What comes by itself: each of these has the fence at some time, and what came before it.
	o.streamed(fence)
	o.clean("a webhook", fence, o.hook.until(o.t, fence))
	o.pushed(fence)
	o.connected(fence)
}

// clean checks that a text has the fence and nothing that is secret.
func (o *onlooker) clean(way, fence, text string) {
	o.t.Helper()
	if strings.Contains(text, secret) || !strings.Contains(text, fence) {
		o.t.Errorf("%s, at %s: %s", way, fence, text)
	}
}
