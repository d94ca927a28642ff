package conformance

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go/service/chimesdkidentity"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/internal/lab"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// TestResumedWithoutWhatWasTakenAway: a client that was away while messages were sent and taken away
// again gets their events in order, without the content. Of an edited message it gets what the message
// is now.
func TestResumedWithoutWhatWasTakenAway(t *testing.T) {
	n := start(t, nil)
	alice, bob, channel := n.Seeded().UserARNs[0], n.Seeded().UserARNs[1], n.Seeded().ChannelARN
	must[*chimesdkidentity.CreateAppInstanceAdminOutput](t)(n.identity.CreateAppInstanceAdmin(&chimesdkidentity.CreateAppInstanceAdminInput{
		AppInstanceArn: &n.Seeded().AppInstanceARN, AppInstanceAdminArn: &alice}))
	room := func() *string {
		made := must[*chimesdkmessaging.CreateChannelOutput](t)(n.messaging.CreateChannel(&chimesdkmessaging.CreateChannelInput{
			AppInstanceArn: &n.Seeded().AppInstanceARN, ChannelId: p("room"), Name: p("room"), ChimeBearer: &alice,
			MemberArns: []*string{&bob}, ClientRequestToken: p(uuid.NewString())}))
		return made.ChannelArn
	}
	send := func(channel, content string) *string {
		return must[*chimesdkmessaging.SendChannelMessageOutput](t)(n.messaging.SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{
			ChannelArn: &channel, ChimeBearer: &alice, Content: &content, Metadata: p("SECRET metadata"), Persistence: p("PERSISTENT"), Type: p("STANDARD"),
			MessageAttributes:  map[string]*chimesdkmessaging.MessageAttributeValue{"a": {StringValues: []*string{p("SECRET attribute")}}},
			ClientRequestToken: p(uuid.NewString())})).MessageId
	}
	s := resuming(t, n.Peer(), bob, "")
	token := s.token("SESSION_ESTABLISHED")
	_ = s.CloseNow()

	redacted, deleted, edited := send(channel, "SECRET 1"), send(channel, "SECRET 2"), send(channel, "SECRET 3")
	must[*chimesdkmessaging.RedactChannelMessageOutput](t)(n.messaging.RedactChannelMessage(&chimesdkmessaging.RedactChannelMessageInput{
		ChannelArn: &channel, ChimeBearer: &alice, MessageId: redacted}))
	must[*chimesdkmessaging.DeleteChannelMessageOutput](t)(n.messaging.DeleteChannelMessage(&chimesdkmessaging.DeleteChannelMessageInput{
		ChannelArn: &channel, ChimeBearer: &alice, MessageId: deleted}))
	must[*chimesdkmessaging.UpdateChannelMessageOutput](t)(n.messaging.UpdateChannelMessage(&chimesdkmessaging.UpdateChannelMessageInput{
		ChannelArn: &channel, ChimeBearer: &alice, MessageId: edited, Content: p("present"), Metadata: p("")}))
	short := room()
	send(*short, "SECRET 4")
	must[*chimesdkmessaging.DeleteChannelOutput](t)(n.messaging.DeleteChannel(&chimesdkmessaging.DeleteChannelInput{ChannelArn: short, ChimeBearer: &alice}))
	room()

	s = resuming(t, n.Peer(), bob, token)
	s.token("SESSION_ESTABLISHED")
	for _, want := range []struct{ event, content, id string }{
		{"CREATE_CHANNEL_MESSAGE", "", *redacted}, {"CREATE_CHANNEL_MESSAGE", "", *deleted}, {"CREATE_CHANNEL_MESSAGE", "present", *edited},
		{"REDACT_CHANNEL_MESSAGE", "", *redacted}, {"DELETE_CHANNEL_MESSAGE", "", *deleted}, {"UPDATE_CHANNEL_MESSAGE", "present", *edited},
		{"CREATE_CHANNEL_MEMBERSHIP", "", ""}, {"CREATE_CHANNEL_MESSAGE", "", ""}, {"DELETE_CHANNEL", "", ""}, {"CREATE_CHANNEL_MEMBERSHIP", "", ""},
	} {
		f := s.next()
		if f.Event() != want.event || f.Field("Content") != want.content || want.id != "" && f.Field("MessageId") != want.id {
			t.Errorf("got %s %s, want %+v", f.Event(), f.Payload, want)
		}
		if strings.Contains(f.Payload, "SECRET") && want.content == "" {
			t.Errorf("%s tells what was taken away: %s", f.Event(), f.Payload)
		}
		if want.event == "CREATE_CHANNEL_MESSAGE" {
			checkComplete(t, f)
		}
	}
	s.system("SESSION_RESUMED")
}

// checkComplete wants of a message's event what clients read without asking.
func checkComplete(t *testing.T, f lab.Frame) {
	t.Helper()
	var m struct {
		ChannelArn, MessageId, Type, Persistence string
		CreatedTimestamp, LastUpdatedTimestamp   string
		Sender                                   struct{ Arn, Name string }
		Status                                   struct{ Value string }
	}
	if err := json.Unmarshal([]byte(f.Payload), &m); err != nil {
		t.Fatal(err)
	}
	if m.ChannelArn == "" || m.MessageId == "" || m.Type != "STANDARD" || m.Persistence != "PERSISTENT" || m.CreatedTimestamp == "" ||
		m.LastUpdatedTimestamp == "" || m.Sender.Arn == "" || m.Sender.Name == "" || m.Status.Value != "SENT" {
		t.Errorf("not complete: %s", f.Payload)
	}
}

// TestRemovedIsInNoFile removes content in each way that there is, erases, and searches the data folder.
func TestRemovedIsInNoFile(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	n := start(t, map[string]string{"data": data})
	alice := n.Seeded().UserARNs[0]
	must[*chimesdkidentity.CreateAppInstanceAdminOutput](t)(n.identity.CreateAppInstanceAdmin(&chimesdkidentity.CreateAppInstanceAdminInput{
		AppInstanceArn: &n.Seeded().AppInstanceARN, AppInstanceAdminArn: &alice}))
	var secrets []string
	send := func(user, channel string) *string {
		secrets = append(secrets, rand.Text()) // which compression seldom hides
		return must[*chimesdkmessaging.SendChannelMessageOutput](t)(n.messaging.SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{
			ChannelArn: &channel, ChimeBearer: &user, Content: &secrets[len(secrets)-1], Persistence: p("PERSISTENT"), Type: p("STANDARD"),
			PushNotification:   &chimesdkmessaging.PushNotificationConfiguration{Title: &secrets[len(secrets)-1], Body: p("body"), Type: p("DEFAULT")},
			ClientRequestToken: p(uuid.NewString())})).MessageId
	}
	room := func(app, user string) string {
		return *must[*chimesdkmessaging.CreateChannelOutput](t)(n.messaging.CreateChannel(&chimesdkmessaging.CreateChannelInput{
			AppInstanceArn: &app, Name: p("room"), ChimeBearer: &user, ClientRequestToken: p(uuid.NewString())})).ChannelArn
	}
	channel := n.Seeded().ChannelARN
	must[*chimesdkmessaging.RedactChannelMessageOutput](t)(n.messaging.RedactChannelMessage(&chimesdkmessaging.RedactChannelMessageInput{
		ChannelArn: &channel, ChimeBearer: &alice, MessageId: send(alice, channel)}))
	must[*chimesdkmessaging.DeleteChannelMessageOutput](t)(n.messaging.DeleteChannelMessage(&chimesdkmessaging.DeleteChannelMessageInput{
		ChannelArn: &channel, ChimeBearer: &alice, MessageId: send(alice, channel)}))
	doomed := room(n.Seeded().AppInstanceARN, alice)
	send(alice, doomed)
	must[*chimesdkmessaging.DeleteChannelOutput](t)(n.messaging.DeleteChannel(&chimesdkmessaging.DeleteChannelInput{ChannelArn: &doomed, ChimeBearer: &alice}))
	other := must[*chimesdkidentity.CreateAppInstanceOutput](t)(n.identity.CreateAppInstance(&chimesdkidentity.CreateAppInstanceInput{Name: p("other"), ClientRequestToken: p("other")}))
	user := must[*chimesdkidentity.CreateAppInstanceUserOutput](t)(n.identity.CreateAppInstanceUser(&chimesdkidentity.CreateAppInstanceUserInput{
		AppInstanceArn: other.AppInstanceArn, AppInstanceUserId: p("user"), Name: p("user"), ClientRequestToken: p("user")}))
	send(*user.AppInstanceUserArn, room(*other.AppInstanceArn, *user.AppInstanceUserArn))
	must[*chimesdkidentity.DeleteAppInstanceOutput](t)(n.identity.DeleteAppInstance(&chimesdkidentity.DeleteAppInstanceInput{AppInstanceArn: other.AppInstanceArn}))
	removed := len(secrets)
	for range 20 {
		send(alice, channel) // stays
	}

	if err := n.EraseRemoved(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.Stop()
	found := 0
	for i, secret := range secrets {
		names := filesWith(t, data, secret)
		if len(names) > 0 && i < removed {
			t.Errorf("content %d of %d that were removed is in %v", i, removed, names)
		}
		found += len(names)
	}
	if found == 0 {
		t.Error("nothing that stays was found either: the search proves nothing")
	}
}

// filesWith names the files in a data folder that hold a text or, where nodes have databases, the tables of that.
func filesWith(t *testing.T, dir, text string) (names []string) {
	t.Helper()
	url, err := pgtest.DatabaseOf(t.Context(), dir)
	if err == nil && url != "" {
		names, err = pgtest.TablesWith(t.Context(), url, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
