package app_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// person is one in the app instance of dev mode, all of whose texts are random.
type person struct {
	t *testing.T
	node
	identity  *chimesdkidentity.ChimeSDKIdentity
	messaging *chimesdkmessaging.ChimeSDKMessaging
	secrets   []string
	forgotten int    // secrets that are gone before, or were not sent
	kept      string // of bob

	id, arn, bob string
	channels     []string
}

// begin starts a node.
func (p *person) begin(cfg config.Config) node {
	p.t.Helper()
	running, err := lab.Run(p.t.Context(), cfg, app.Deps{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.node = node{running}
	session := p.session(p.t, "http", p.RootKeys())
	p.identity, p.messaging = chimesdkidentity.New(session), chimesdkmessaging.New(session)
	return p.node
}

// secret is a text that no compression hides, and that the search looks for.
func (p *person) secret() *string {
	text := rand.Text()
	p.secrets = append(p.secrets, text)
	return &text
}

func (p *person) channel(id string) *string {
	return aws.String(p.Seeded().AppInstanceARN + "/channel/" + id)
}

func done[T any](p *person) func(T, error) T {
	return func(got T, err error) T {
		p.t.Helper()
		if err != nil {
			p.t.Fatal(err)
		}
		return got
	}
}

// arrive makes the user, with all that a user has.
func (p *person) arrive() {
	p.t.Helper()
	appARN := aws.String(p.Seeded().AppInstanceARN)
	p.id = strings.ToLower(*p.secret())
	p.secrets[len(p.secrets)-1] = p.id
	p.kept, p.forgotten = rand.Text(), 2 // the first name and metadata
	p.arn, p.bob = *appARN+"/user/"+p.id, p.Seeded().UserARNs[1]
	done[*chimesdkidentity.CreateAppInstanceUserOutput](p)(p.identity.CreateAppInstanceUser(&chimesdkidentity.CreateAppInstanceUserInput{
		AppInstanceArn: appARN, AppInstanceUserId: &p.id, Name: p.secret(), Metadata: p.secret(), ClientRequestToken: aws.String(uuid.NewString()),
		Tags: []*chimesdkidentity.Tag{{Key: p.secret(), Value: p.secret()}},
	}))
	done[*chimesdkidentity.UpdateAppInstanceUserOutput](p)(p.identity.UpdateAppInstanceUser(&chimesdkidentity.UpdateAppInstanceUserInput{
		AppInstanceUserArn: &p.arn, Name: p.secret(), Metadata: p.secret(),
	}))
	done[*chimesdkidentity.CreateAppInstanceAdminOutput](p)(p.identity.CreateAppInstanceAdmin(&chimesdkidentity.CreateAppInstanceAdminInput{
		AppInstanceArn: appARN, AppInstanceAdminArn: &p.arn,
	}))
	done[*chimesdkidentity.RegisterAppInstanceUserEndpointOutput](p)(p.identity.RegisterAppInstanceUserEndpoint(&chimesdkidentity.RegisterAppInstanceUserEndpointInput{
		AppInstanceUserArn: &p.arn, Name: p.secret(), Type: aws.String("APNS"), ResourceArn: aws.String("arn:aws:mobiletargeting:us-east-1:000000000000:apps/x"),
		EndpointAttributes: &chimesdkidentity.EndpointAttributes{DeviceToken: p.secret()}, ClientRequestToken: aws.String(uuid.NewString()),
	}))
}

// open makes a channel with the person and bob.
func (p *person) open(id string, change func(*chimesdkmessaging.CreateChannelInput)) {
	p.t.Helper()
	in := &chimesdkmessaging.CreateChannelInput{
		AppInstanceArn: aws.String(p.Seeded().AppInstanceARN), ChannelId: &id, Name: &id, ChimeBearer: &p.arn, ClientRequestToken: aws.String(uuid.NewString()),
	}
	if change != nil {
		change(in)
	}
	done[*chimesdkmessaging.CreateChannelOutput](p)(p.messaging.CreateChannel(in))
	p.channels = append(p.channels, id)
	done[*chimesdkmessaging.CreateChannelMembershipOutput](p)(p.messaging.CreateChannelMembership(&chimesdkmessaging.CreateChannelMembershipInput{
		ChannelArn: p.channel(id), MemberArn: &p.bob, Type: aws.String("DEFAULT"), ChimeBearer: &p.arn,
	}))
	if id == "elastic" { // of which a moderator is in the sub-channels that it chooses
		done[*chimesdkmessaging.CreateChannelMembershipOutput](p)(p.messaging.CreateChannelMembership(&chimesdkmessaging.CreateChannelMembershipInput{
			ChannelArn: p.channel(id), MemberArn: &p.arn, Type: aws.String("DEFAULT"), ChimeBearer: &p.arn, SubChannelId: p.room(id),
		}))
	}
}

// room is the sub-channel of an elastic channel.
func (p *person) room(id string) *string {
	p.t.Helper()
	if id != "elastic" {
		return nil
	}
	list := done[*chimesdkmessaging.ListSubChannelsOutput](p)(p.messaging.ListSubChannels(&chimesdkmessaging.ListSubChannelsInput{ChannelArn: p.channel(id), ChimeBearer: &p.arn}))
	return list.SubChannels[0].SubChannelId
}

// say sends a message of the person, every part of which is a secret.
func (p *person) say(id string, change func(*chimesdkmessaging.SendChannelMessageInput)) *string {
	p.t.Helper()
	in := &chimesdkmessaging.SendChannelMessageInput{
		ChannelArn: p.channel(id), ChimeBearer: &p.arn, Content: p.secret(), Metadata: p.secret(), Type: aws.String("STANDARD"), Persistence: aws.String("PERSISTENT"),
		ContentType: aws.String("text/" + *p.secret()), SubChannelId: p.room(id), ClientRequestToken: aws.String(uuid.NewString()),
		MessageAttributes: map[string]*chimesdkmessaging.MessageAttributeValue{*p.secret(): {StringValues: []*string{p.secret()}}},
	}
	if change != nil {
		change(in)
	}
	return done[*chimesdkmessaging.SendChannelMessageOutput](p)(p.messaging.SendChannelMessage(in)).MessageId
}

// live has the person say things in channels of all kinds.
func (p *person) live(lambda string) {
	p.t.Helper()
	p.open("plain", nil)
	p.open("elastic", func(in *chimesdkmessaging.CreateChannelInput) {
		in.ElasticChannelConfiguration = &chimesdkmessaging.ElasticChannelConfiguration{
			MaximumSubChannels: aws.Int64(3), TargetMembershipsPerSubChannel: aws.Int64(3), MinimumMembershipPercentage: aws.Int64(40),
		}
	})
	p.open("flow", nil)
	p.open("left", nil)

	flow := done[*chimesdkmessaging.CreateChannelFlowOutput](p)(p.messaging.CreateChannelFlow(&chimesdkmessaging.CreateChannelFlowInput{
		AppInstanceArn: aws.String(p.Seeded().AppInstanceARN), Name: aws.String("f"), ClientRequestToken: aws.String(uuid.NewString()), Processors: []*chimesdkmessaging.Processor{{
			Name: aws.String("p"), ExecutionOrder: aws.Int64(1), FallbackAction: aws.String("CONTINUE"),
			Configuration: &chimesdkmessaging.ProcessorConfiguration{Lambda: &chimesdkmessaging.LambdaConfiguration{InvocationType: aws.String("ASYNC"), ResourceArn: &lambda}},
		}},
	})).ChannelFlowArn
	passed := p.say("flow", nil)
	done[*chimesdkmessaging.AssociateChannelFlowOutput](p)(p.messaging.AssociateChannelFlow(&chimesdkmessaging.AssociateChannelFlowInput{
		ChannelArn: p.channel("flow"), ChannelFlowArn: flow, ChimeBearer: &p.arn,
	}))

	// A new message and an edit that wait, messages that are targeted, edited, redacted, not persistent, and in a
	// channel that it left.
	p.say("flow", nil)
	for _, at := range []struct {
		channel string
		id      *string
	}{{"flow", passed}, {"plain", p.say("plain", nil)}} {
		done[*chimesdkmessaging.UpdateChannelMessageOutput](p)(p.messaging.UpdateChannelMessage(&chimesdkmessaging.UpdateChannelMessageInput{
			ChannelArn: p.channel(at.channel), MessageId: at.id, Content: p.secret(), Metadata: p.secret(), ChimeBearer: &p.arn,
		}))
	}
	p.say("plain", func(in *chimesdkmessaging.SendChannelMessageInput) {
		in.Target = []*chimesdkmessaging.Target{{MemberArn: &p.bob}}
	})
	p.say("plain", func(in *chimesdkmessaging.SendChannelMessageInput) {
		in.Persistence, in.MessageAttributes = aws.String("NON_PERSISTENT"), nil
	})
	redacted := p.say("plain", nil)
	p.forgotten += 2 + 5 + 4 // what the edit in the plain channel replaced, and these two messages, but for a type
	done[*chimesdkmessaging.RedactChannelMessageOutput](p)(p.messaging.RedactChannelMessage(&chimesdkmessaging.RedactChannelMessageInput{ChannelArn: p.channel("plain"), MessageId: redacted, ChimeBearer: &p.arn}))
	p.say("elastic", nil)
	p.say("left", nil)
	done[*chimesdkmessaging.DeleteChannelMembershipOutput](p)(p.messaging.DeleteChannelMembership(&chimesdkmessaging.DeleteChannelMembershipInput{ChannelArn: p.channel("left"), MemberArn: &p.arn, ChimeBearer: &p.arn}))

	// What bob says of it where it never was, and to it.
	done[*chimesdkmessaging.CreateChannelOutput](p)(p.messaging.CreateChannel(&chimesdkmessaging.CreateChannelInput{
		AppInstanceArn: aws.String(p.Seeded().AppInstanceARN), ChannelId: aws.String("talk"), Name: aws.String("talk"), ChimeBearer: &p.bob, ClientRequestToken: aws.String(uuid.NewString()),
	}))
	p.channels = append(p.channels, "talk")
	p.mention("talk", "about it")
	p.mention("plain", p.kept)
}

// mention has bob say something with the ARN of the person.
func (p *person) mention(channel, content string) {
	p.t.Helper()
	done[*chimesdkmessaging.SendChannelMessageOutput](p)(p.messaging.SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{
		ChannelArn: p.channel(channel), ChimeBearer: &p.bob, Content: &content, Type: aws.String("STANDARD"), Persistence: aws.String("PERSISTENT"), ClientRequestToken: aws.String(uuid.NewString()),
		MessageAttributes: map[string]*chimesdkmessaging.MessageAttributeValue{"CHIME.mentions": {StringValues: []*string{&p.arn}}},
	}))
}

// holding names the files under folders that have one of the texts, in compressed files as well.
func holding(t *testing.T, secrets []string, folders ...string) (found []string) {
	t.Helper()
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if err == nil && strings.HasSuffix(path, ".gz") {
				var zip *gzip.Reader
				if zip, err = gzip.NewReader(bytes.NewReader(content)); err == nil {
					content, err = io.ReadAll(zip)
				}
			}
			for i, secret := range secrets {
				if bytes.Contains(content, []byte(secret)) {
					found = append(found, fmt.Sprintf("%s has secret %d of %d", filepath.Base(path), i, len(secrets)))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// pages are all that the lists of the API answer about the channels.
func (p *person) pages() string {
	p.t.Helper()
	var all strings.Builder
	get := func(target string) {
		p.t.Helper()
		answer, err := p.Peer().Send(p.t.Context(), http.MethodGet, target, p.bob, nil)
		if err != nil || answer.Status != http.StatusOK {
			p.t.Fatalf("%s: %d %s %v", target, answer.Status, answer.Body, err)
		}
		fmt.Fprintf(&all, "%s %s\n", target, answer.Body)
	}
	appARN := lab.Escape(p.Seeded().AppInstanceARN)
	get("/app-instance-users?app-instance-arn=" + appARN)
	get("/app-instances/" + appARN + "/admins")
	get("/channels?app-instance-arn=" + appARN)
	get("/channels?scope=app-instance-user-memberships")
	get("/carillon/app-instances/" + appARN + "/erasures")
	for _, id := range p.channels {
		channel := "/channels/" + lab.Escape(*p.channel(id))
		get(channel)
		sub := ""
		if id == "elastic" {
			sub = "?sub-channel-id=" + p.roomOfBob()
		}
		get(channel + "/memberships" + sub)
		get(channel + "/messages" + sub)
	}
	return all.String()
}

// details are what bob is told of all channels when it connects.
func (p *person) details() (all string) {
	p.t.Helper()
	socket := p.connect(p.t, "http", p.RootKeys(), p.bob, "prefetch-on", "connect")
	defer func() { _ = socket.CloseNow() }()
	for told := 0; told < len(p.channels)+1; { // and that of dev mode
		frame := read(p.t, socket)
		if all += frame.Payload; frame.Event() == "CHANNEL_DETAILS" {
			told++
		}
	}
	return all
}

// roomOfBob is the sub-channel that bob is in.
func (p *person) roomOfBob() string {
	p.t.Helper()
	list := done[*chimesdkmessaging.ListChannelMembershipsForAppInstanceUserOutput](p)(p.messaging.ListChannelMembershipsForAppInstanceUser(
		&chimesdkmessaging.ListChannelMembershipsForAppInstanceUserInput{AppInstanceUserArn: &p.bob, ChimeBearer: &p.bob}))
	for _, m := range list.ChannelMemberships {
		if sub := m.AppInstanceUserMembershipSummary.SubChannelId; sub != nil {
			return *sub
		}
	}
	p.t.Fatal("bob is in no sub-channel")
	return ""
}

// TestAnErasedPersonIsNowhere has a person say things in all ways, exports and erases it, and searches the data
// folder, the files of the sink, a socket that comes back and every page for its texts, names and id.
func TestAnErasedPersonIsNowhere(t *testing.T) {
	for _, mode := range []string{"REDACT", "DELETE"} {
		t.Run(mode, func(t *testing.T) {
			processor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted) })) // and never calls back
			defer processor.Close()
			folder, streams := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "streams")
			cfg := lab.Settings(t, config.Dev, map[string]string{
				"data": folder, "streams": "all * file:" + streams + " size=1MiB", "functions": "* " + processor.URL,
				"functions-secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
			})
			p := &person{t: t}
			n := p.begin(cfg)
			n.stream(t, map[string]string{"ChannelMessage": "all", "Channel": "all"})
			p.arrive()
			p.live("arn:aws:lambda:us-east-1:000000000000:function:waits")
			if err := n.Stop(); err != nil { // so that it is in tables
				t.Fatal(err)
			}
			n = p.begin(cfg)
			defer func() { _ = n.Stop() }()
			before := n.connect(t, "http", n.RootKeys(), p.bob, "resume-from", "")
			token := read(t, before).Field("ResumeToken")
			p.say("plain", nil) // bob misses what follows
			if details := p.details(); !strings.Contains(details, p.kept) {
				t.Errorf("bob is told %s", details)
			}

			// It takes a permission of its own.
			keys, err := n.Peer().MakeUser(t.Context(), "desk", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:*","Resource":"*"}}`)
			if err != nil {
				t.Fatal(err)
			}
			for method, target := range map[string]string{http.MethodGet: "/export", http.MethodPost: "/erasures"} {
				answer, err := n.Peer().As(keys).Send(t.Context(), method, "/carillon/app-instance-users/"+lab.Escape(p.arn)+target, "", []byte(`{"Messages":"DELETE"}`))
				if err != nil || answer.Status != http.StatusForbidden {
					t.Errorf("%s without permission: %d %s %v", target, answer.Status, answer.Body, err)
				}
			}

			// All of it is in the export but for what was redacted or not kept.
			user := "/carillon/app-instance-users/" + lab.Escape(p.arn)
			var export struct {
				Lines     []string
				NextToken string
			}
			if err := n.Peer().Call(t.Context(), http.MethodGet, user+"/export", "", nil, &export); err != nil {
				t.Fatal(err)
			}
			text, missing := strings.Join(export.Lines, "\n"), 0
			for _, secret := range p.secrets {
				if !strings.Contains(text, secret) {
					missing++
				}
			}
			if missing != p.forgotten || export.NextToken != "" {
				t.Errorf("%d of %d secrets are not in the export, and %q follows: %s", missing, len(p.secrets), export.NextToken, text)
			}
			if found := holding(t, p.secrets, folder, streams); len(found) < len(p.secrets) {
				t.Fatalf("the search proves little: %d of %d secrets: %q", len(found), len(p.secrets), found)
			}

			var begun struct{ AppInstanceArn, ErasureId string }
			if err := n.Peer().Call(t.Context(), http.MethodPost, user+"/erasures", "", map[string]string{"Messages": mode}, &begun); err != nil {
				t.Fatal(err)
			}
			p.details() // which may be kept for the next
			var shown struct {
				Erasure struct{ Status, ErasedAs string }
			}
			for shown.Erasure.Status != "COMPLETED" {
				if err := n.Peer().Call(t.Context(), http.MethodGet, "/carillon/app-instances/"+lab.Escape(begun.AppInstanceArn)+"/erasures/"+begun.ErasureId, "", nil, &shown); err != nil {
					t.Fatal(err)
				}
			}
			all := p.pages() + p.details()
			if !strings.Contains(all, p.kept) || !strings.Contains(all, shown.Erasure.ErasedAs) {
				t.Errorf("the pages lack what stays: %s", all)
			}
			back := n.connect(t, "http", n.RootKeys(), p.bob, "resume-from", token)
			for event := ""; event != "SESSION_RESUMED"; {
				frame := read(t, back)
				event = frame.Event()
				if all += frame.Payload; event == "SESSION_NOT_RESUMED" {
					t.Fatal(frame.Payload)
				}
			}
			for i, secret := range p.secrets {
				if strings.Contains(all, secret) {
					t.Errorf("secret %d is shown", i)
				}
			}

			// The engine removes files in the background, and has removed them when it is closed.
			if err := n.Stop(); err != nil {
				t.Fatal(err)
			}
			for _, found := range holding(t, p.secrets, folder, streams) {
				t.Error(found)
			}
			if len(holding(t, []string{p.kept}, folder)) == 0 {
				t.Error("what bob said is in no file: the search proves nothing")
			}
		})
	}
}
