package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	msg "github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillon-chat/carillon/internal/lab"
)

// processorSecret signs what processors are sent in these tests.
const processorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// chatEvent is what a processor is invoked with, as AWS documents it.
type chatEvent struct {
	EventType      string
	CallbackID     string `json:"CallbackId"`
	ChannelMessage struct {
		MessageID  string `json:"MessageId"`
		ChannelARN string `json:"ChannelArn"`
		Content    string
	}
}

// processor serves a processor's HTTP endpoint. handle gets what it verified.
func processor(t *testing.T, secret string, handle func(w http.ResponseWriter, r *http.Request, e chatEvent)) (address string) {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e chatEvent
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		if err == nil {
			err = json.Unmarshal(body, &e)
		}
		if err != nil || e.EventType != "CHANNEL_MESSAGE_EVENT" {
			t.Errorf("a processor is invoked with %s: %v", body, err)
		}
		handle(w, r, e)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// flowOf gives the channel a flow of one function that aborts, until it is taken away.
func flowOf(t *testing.T, m *msg.ChimeSDKMessaging, app, channel, by, function string) (takeAway func()) {
	t.Helper()
	flow := must[*msg.CreateChannelFlowOutput](t)(m.CreateChannelFlow(&msg.CreateChannelFlowInput{
		AppInstanceArn: &app, Name: aws.String("f"), ClientRequestToken: aws.String("a-flow-of-" + function),
		Processors: []*msg.Processor{{
			Name: aws.String("p"), ExecutionOrder: aws.Int64(1), FallbackAction: aws.String("ABORT"),
			Configuration: &msg.ProcessorConfiguration{Lambda: &msg.LambdaConfiguration{
				InvocationType: aws.String("ASYNC"), ResourceArn: aws.String("arn:aws:lambda:us-east-1:000000000000:function:" + function),
			}},
		}},
	}))
	must[*msg.AssociateChannelFlowOutput](t)(m.AssociateChannelFlow(&msg.AssociateChannelFlowInput{ChannelArn: &channel, ChannelFlowArn: flow.ChannelFlowArn, ChimeBearer: &by}))
	return func() {
		must[*msg.DisassociateChannelFlowOutput](t)(m.DisassociateChannelFlow(&msg.DisassociateChannelFlowInput{ChannelArn: &channel, ChannelFlowArn: flow.ChannelFlowArn, ChimeBearer: &by}))
	}
}

// decide calls back as a processor that denies what says "deny" and masks what says "mask".
func decide(m *msg.ChimeSDKMessaging, e chatEvent) (*msg.ChannelFlowCallbackOutput, error) {
	in := &msg.ChannelFlowCallbackInput{
		CallbackId: &e.CallbackID, ChannelArn: &e.ChannelMessage.ChannelARN, DeleteResource: aws.Bool(strings.HasPrefix(e.ChannelMessage.Content, "deny")),
		ChannelMessage: &msg.ChannelMessageCallback{MessageId: &e.ChannelMessage.MessageID},
	}
	if strings.HasPrefix(e.ChannelMessage.Content, "mask") {
		in.ChannelMessage.Content = aws.String("****")
	}
	return m.ChannelFlowCallback(in)
}

// TestProcessorsDecide: AWS's client sends messages and answers for the processor, which also answers at once.
func TestProcessorsDecide(t *testing.T) {
	var m *msg.ChimeSDKMessaging
	address := processor(t, processorSecret, func(w http.ResponseWriter, r *http.Request, e chatEvent) {
		if strings.HasSuffix(e.ChannelMessage.Content, "at once") {
			answers := map[string]string{
				"pass": `{"ChannelMessage":{}}`, "mask": `{"ChannelMessage":{"MessageId":"` + e.ChannelMessage.MessageID + `","Content":"****"}}`, "deny": `{"DeleteResource":true}`,
			}
			_, _ = io.WriteString(w, answers[e.ChannelMessage.Content[:4]])
			return
		}
		for range 2 { // the second changes nothing
			if out, err := decide(m, e); err != nil || *out.CallbackId != e.CallbackID {
				t.Errorf("the callback: %v, %v", out, err)
			}
		}
		w.WriteHeader(http.StatusAccepted)
	})
	n := start(t, map[string]string{"functions": "arn:aws:lambda:*:function:filter " + address, "functions-secret": processorSecret})
	m = n.messaging
	app, channel := n.Seeded().AppInstanceARN, n.Seeded().ChannelARN
	alice, bob := n.connect(t, app+"/user/alice"), n.connect(t, app+"/user/bob")
	by := app + "/user/alice"
	flowOf(t, m, app, channel, by, "filter")
	send := func(content, persistence string) (id *string) {
		sent := must[*msg.SendChannelMessageOutput](t)(m.SendChannelMessage(&msg.SendChannelMessageInput{
			ChannelArn: &channel, ChimeBearer: &by, Content: &content, Type: aws.String("STANDARD"), Persistence: &persistence,
		}))
		if *sent.Status.Value != "PENDING" {
			t.Errorf("the reply to %s is %v", content, sent.Status)
		}
		return sent.MessageId
	}
	hear := func(verb, content, outcome string) {
		alice.expect("PENDING_" + verb + "_CHANNEL_MESSAGE STANDARD " + content)
		if outcome == "" {
			alice.expect("DENIED_" + verb + "_CHANNEL_MESSAGE STANDARD " + content)
			return
		}
		alice.expect(verb + "_CHANNEL_MESSAGE STANDARD " + outcome)
		bob.expect(verb + "_CHANNEL_MESSAGE STANDARD " + outcome) // and nothing in between
	}
	for _, persistence := range []string{"PERSISTENT", "NON_PERSISTENT"} {
		for _, how := range []string{"later", "at once"} {
			for what, outcome := range map[string]string{"pass": "pass " + how, "mask": "****", "deny": ""} {
				send(what+" "+how, persistence)
				hear("CREATE", what+" "+how, outcome)
			}
		}
	}

	// Edits of a message that passed.
	first := send("pass at first, at once", "PERSISTENT")
	hear("CREATE", "pass at first, at once", "pass at first, at once")
	for _, content := range []string{"deny later", "mask later", "pass later", "mask at once", "deny at once"} {
		edited := must[*msg.UpdateChannelMessageOutput](t)(m.UpdateChannelMessage(&msg.UpdateChannelMessageInput{
			ChannelArn: &channel, ChimeBearer: &by, Content: &content, MessageId: first,
		}))
		if *edited.Status.Value != "PENDING" {
			t.Errorf("the reply to the edit %s is %v", content, edited.Status)
		}
		hear("UPDATE", content, map[string]string{"pass": content, "mask": "****"}[content[:4]])
	}
	got := must[*msg.GetChannelMessageOutput](t)(m.GetChannelMessage(&msg.GetChannelMessageInput{ChannelArn: &channel, ChimeBearer: aws.String(app + "/user/bob"), MessageId: first}))
	if *got.ChannelMessage.Content != "****" {
		t.Errorf("after a denied edit the message is %v", got.ChannelMessage)
	}
}

// TestTheDemoProcessor needs no setting in dev mode.
func TestTheDemoProcessor(t *testing.T) {
	n := start(t, nil)
	app, channel := n.Seeded().AppInstanceARN, n.Seeded().ChannelARN
	by := app + "/user/alice"
	alice, bob := n.connect(t, by), n.connect(t, app+"/user/bob")
	flowOf(t, n.messaging, app, channel, by, "carillon-demo")
	for _, content := range []string{"buy spam", "darn it"} {
		must[*msg.SendChannelMessageOutput](t)(n.messaging.SendChannelMessage(&msg.SendChannelMessageInput{
			ChannelArn: &channel, ChimeBearer: &by, Content: &content, Type: aws.String("STANDARD"), Persistence: aws.String("PERSISTENT"),
		}))
	}
	bob.expect("CREATE_CHANNEL_MESSAGE STANDARD **** it")
	var got []string
	for range 4 {
		got = append(got, alice.next().Event())
	}
	for _, event := range []string{"PENDING_CREATE_CHANNEL_MESSAGE", "DENIED_CREATE_CHANNEL_MESSAGE", "CREATE_CHANNEL_MESSAGE"} {
		if !strings.Contains(fmt.Sprint(got), event) {
			t.Errorf("the sender got %v, without %s", got, event)
		}
	}
}

// TestKilledServerFinishesFlows kills the program after it acknowledged messages and before it invoked their
// processor, and again before that called back. Each message has its outcome, once.
func TestKilledServerFinishesFlows(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it builds the program and starts it four times")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()

	// The processor is away at first, and takes what it is handed later.
	var mu sync.Mutex
	away, asked := true, map[string]chatEvent{}
	invoked := make(chan chatEvent, 100)
	address := processor(t, processorSecret, func(w http.ResponseWriter, r *http.Request, e chatEvent) {
		mu.Lock()
		defer mu.Unlock()
		if before, again := asked[e.ChannelMessage.Content]; again && before.CallbackID != e.CallbackID {
			t.Errorf("%s is tried again under another CallbackId", e.ChannelMessage.Content)
		}
		asked[e.ChannelMessage.Content] = e
		invoked <- e
		if away {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	program, err := lab.Build(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	var node *lab.Process
	launch := func() *msg.ChimeSDKMessaging {
		t.Setenv("CARILLON_FUNCTIONS_SECRET", processorSecret)
		if node, err = lab.Launch(ctx, program, data, "--functions", "arn:aws:lambda:*:function:filter "+address); err != nil {
			t.Fatal(err)
		}
		keys := lab.DevKeys()
		return msg.New(session.Must(session.NewSession(&aws.Config{
			Endpoint: aws.String("http://" + node.Addr), Region: aws.String("us-east-1"), MaxRetries: aws.Int(0),
			Credentials: credentials.NewStaticCredentials(keys.AccessKeyID, keys.SecretAccessKey, ""),
		})))
	}
	m := launch()
	named := regexp.MustCompile(`App instance: (\S+)\n(?s:.*)Channel: +(\S+)\n`).FindStringSubmatch(node.Stdout.String())
	if named == nil {
		t.Fatal(node.Stdout.String())
	}
	app, channel := named[1], named[2]
	by := app + "/user/alice"
	flowOf(t, m, app, channel, by, "filter")
	const messages = 10
	for i := range messages {
		content := fmt.Sprint([]string{"pass ", "deny ", "mask "}[i%3], i)
		must[*msg.SendChannelMessageOutput](t)(m.SendChannelMessage(&msg.SendChannelMessageInput{
			ChannelArn: &channel, ChimeBearer: &by, Content: &content, Type: aws.String("STANDARD"), Persistence: aws.String("PERSISTENT"),
		}))
	}

	// Some were tried in vain by now, and none was taken.
	<-invoked
	kill := func() {
		if err := node.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	kill()
	mu.Lock()
	away, asked = false, map[string]chatEvent{}
	mu.Unlock()
	launch()
	for taken := 0; taken < messages; {
		<-invoked
		mu.Lock()
		taken = len(asked)
		mu.Unlock()
	}
	kill()
	m = launch()

	// Half call back before another kill, and all of them after it.
	mu.Lock()
	defer mu.Unlock()
	back := func(i int, e chatEvent) {
		if _, err := decide(m, e); err != nil {
			t.Errorf("callback %d: %v", i, err)
		}
	}
	i := 0
	for _, e := range asked {
		if i++; i <= messages/2 {
			back(i, e)
		}
	}
	kill()
	m = launch()
	defer kill()
	for _, e := range asked {
		back(0, e)
	}
	for _, user := range []string{"alice", "bob"} {
		const want = "pass 0 **** pass 3 **** pass 6 **** pass 9"
		listed := must[*msg.ListChannelMessagesOutput](t)(m.ListChannelMessages(&msg.ListChannelMessagesInput{
			ChannelArn: &channel, ChimeBearer: aws.String(app + "/user/" + user), SortOrder: aws.String("ASCENDING"),
		}))
		var contents []string
		for _, item := range listed.ChannelMessages {
			contents = append(contents, *item.Content)
			if *item.Status.Value != "SENT" {
				t.Errorf("%s lists %v", user, item)
			}
		}
		if got := strings.Join(contents, " "); got != want {
			t.Errorf("%s lists %s, want %s", user, got, want)
		}
	}
}
