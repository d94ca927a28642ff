package message_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
)

// late is what a reader of the log is given that comes to the events of messages late.
func late(t *testing.T, w *servicetest.World) (bodies []string) {
	t.Helper()
	err := w.Store.View(ctx, w.AppID(), func(r store.Reader) error {
		events, err := store.ReadEvents(r, w.AppID(), 0, 1000)
		for _, e := range events {
			if !e.Kind().IsMessage() || err != nil {
				continue
			}
			if e.TellsContent() {
				if e.Payload != nil {
					t.Errorf("the log keeps the payload of %s", e.Type)
				}
				e.Payload, err = w.Messages.Body(r, e)
			}
			bodies = append(bodies, e.Type+" "+string(e.Payload))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bodies
}

// live is what the same events told when they happened.
func live(t *testing.T, w *servicetest.World) (bodies []string) {
	t.Helper()
	stream := w.Stream(w.Began)
	defer stream.Close()
	events, err := stream.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind().IsMessage() {
			bodies = append(bodies, e.Type+" "+string(e.Payload))
		}
	}
	return bodies
}

// A reader that comes late to an event is told what the readers of the moment were told, as long as nothing has
// changed.
func TestALateReaderIsToldTheSame(t *testing.T) {
	w := room(t)
	full := w.Text("bob", "c", "hello")
	full.Metadata, full.ContentType = ptr("m"), ptr("text/plain")
	full.MessageAttributes = map[string]messaging.MessageAttributeValue{"a": {StringValues: []string{"b"}}}
	w.Send(full)
	targeted := w.Text("bob", "c", "for cy")
	targeted.Target = []messaging.Target{{MemberARN: ptr(w.User("cy"))}}
	w.Send(targeted)
	control := w.Text("cy", "c", "control")
	control.Type = messaging.ChannelMessageTypeControl
	w.Send(control)
	arn := addFlow(t, w, "CONTINUE")
	w.Send(w.Text("bob", "c", "passes"))
	if _, err := w.Flows.DisassociateChannelFlow(ctx, &messaging.DisassociateChannelFlowRequest{ChannelARN: w.Channel("c"), ChannelFlowARN: arn, ChimeBearer: w.User("ann")}); err != nil {
		t.Fatal(err)
	}
	addFlow(t, w, "ABORT")
	w.Send(w.Text("bob", "c", "fails"))
	got := late(t, w)
	if len(got) != 7 {
		t.Errorf("%d events", len(got))
	}
	want := live(t, w)
	expect(t, "what is told late", got[:3], want[:3])
	for i := 3; i < len(want); i++ { // the flow decided within the commit, after the sender was told that it waits
		if !same(got[i], want[i], "LastUpdatedTimestamp") {
			t.Errorf("late:\n  %s\nlive:\n  %s", got[i], want[i])
		}
	}
}

// same compares two events but for a member of the payload.
func same(a, b, except string) bool {
	kindA, textA, _ := strings.Cut(a, " ")
	kindB, textB, _ := strings.Cut(b, " ")
	var bodyA, bodyB map[string]any
	if json.Unmarshal([]byte(textA), &bodyA) != nil || json.Unmarshal([]byte(textB), &bodyB) != nil {
		return false
	}
	delete(bodyA, except)
	delete(bodyB, except)
	return kindA == kindB && fmt.Sprint(bodyA) == fmt.Sprint(bodyB)
}

// What was removed or edited since is told late as it is now.
func TestALateReaderIsToldThePresent(t *testing.T) {
	const content, edited = `"Content":"secret"`, `"Content":"present"`
	admin := func(w *servicetest.World, id string) *messaging.RedactChannelMessageRequest {
		return &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User("adm")}
	}
	deleteChannel := func(w *servicetest.World) error {
		_, err := w.Channels.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("adm")})
		return err
	}
	for name, tc := range map[string]struct {
		change func(w *servicetest.World, id string) error
		has    string // what the first event has; empty: nothing of the message
		flags  string // what it has besides
	}{
		"nothing": {func(*servicetest.World, string) error { return nil }, content, `"Metadata":"secret"`},
		"an edit": {func(w *servicetest.World, id string) error {
			_, err := w.Messages.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{
				ChannelARN: w.Channel("c"), MessageID: id, Content: "present", Metadata: ptr(""), ChimeBearer: w.User("bob")})
			return err
		}, edited, `"LastEditedTimestamp"`},
		"a redaction": {func(w *servicetest.World, id string) error {
			_, err := w.Messages.RedactChannelMessage(ctx, admin(w, id))
			return err
		}, "", `"Redacted":true`},
		"a deletion": {func(w *servicetest.World, id string) error {
			_, err := w.Messages.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{
				ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User("adm")})
			return err
		}, "", `"Redacted":false`},
		"a shorter retention": {func(w *servicetest.World, _ string) error {
			w.Now = w.Now.Add(2 * day)
			retain(t, w, 1)
			return nil
		}, "", `"Redacted":false`},
		"a retention that was lengthened": {func(w *servicetest.World, _ string) error {
			w.Now = w.Now.Add(2 * day)
			retain(t, w, 1)
			retain(t, w, 3)
			return nil
		}, content, `"Metadata":"secret"`},
		"the end of the channel": {func(w *servicetest.World, _ string) error { return deleteChannel(w) }, "", ""},
		"a channel of the same id": {func(w *servicetest.World, _ string) error {
			err := deleteChannel(w)
			w.AddChannel("ann", "c")
			return err
		}, "", ""},
		"the end of the app instance": {func(w *servicetest.World, _ string) error {
			// The records are left, as they are before the work that goes on in the background.
			return w.Store.Update(ctx, w.AppID(), func(tx store.Tx) error {
				return store.AppInstances.Delete(tx, store.K(w.App[strings.LastIndexByte(w.App, '/')+1:]))
			})
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := room(t)
			req := w.Text("bob", "c", "secret")
			req.Metadata = ptr("secret")
			req.MessageAttributes = map[string]messaging.MessageAttributeValue{"a": {StringValues: []string{"secret"}}}
			id, sent := w.Send(req), w.Now
			if err := tc.change(w, id); err != nil {
				t.Fatal(err)
			}
			body := late(t, w)[0]
			if tc.has == "" && strings.Contains(body, "secret") || !strings.Contains(body, tc.has) || !strings.Contains(body, tc.flags) {
				t.Errorf("a late reader is told\n  %s\nwant %s %s", body, tc.has, tc.flags)
			}
			var kind struct {
				ChannelArn, MessageId, Type, Persistence string
				CreatedTimestamp                         time.Time
				Sender                                   struct{ Arn string }
				Status                                   struct{ Value string }
			}
			_, text, _ := strings.Cut(body, " ")
			if err := json.Unmarshal([]byte(text), &kind); err != nil {
				t.Fatal(err)
			}
			if kind.ChannelArn != w.Channel("c") || kind.MessageId != id || kind.Type != "STANDARD" || kind.Persistence != "PERSISTENT" ||
				!kind.CreatedTimestamp.Equal(sent) || kind.Sender.Arn != w.User("bob") || kind.Status.Value != "SENT" {
				t.Errorf("the event is not complete: %s", body)
			}
		})
	}
}

// An edit that a flow did not let pass is kept nowhere: who is told late is told what the message is.
func TestARefusedEditIsNotKept(t *testing.T) {
	w := room(t)
	id := w.Send(w.Text("bob", "c", "first"))
	addFlow(t, w, "ABORT")
	if got := edit(w, "bob", id, "refused"); got != "PENDING" {
		t.Fatal(got)
	}
	for i, want := range []string{`"Value":"SENT"`, `"Value":"PENDING"`, `"Value":"FAILED"`} {
		if body := late(t, w)[i]; strings.Contains(body, "refused") || !strings.Contains(body, `"Content":"first"`) || !strings.Contains(body, want) {
			t.Errorf("event %d: %s, want %s", i, body, want)
		}
	}
}

// A sub-channel that balancing deletes takes its messages with it.
func TestLateOfADeletedSubChannel(t *testing.T) {
	w := halls(t)
	for who, name := range map[string]string{"a": "s1", "d": "s2"} {
		if _, got := sendTo(w, who, name, "secret of "+name); got != "ok" {
			t.Fatal(got)
		}
	}
	for _, who := range []string{"a", "b", "d"} {
		if _, err := w.Channels.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{
			ChannelARN: w.Channel("c"), MemberARN: w.User(who), ChimeBearer: w.User("adm")}); err != nil {
			t.Fatal(err)
		}
	}
	left := w.SubChannels("adm", "c")
	if len(left) != 1 {
		t.Fatal(left)
	}
	name, _, _ := strings.Cut(left[0], ":")
	for _, body := range late(t, w) {
		kept := strings.Contains(body, `"SubChannelId":"`+*w.SubID(name)+`"`)
		if kept != strings.Contains(body, "secret of "+name) || strings.Contains(body, "secret") != kept {
			t.Errorf("%s is left: %s", name, body)
		}
	}
}

// A message that is not persistent is in no record: what was withdrawn of it stays so.
func TestWithdrawnLiveMessage(t *testing.T) {
	w := room(t)
	stream := w.Stream(w.Began)
	defer stream.Close()
	req := w.Text("bob", "c", "secret")
	req.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
	w.Send(req)
	if _, err := w.Identity.DeleteAppInstance(ctx, &identityapi.DeleteAppInstanceRequest{AppInstanceARN: w.App}); err != nil {
		t.Fatal(err)
	}
	events, err := stream.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Type != chime.EventCreateMessage {
			continue
		}
		if e.Payload != nil {
			t.Errorf("the feed has %s", e.Payload)
		}
		err := w.Store.View(ctx, w.AppID(), func(r store.Reader) error {
			body, err := w.Messages.Body(r, e)
			if !strings.Contains(string(body), `"Persistence":"NON_PERSISTENT"`) {
				t.Errorf("told %s", body)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A message that is not persistent is told as it was to a session that is late, while its channel is
// there: no record could tell it again.
func TestALateReaderIsToldALiveMessage(t *testing.T) {
	w := room(t)
	stream := w.Stream(w.Began)
	defer stream.Close()
	req := w.Text("bob", "c", "hello")
	req.Persistence = messaging.ChannelMessagePersistenceTypeNonPersistent
	w.Send(req)
	events, err := stream.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	live := events[len(events)-1]
	body := func() (text string) {
		err := w.Store.View(ctx, w.AppID(), func(r store.Reader) error {
			body, err := w.Messages.Body(r, live)
			text = string(body)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if got := body(); got != string(live.Payload) || !strings.Contains(got, "hello") {
		t.Errorf("while the channel is there: %s", got)
	}
	gone := *live
	gone.Channel = "another channel of the id"
	live = &gone
	if got := body(); strings.Contains(got, "hello") {
		t.Errorf("when it is gone: %s", got)
	}
}
