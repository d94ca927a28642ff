package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	msg "github.com/aws/aws-sdk-go/service/chimesdkmessaging"

	"github.com/carillon-chat/carillon/internal/lab"
)

// onlooker is an admin and moderator of a channel, in which another member's messages wait for a processor. It has a device, and
// there are a bot, a sink and a webhook.
type onlooker struct {
	t                *testing.T
	n                *node
	app, channel, by string
	before           string // resume token of a socket that was there before the messages
	live             socket
	folder           string // of a file sink
	hook, phone, bot *mailbox
	unread           int
	waiting          []*string // ids of what waits, is denied or fails
}

// newOnlooker starts a node with a processor.
func newOnlooker(t *testing.T, function string) *onlooker {
	t.Helper()
	o := &onlooker{t: t, folder: filepath.Join(t.TempDir(), "streams"), hook: newMailbox(t, ""), phone: newMailbox(t, ""), bot: newMailbox(t, `{"messages":[]}`)}
	o.n = start(t, map[string]string{
		"functions": function, "functions-secret": processorSecret, "streams": "all * file:" + o.folder, "push": applePush(t, o.phone.URL),
		"bots": "arn:aws:lex:*:bot-alias/LISTENER00/* " + o.bot.URL, "bots-secret": processorSecret, "extras": "unread",
	})
	o.app, o.channel = o.n.Seeded().AppInstanceARN, o.n.Seeded().ChannelARN
	o.by = o.app + "/user/alice"
	must[*chimesdkidentity.CreateAppInstanceAdminOutput](t)(o.n.identity.CreateAppInstanceAdmin(&chimesdkidentity.CreateAppInstanceAdminInput{AppInstanceArn: &o.app, AppInstanceAdminArn: &o.by}))
	must[*msg.PutMessagingStreamingConfigurationsOutput](t)(o.n.messaging.PutMessagingStreamingConfigurations(&msg.PutMessagingStreamingConfigurationsInput{
		AppInstanceArn: &o.app, StreamingConfigurations: []*msg.StreamingConfiguration{{
			DataType: aws.String("ChannelMessage"), ResourceArn: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-all"),
		}},
	}))
	must[*chimesdkidentity.RegisterAppInstanceUserEndpointOutput](t)(o.n.identity.RegisterAppInstanceUserEndpoint(&chimesdkidentity.RegisterAppInstanceUserEndpointInput{
		AppInstanceUserArn: &o.by, Type: aws.String("APNS"), ResourceArn: aws.String(pinpointApp), ClientRequestToken: aws.String("phone"),
		EndpointAttributes: &chimesdkidentity.EndpointAttributes{DeviceToken: aws.String("0123abcd")},
	}))
	err := o.n.Peer().Call(t.Context(), http.MethodPost, "/carillon/app-instances/"+lab.Escape(o.app)+"/webhooks", "", map[string]string{"Name": "all", "Url": o.hook.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// pinpointApp is the application of devices in these tests.
const pinpointApp = "arn:aws:mobiletargeting:us-east-1:000000000000:apps/chat"

// applePush is the setting push for a server that stands in for Apple's.
func applePush(t *testing.T, endpoint string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "key.p8")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return "ios *:apps/chat apns:com.example.chat key-id=ABC123DEFG team-id=DEF123GHIJ key-file=" + name + " endpoint=" + endpoint
}

// invite makes a bot that answers all messages a member of the channel.
func (o *onlooker) invite() (arn string) {
	o.t.Helper()
	arn = *must[*chimesdkidentity.CreateAppInstanceBotOutput](o.t)(o.n.identity.CreateAppInstanceBot(&chimesdkidentity.CreateAppInstanceBotInput{
		AppInstanceArn: &o.app, Name: aws.String("Listener"), ClientRequestToken: aws.String("listener"), Configuration: &chimesdkidentity.Configuration{Lex: &chimesdkidentity.LexConfiguration{
			LexBotAliasArn: aws.String("arn:aws:lex:us-east-1:000000000000:bot-alias/LISTENER00/ALIASALIAS"), LocaleId: aws.String("en_US"),
			InvokedBy: &chimesdkidentity.InvokedBy{StandardMessages: aws.String("ALL"), TargetedMessages: aws.String("ALL")},
		}},
	})).AppInstanceBotArn
	must[*msg.CreateChannelMembershipOutput](o.t)(o.n.messaging.CreateChannelMembership(&msg.CreateChannelMembershipInput{
		ChannelArn: &o.channel, ChimeBearer: &o.by, MemberArn: &arn, Type: aws.String("DEFAULT"),
	}))
	return arn
}

// open opens the sockets that were there before the messages, when the onlooker has read all.
func (o *onlooker) open() {
	o.t.Helper()
	must[*msg.UpdateChannelReadMarkerOutput](o.t)(o.n.messaging.UpdateChannelReadMarker(&msg.UpdateChannelReadMarkerInput{ChannelArn: &o.channel, ChimeBearer: &o.by}))
	s := resuming(o.t, o.n.Peer(), o.by, "")
	o.before = s.token("SESSION_ESTABLISHED")
	_ = s.CloseNow()
	o.live = o.n.connect(o.t, o.by, "extras", "unread")
}

// activity is what the lists of channels say, as text.
func (o *onlooker) activity() string {
	o.t.Helper()
	m := o.n.messaging
	text, err := json.Marshal([]any{
		must[*msg.SearchChannelsOutput](o.t)(m.SearchChannels(&msg.SearchChannelsInput{ChimeBearer: &o.by, Fields: []*msg.SearchField{{
			Key: aws.String("MEMBERS"), Operator: aws.String("INCLUDES"), Values: []*string{&o.by},
		}}})).Channels,
		must[*msg.ListChannelsOutput](o.t)(m.ListChannels(&msg.ListChannelsInput{AppInstanceArn: &o.app, ChimeBearer: &o.by})).Channels,
		must[*msg.DescribeChannelOutput](o.t)(m.DescribeChannel(&msg.DescribeChannelInput{ChannelArn: &o.channel, ChimeBearer: &o.by})).Channel,
		must[*msg.ListChannelMembershipsForAppInstanceUserOutput](o.t)(m.ListChannelMembershipsForAppInstanceUser(&msg.ListChannelMembershipsForAppInstanceUserInput{ChimeBearer: &o.by})).ChannelMemberships,
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return string(text)
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

// exported is the export of the onlooker's data.
func (o *onlooker) exported() (all string) {
	o.t.Helper()
	for next := ""; ; {
		var page struct {
			Lines     []string
			NextToken string
		}
		if err := o.n.Peer().Call(o.t.Context(), http.MethodGet, "/carillon/app-instance-users/"+lab.Escape(o.by)+"/export"+next, "", nil, &page); err != nil {
			o.t.Fatal(err)
		}
		all += strings.Join(page.Lines, "\n")
		if page.NextToken == "" {
			return all
		}
		next = "?next-token=" + page.NextToken
	}
}

// connected looks through sockets: one that was open all the time, those that come now, and one that resumes.
func (o *onlooker) connected(fence string) {
	o.t.Helper()
	o.clean("an open socket", fence, o.heard(o.live, fence))
	for _, sort := range []string{"unread", "lastmessagetimestamp"} {
		s := socket{o.t, lab.Opened(o.t)(o.n.Peer().Connect(o.t.Context(), o.by, "prefetch-on", "connect", "prefetch-sort-by", sort, "extras", "unread"))}
		details := o.heard(s, fence)
		o.clean("prefetch", fence, details)
		if !strings.Contains(details, fmt.Sprintf(`"UnreadCount":%d`, o.unread)) {
			o.t.Errorf("prefetch does not count %d: %s", o.unread, details)
		}
		_ = s.CloseNow()
	}
	s := resuming(o.t, o.n.Peer(), o.by, o.before, "prefetch-on", "connect")
	o.clean("a resumed socket", fence, o.heard(s, fence)+o.heard(s, "CHANNEL_DETAILS"))
	_ = s.CloseNow()
}

// heard is all that a socket is told until a text comes. No count is of more than is unread.
func (o *onlooker) heard(s socket, until string) (all string) {
	o.t.Helper()
	for {
		f := s.next()
		var count struct{ UnreadCount int }
		_ = json.Unmarshal([]byte(f.Payload), &count) // some have none
		if count.UnreadCount > o.unread {
			o.t.Errorf("%d are unread: %s %s", o.unread, f.Event(), f.Payload)
		}
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

// pushed waits until the device has the fence, with a badge that counts what is unread.
func (o *onlooker) pushed(fence string) {
	o.t.Helper()
	all := o.phone.until(o.t, fence)
	o.clean("the device", fence, all)
	for line := range strings.Lines(all) {
		if strings.Contains(line, fence) && !strings.Contains(line, `"badge":`+strconv.Itoa(o.unread)+",") && !strings.Contains(line, `"badge":`+strconv.Itoa(o.unread)+"}") {
			o.t.Errorf("%d are unread: %s", o.unread, line)
		}
	}
}

// asked waits until the bot was asked what it may know, and checks that it was asked nothing else.
func (o *onlooker) asked(texts ...string) {
	o.t.Helper()
	for _, text := range texts {
		o.clean("the bot", text, o.bot.until(o.t, `"text":"`+text+`"`))
	}
	if all := o.bot.until(o.t, ""); strings.Count(all, "RecognizeText") != len(texts) {
		o.t.Errorf("the bot was asked %s", all)
	}
}

// mailbox keeps the bodies of what is posted to it.
type mailbox struct {
	*httptest.Server

	mu     sync.Mutex
	bodies strings.Builder // a line each
}

// newMailbox serves a mailbox until the test ends. All calls are answered with the same text.
func newMailbox(t *testing.T, answer string) *mailbox {
	m := new(mailbox)
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil { // the server has ended
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.bodies.Write(append(body, '\n'))
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(m.Close)
	return m
}

// until waits until a text was posted, and returns all that was.
func (m *mailbox) until(t *testing.T, text string) (all string) {
	t.Helper()
	await(t, "a call with "+text, func(int64) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		all = m.bodies.String()
		return strings.Contains(all, text)
	}, 0)
	return all
}
