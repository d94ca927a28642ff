package servicetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/servicetest"
	"github.com/carillon-chat/carillon/internal/store"
)

// TestStreamedEventsSayEverything makes the calls that cause the events that streams carry, and reads
// the events back from the log, as a follower does that comes late: each has the channel, the object,
// the actor and the members of the payload that AWS streams.
func TestStreamedEventsSayEverything(t *testing.T) {
	w := servicetest.New(t, "ann", "bob", "cy", "dan")
	w.MakeAdmin("dan")
	var messages []string
	causeEvents(t, w, w.Channel("c"), &messages, false)
	causeEvents(t, w, w.Channel("e"), &messages, true)

	const (
		channel    = "ChannelArn CreatedBy CreatedTimestamp LastUpdatedTimestamp Mode Name Privacy"
		elastic    = "ChannelArn CreatedBy CreatedTimestamp ElasticChannelConfiguration LastUpdatedTimestamp Mode Name Privacy"
		membership = "ChannelArn CreatedTimestamp InvitedBy LastUpdatedTimestamp Member Type"
		inSub      = "ChannelArn CreatedTimestamp InvitedBy LastUpdatedTimestamp Member SubChannelId Type"
		moderator  = "ChannelArn CreatedBy CreatedTimestamp Moderator"
		ban        = "ChannelArn CreatedBy CreatedTimestamp Member"
		batch      = "ChannelArn InvitedBy Members Type"
		message    = "ChannelArn Content CreatedTimestamp LastUpdatedTimestamp MessageId Persistence Redacted Sender Status Type"
		edited     = "ChannelArn Content CreatedTimestamp LastEditedTimestamp LastUpdatedTimestamp MessageId Persistence Redacted Sender Status Type"
		bare       = "ChannelArn CreatedTimestamp LastUpdatedTimestamp MessageId Persistence Redacted Sender Status Type"
	)
	want := []string{
		"CREATE_CHANNEL of c: c by user/ann: " + channel,
		"CREATE_CHANNEL_MODERATOR of c: user/ann by user/ann: " + moderator,
		"CREATE_CHANNEL_MEMBERSHIP of c: user/ann by user/ann: " + membership,
		"UPDATE_CHANNEL of c: c by user/ann: " + channel,
		"UPDATE_CHANNEL_EXPIRATION_SETTINGS of c: c by user/ann: ChannelArn CreatedBy CreatedTimestamp ExpirationSettings LastUpdatedTimestamp Mode Name Privacy",
		"UPDATE_CHANNEL_EXPIRATION_SETTINGS of c: c by user/ann: " + channel,
		"CREATE_CHANNEL_MEMBERSHIP of c: user/bob by user/ann: " + membership,
		"BATCH_CREATE_CHANNEL_MEMBERSHIP of c:  by user/ann: " + batch,
		"CREATE_CHANNEL_MESSAGE of c: m1 by user/bob: " + message,
		"CREATE_CHANNEL_MESSAGE of c: m2 by user/bob: " + edited, // as the message is now
		"UPDATE_CHANNEL_MESSAGE of c: m2 by user/bob: " + edited,
		"CREATE_CHANNEL_MESSAGE of c: m3 by user/bob: " + bare, // redacted by now
		"REDACT_CHANNEL_MESSAGE of c: m3 by user/ann: " + bare,
		"CREATE_CHANNEL_MESSAGE of c: m4 by user/bob: " + bare, // deleted by now
		"DELETE_CHANNEL_MESSAGE of c: m4 by user/dan: " + bare,
		"CREATE_CHANNEL_MODERATOR of c: user/cy by user/ann: " + moderator,
		"DELETE_CHANNEL_MODERATOR of c: user/cy by user/ann: " + moderator,
		"CREATE_CHANNEL_BAN of c: user/bob by user/ann: " + ban,
		"DELETE_CHANNEL_MEMBERSHIP of c: user/bob by user/ann: " + membership,
		"DELETE_CHANNEL_BAN of c: user/bob by user/ann: " + ban,
		"CREATE_CHANNEL of e: e by user/ann: " + elastic,
		"CREATE_CHANNEL_MODERATOR of e: user/ann by user/ann: " + moderator,
		"CREATE_SUB_CHANNEL of e: s1 by user/ann: ChannelArn SubChannelId",
		"CREATE_CHANNEL_MEMBERSHIP of e: user/bob by user/bob: " + inSub,
		"CREATE_CHANNEL_MEMBERSHIP of e: user/cy by user/cy: " + inSub,
		"CREATE_SUB_CHANNEL of e: s2 by user/dan: ChannelArn SubChannelId",
		"CREATE_CHANNEL_MEMBERSHIP of e: user/dan by user/dan: " + inSub,
		"DELETE_CHANNEL_MEMBERSHIP of e: user/dan by user/dan: " + inSub,
		"DELETE_CHANNEL_MEMBERSHIP of e: user/cy by user/cy: " + inSub,
		"DELETE_SUB_CHANNEL of e: s2 by user/cy: ChannelArn SubChannelId",
		"DELETE_CHANNEL of e: e by user/ann: " + elastic,
		"DELETE_CHANNEL_MEMBERSHIP of c: user/cy by : " + membership, // the service, for the deletion of the user
	}
	var got []string
	kinds := map[string]bool{}
	for _, e := range late(t, w) {
		if kind := e.Kind(); kind.Stream != "" {
			kinds[kind.Name] = true
			got = append(got, streamed(t, w, e, messages))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, kind := range chime.EventKinds() {
		if kind.Stream != "" && !kinds[kind.Name] {
			t.Errorf("the calls cause no %s", kind.Name)
		}
	}
}

// causeEvents causes the events of a standard channel c, or of an elastic channel e.
func causeEvents(t *testing.T, w *servicetest.World, arn string, messages *[]string, elastic bool) {
	t.Helper()
	ctx, ann, bob := t.Context(), w.User("ann"), w.User("bob")
	if elastic {
		w.AddChannel("ann", "e", servicetest.Elastic(2, 2, 50))
		for _, id := range []string{"bob", "cy", "dan"} { // the third takes a second sub-channel
			w.AddMember(id, "e", id, messaging.ChannelMembershipTypeDefault)
		}
		for _, id := range []string{"dan", "cy"} { // and leaves it to be merged
			must(w.API.DeleteChannelMembership(ctx, &messaging.DeleteChannelMembershipRequest{ChannelARN: arn, MemberARN: w.User(id), ChimeBearer: w.User(id)}))(t)
		}
		must(w.API.DeleteChannel(ctx, &messaging.DeleteChannelRequest{ChannelARN: arn, ChimeBearer: ann}))(t)
		must(w.Identity.DeleteAppInstanceUser(ctx, &identity.DeleteAppInstanceUserRequest{AppInstanceUserARN: w.User("cy")}))(t)
		return
	}

	name := "general"
	w.AddChannel("ann", "c")
	must(w.API.UpdateChannel(ctx, &messaging.UpdateChannelRequest{ChannelARN: arn, Name: &name, ChimeBearer: ann}))(t)
	must(w.API.PutChannelExpirationSettings(ctx, &messaging.PutChannelExpirationSettingsRequest{ChannelARN: arn, ChimeBearer: &ann,
		ExpirationSettings: &messaging.ExpirationSettings{ExpirationDays: 9, ExpirationCriterion: messaging.ExpirationCriterionCreatedTimestamp}}))(t)
	must(w.API.PutChannelExpirationSettings(ctx, &messaging.PutChannelExpirationSettingsRequest{ChannelARN: arn, ChimeBearer: &ann}))(t)
	w.AddMember("ann", "c", "bob", messaging.ChannelMembershipTypeDefault)
	must(w.API.BatchCreateChannelMembership(ctx, &messaging.BatchCreateChannelMembershipRequest{ChannelARN: arn, MemberARNs: w.Users("cy"), ChimeBearer: ann}))(t)

	say := func() string {
		id := w.Send(w.Text("bob", "c", "hello"))
		*messages = append(*messages, id)
		return id
	}
	say()
	must(w.API.UpdateChannelMessage(ctx, &messaging.UpdateChannelMessageRequest{ChannelARN: arn, MessageID: say(), Content: "bye", ChimeBearer: bob}))(t)
	must(w.API.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: arn, MessageID: say(), ChimeBearer: ann}))(t)
	must(w.API.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{ChannelARN: arn, MessageID: say(), ChimeBearer: w.User("dan")}))(t)

	w.MakeModerator("ann", "c", "cy")
	must(w.API.DeleteChannelModerator(ctx, &messaging.DeleteChannelModeratorRequest{ChannelARN: arn, ChannelModeratorARN: w.User("cy"), ChimeBearer: ann}))(t)
	w.Ban("ann", "c", "bob")
	must(w.API.DeleteChannelBan(ctx, &messaging.DeleteChannelBanRequest{ChannelARN: arn, MemberARN: bob, ChimeBearer: ann}))(t)
}

// late are the events of the log.
func late(t *testing.T, w *servicetest.World) (events []*chime.Event) {
	t.Helper()
	err := w.Store.View(context.Background(), w.AppID(), func(r store.Reader) (err error) {
		events, err = store.ReadEvents(r, w.AppID(), 0, 1000)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// streamed writes what a stream is to carry of an event. Ids that chance chose are numbered.
func streamed(t *testing.T, w *servicetest.World, e *chime.Event, messages []string) string {
	t.Helper()
	payload, err := e.Payload, error(nil)
	if e.TellsContent() {
		err = w.Store.View(context.Background(), w.AppID(), func(r store.Reader) (err error) {
			payload, err = w.Messages.Body(r, e)
			return err
		})
	}
	var members map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(payload, &members)
	}
	if err != nil {
		t.Fatalf("the payload of %s: %q: %v", e.Type, payload, err)
	}
	object := e.Object
	if i := slices.Index(messages, object); i >= 0 {
		object = fmt.Sprint("m", i+1)
	}
	if e.Sub != "" && object == e.Sub {
		object = w.SubName(e.Sub)
	}
	return fmt.Sprintf("%s of %s: %s by %s: %s", e.Type, e.ChannelID, object, e.Actor, strings.Join(slices.Sorted(maps.Keys(members)), " "))
}
