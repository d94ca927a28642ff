//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

const emulator = "github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie"

// function is a Lambda function in an emulator of its own, and the channel whose flow it processes.
type function struct {
	name, address string
	channel       string
	sender, other *lab.Socket
}

// TestLambdaFunctions runs a function that is written with AWS's library in AWS's runtime interface emulator. The node
// invokes it as it invokes AWS Lambda, and it calls back with AWS's SDK and a key that may do nothing else.
func TestLambdaFunctions(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it builds the emulator, and waits for all tries of functions that fail")
	}
	bin := t.TempDir()
	compile := exec.Command("go", "build", "-o", bin, ".", emulator)
	compile.Dir = "lambda"
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	decides, crashes, fails, hangs := &function{name: "decides"}, &function{name: "crashes"}, &function{name: "fails"}, &function{name: "hangs"}
	functions := []*function{decides, crashes, fails, hangs}
	var routes []string
	for _, f := range functions {
		f.address = free(t)
		routes = append(routes, fmt.Sprintf("arn:aws:lambda:*:function:%s lambda+http://%s/2015-03-31/functions/function/invocations", f.name, f.address))
	}
	node := lab.Start(t, lab.Settings(t, config.Dev, map[string]string{
		"functions": strings.Join(routes, ","), "functions-access-key-id": "AKIAINVOKESFUNCTIONS", "functions-secret-access-key": "a-secret-of-the-test",
	}), app.Deps{})
	keys, err := node.Peer().MakeUser(t.Context(), "function",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:ChannelFlowCallback","Resource":"arn:aws:chime:*:*:app-instance/*"}}`)
	if err != nil {
		t.Fatal(err)
	}
	root := node.RootKeys()
	chime := chimesdkmessaging.New(session.Must(session.NewSession(&aws.Config{
		Endpoint: aws.String("http://" + node.Addr()), Region: &node.Config.Region, HTTPClient: node.HTTP,
		Credentials: credentials.NewStaticCredentials(root.AccessKeyID, root.SecretAccessKey, ""),
	})))
	for _, f := range functions {
		f.emulate(t, bin, "http://"+node.Addr(), keys)
		f.process(t, node, chime)
	}

	// All are busy at once: those that fail are tried for 20 seconds.
	decides.send(t, chime, node, "pass this", "mask this", "deny this", "pass that")
	crashes.send(t, chime, node, "crash once")
	fails.send(t, chime, node, "fail always")
	hangs.send(t, chime, node, "hang always")

	decides.hear(t, decides.sender, "PENDING_CREATE pass this", "CREATE pass this", "PENDING_CREATE mask this", "CREATE ****",
		"PENDING_CREATE deny this", "DENIED_CREATE deny this", "PENDING_CREATE pass that", "CREATE pass that")
	decides.hear(t, decides.other, "CREATE pass this", "CREATE ****", "CREATE pass that")
	decides.edit(t, chime, node, "pass that", "mask the edit")
	decides.hear(t, decides.sender, "PENDING_UPDATE mask the edit", "UPDATE ****")
	decides.hear(t, decides.other, "UPDATE ****")
	crashes.hear(t, crashes.sender, "PENDING_CREATE crash once", "CREATE crash once")
	fails.hear(t, fails.sender, "PENDING_CREATE fail always", "FAILED_CREATE fail always")
	hangs.hear(t, hangs.sender, "PENDING_CREATE hang always", "FAILED_CREATE hang always")

	// The emulator goes on after a function that hung.
	hangs.send(t, chime, node, "pass again")
	hangs.hear(t, hangs.other, "CREATE pass again")
}

// emulate runs the function in an emulator until the test ends.
func (f *function) emulate(t *testing.T, bin, chime string, keys sigv4.Credentials) {
	t.Helper()
	dir := t.TempDir()
	(&stage{dir: dir}).launch(t, syscall.SIGTERM, []string{
		"CHIME_ENDPOINT=" + chime, "CRASHED=" + dir, "AWS_LAMBDA_FUNCTION_NAME=" + f.name, "AWS_LAMBDA_FUNCTION_TIMEOUT=2",
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=" + keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + keys.SecretAccessKey, "AWS_SESSION_TOKEN=",
	}, filepath.Join(bin, "aws-lambda-rie"), "--runtime-interface-emulator-address", f.address, "--runtime-api-address", free(t), filepath.Join(bin, "lambda"))
	until(t, f.name+" is served", func() bool { return status(http.DefaultClient, "http://"+f.address+"/") == 404 })
}

// process makes a channel of alice and bob whose flow has the function, and opens their sockets.
func (f *function) process(t *testing.T, node *lab.Node, chime *chimesdkmessaging.ChimeSDKMessaging) {
	t.Helper()
	app := node.Seeded().AppInstanceARN
	alice, bob := app+"/user/alice", app+"/user/bob"
	channel, err := chime.CreateChannel(&chimesdkmessaging.CreateChannelInput{
		AppInstanceArn: &app, ChimeBearer: &alice, Name: &f.name, MemberArns: []*string{&bob}, ClientRequestToken: aws.String("channel-" + f.name)})
	if err != nil {
		t.Fatal(err)
	}
	f.channel = *channel.ChannelArn
	flow, err := chime.CreateChannelFlow(&chimesdkmessaging.CreateChannelFlowInput{
		AppInstanceArn: &app, Name: &f.name, ClientRequestToken: aws.String("flow-" + f.name), Processors: []*chimesdkmessaging.Processor{{
			Name: &f.name, ExecutionOrder: aws.Int64(1), FallbackAction: aws.String("ABORT"),
			Configuration: &chimesdkmessaging.ProcessorConfiguration{Lambda: &chimesdkmessaging.LambdaConfiguration{
				InvocationType: aws.String("ASYNC"), ResourceArn: aws.String("arn:aws:lambda:us-east-1:000000000000:function:" + f.name),
			}},
		}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = chime.AssociateChannelFlow(&chimesdkmessaging.AssociateChannelFlowInput{ChannelArn: &f.channel, ChannelFlowArn: flow.ChannelFlowArn, ChimeBearer: &alice})
	if err != nil {
		t.Fatal(err)
	}
	f.sender = lab.Opened(t)(node.Peer().Open(t.Context(), alice))
	f.other = lab.Opened(t)(node.Peer().Open(t.Context(), bob))
}

func (f *function) send(t *testing.T, chime *chimesdkmessaging.ChimeSDKMessaging, node *lab.Node, contents ...string) {
	t.Helper()
	for _, content := range contents {
		sent, err := chime.SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{
			ChannelArn: &f.channel, ChimeBearer: aws.String(node.Seeded().AppInstanceARN + "/user/alice"), Content: &content,
			Type: aws.String("STANDARD"), Persistence: aws.String("PERSISTENT"),
		})
		if err != nil || *sent.Status.Value != "PENDING" {
			t.Fatalf("%s: %v, %v", content, sent, err)
		}
	}
}

// edit edits the message with a content.
func (f *function) edit(t *testing.T, chime *chimesdkmessaging.ChimeSDKMessaging, node *lab.Node, before, after string) {
	t.Helper()
	alice := node.Seeded().AppInstanceARN + "/user/alice"
	listed, err := chime.ListChannelMessages(&chimesdkmessaging.ListChannelMessagesInput{ChannelArn: &f.channel, ChimeBearer: &alice})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(listed.ChannelMessages, func(m *chimesdkmessaging.ChannelMessageSummary) bool { return *m.Content == before })
	if at < 0 {
		t.Fatalf("%v has no %s", listed, before)
	}
	_, err = chime.UpdateChannelMessage(&chimesdkmessaging.UpdateChannelMessageInput{
		ChannelArn: &f.channel, ChimeBearer: &alice, MessageId: listed.ChannelMessages[at].MessageId, Content: &after})
	if err != nil {
		t.Fatal(err)
	}
}

// hear reads a socket until it has what is wanted of the function's channel, and compares. Sends and outcomes of different
// messages are in no order: what is compared is sorted.
func (f *function) hear(t *testing.T, socket *lab.Socket, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var got []string
	for len(got) < len(want) {
		frame, err := socket.Until(ctx, func(event lab.Frame) bool {
			return event.Field("ChannelArn") == f.channel && strings.HasSuffix(event.Event(), "_CHANNEL_MESSAGE")
		})
		if err != nil {
			t.Fatalf("%s: after %q: %v", f.name, got, err)
		}
		var message struct{ Content string }
		if err := json.Unmarshal([]byte(frame.Payload), &message); err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.TrimSuffix(frame.Event(), "_CHANNEL_MESSAGE")+" "+message.Content)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: events\n%q, want\n%q", f.name, got, want)
	}
}
