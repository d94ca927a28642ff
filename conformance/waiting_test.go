package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	msg "github.com/aws/aws-sdk-go/service/chimesdkmessaging"

	"github.com/carillon-chat/carillon/internal/lab"
)

// secret is in all that waits or is denied in these tests.
const secret = "secret"

// onlooker is an admin and moderator of a channel, in which another member's messages wait for a processor.
type onlooker struct {
	t           *testing.T
	n           *node
	channel, by string
	before      string // resume token of a socket that was there before the messages
	live        socket
	folder      string // of a file sink
	fences      int
	waiting     []*string // ids of what waits, and is denied later
}

// TestWhatWaitsIsShownToNoOther looks at a channel in every way that an admin has, while messages and an edit wait for a
// processor, and after they were denied.
func TestWhatWaitsIsShownToNoOther(t *testing.T) {
	invoked := make(chan chatEvent, 10)
	address := processor(t, processorSecret, func(w http.ResponseWriter, _ *http.Request, e chatEvent) {
		w.WriteHeader(http.StatusAccepted)
		invoked <- e
	})
	folder := filepath.Join(t.TempDir(), "streams")
	n := start(t, map[string]string{
		"functions": "arn:aws:lambda:*:function:filter " + address, "functions-secret": processorSecret, "streams": "all * file:" + folder,
	})
	m, app, channel := n.messaging, n.Seeded().AppInstanceARN, n.Seeded().ChannelARN
	alice, bob := app+"/user/alice", app+"/user/bob"
	must[*chimesdkidentity.CreateAppInstanceAdminOutput](t)(n.identity.CreateAppInstanceAdmin(&chimesdkidentity.CreateAppInstanceAdminInput{AppInstanceArn: &app, AppInstanceAdminArn: &alice}))
	must[*msg.PutMessagingStreamingConfigurationsOutput](t)(m.PutMessagingStreamingConfigurations(&msg.PutMessagingStreamingConfigurationsInput{
		AppInstanceArn: &app, StreamingConfigurations: []*msg.StreamingConfiguration{{
			DataType: aws.String("ChannelMessage"), ResourceArn: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-all"),
		}},
	}))
	send := func(content, kind, persistence string, target ...*string) *string {
		in := &msg.SendChannelMessageInput{ChannelArn: &channel, ChimeBearer: &bob, Content: &content, Type: &kind, Persistence: &persistence}
		for _, member := range target {
			in.Target = append(in.Target, &msg.Target{MemberArn: member})
		}
		return must[*msg.SendChannelMessageOutput](t)(m.SendChannelMessage(in)).MessageId
	}
	first := send("before the flow", "STANDARD", "PERSISTENT")
	o := &onlooker{t: t, n: n, channel: channel, by: alice, folder: folder}
	s := resuming(t, n.Peer(), alice, "")
	o.before = s.token("SESSION_ESTABLISHED")
	_ = s.CloseNow()
	o.live = n.connect(t, alice)
	flowOf(t, m, app, channel, alice, "filter")

	o.waiting = []*string{send(secret+" new", "STANDARD", "PERSISTENT"), send(secret+" live", "STANDARD", "NON_PERSISTENT"), send(secret+" for alice", "STANDARD", "PERSISTENT", &alice)}
	must[*msg.UpdateChannelMessageOutput](t)(m.UpdateChannelMessage(&msg.UpdateChannelMessageInput{ChannelArn: &channel, ChimeBearer: &bob, MessageId: first, Content: aws.String(secret + " edit")}))
	fence := func() string {
		o.fences++
		content := fmt.Sprint("fence ", o.fences)
		send(content, "CONTROL", "PERSISTENT") // passes no flow
		return content
	}
	var events []chatEvent
	for range 4 {
		events = append(events, <-invoked)
	}
	o.sees(fence(), first)
	if got := o.listed(bob); strings.Count(got, secret) != 2 { // the new version of an edit is shown to no one
		t.Errorf("the sender lists %s", got)
	}
	for _, e := range events {
		must[*msg.ChannelFlowCallbackOutput](t)(m.ChannelFlowCallback(&msg.ChannelFlowCallbackInput{
			CallbackId: &e.CallbackID, ChannelArn: &channel, DeleteResource: aws.Bool(true), ChannelMessage: &msg.ChannelMessageCallback{MessageId: &e.ChannelMessage.MessageID},
		}))
	}
	o.sees(fence(), first)
	if got := o.listed(bob); strings.Contains(got, secret) {
		t.Errorf("the sender lists %s", got)
	}

	// What passes is shown in each of these ways: they do look.
	send("passes", "STANDARD", "PERSISTENT")
	e := <-invoked
	must[*msg.ChannelFlowCallbackOutput](t)(m.ChannelFlowCallback(&msg.ChannelFlowCallbackInput{
		CallbackId: &e.CallbackID, ChannelArn: &channel, ChannelMessage: &msg.ChannelMessageCallback{MessageId: &e.ChannelMessage.MessageID, Content: aws.String("has passed")},
	}))
	o.sees("has passed", first)
}

// sees looks in every way: each shows the fence, and the message from before the flow as it was, and nothing that is secret.
func (o *onlooker) sees(fence string, first *string) {
	o.t.Helper()
	clean := func(way, text string) {
		o.t.Helper()
		if strings.Contains(text, secret) || !strings.Contains(text, fence) {
			o.t.Errorf("%s, at %s: %s", way, fence, text)
		}
	}
	m := o.n.messaging
	clean("a list", o.listed(o.by))
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
	o.streamed(fence)

	// Sockets: one that was open all the time, one that comes now, one that resumes.
	clean("an open socket", o.heard(o.live, fence))
	for _, sort := range []string{"unread", "lastmessagetimestamp"} {
		s := socket{o.t, lab.Opened(o.t)(o.n.Peer().Connect(o.t.Context(), o.by, "prefetch-on", "connect", "prefetch-sort-by", sort))}
		clean("prefetch", o.heard(s, fence))
		_ = s.CloseNow()
	}
	s := resuming(o.t, o.n.Peer(), o.by, o.before, "prefetch-on", "connect")
	clean("a resumed socket", o.heard(s, fence)+o.heard(s, "CHANNEL_DETAILS"))
	_ = s.CloseNow()
}

// listed is what a user lists, as text.
func (o *onlooker) listed(by string) string {
	o.t.Helper()
	listed := must[*msg.ListChannelMessagesOutput](o.t)(o.n.messaging.ListChannelMessages(&msg.ListChannelMessagesInput{ChannelArn: &o.channel, ChimeBearer: &by}))
	text, err := json.Marshal(listed.ChannelMessages)
	if err != nil {
		o.t.Fatal(err)
	}
	return string(text)
}

// heard is all that a socket is told until a text comes.
func (o *onlooker) heard(s socket, until string) (all string) {
	o.t.Helper()
	for {
		f := s.next()
		all += f.Event() + " " + f.Payload + "\n"
		if strings.Contains(f.Event()+f.Payload, until) {
			return all
		}
	}
}

// streamed waits until the sink has the fence: there is nothing that is secret before it.
func (o *onlooker) streamed(fence string) {
	o.t.Helper()
	file := filepath.Join(o.folder, "events.jsonl")
	await(o.t, "the sink has "+fence, func(int64) bool {
		text, err := os.ReadFile(file)
		if err != nil {
			o.t.Fatal(err)
		}
		if strings.Contains(string(text), secret) {
			o.t.Fatalf("the sink has %s", text)
		}
		return strings.Contains(string(text), fence)
	}, 0)
}
