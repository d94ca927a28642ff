package conformance

import (
	"crypto/rand"
	"errors"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// TestWhatExpiresIsDeleted: a node whose clock goes on by days deletes a channel, a user and old messages.
// Members hear of the first two as of calls, and of messages nothing; the disk has none of them.
func TestWhatExpiresIsDeleted(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	n := lab.Start(t, lab.Settings(t, config.Dev, map[string]string{"data": data, "clock-trust": "0s"}), app.Deps{Now: now})
	peer := n.Peer()
	peer.Now = now
	alice, bob, instance := n.Seeded().UserARNs[0], n.Seeded().UserARNs[1], n.Seeded().AppInstanceARN

	type fields map[string]any
	call := func(method, target, bearer string, in fields) (out fields, err error) {
		err = peer.Call(t.Context(), method, target, bearer, in, &out)
		return out, err
	}
	do := func(method, target, bearer string, in fields) fields {
		t.Helper()
		out, err := call(method, target, bearer, in)
		if err != nil {
			t.Fatal(method, " ", target, ": ", err)
		}
		return out
	}
	pass := func(d time.Duration) {
		t.Helper()
		ahead.Add(int64(d))
		if err := n.RemoveExpired(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	// A channel, a user and messages with a day to live.
	oneDay := fields{"ExpirationDays": 1, "ExpirationCriterion": "CREATED_TIMESTAMP"}
	temp := do("POST", "/app-instance-users", "", fields{
		"AppInstanceArn": instance, "AppInstanceUserId": "temp", "Name": "temp", "ClientRequestToken": uuid.NewString(), "ExpirationSettings": oneDay,
	})["AppInstanceUserArn"].(string)
	room := func(settings fields, members ...string) string {
		return do("POST", "/channels", alice, fields{
			"AppInstanceArn": instance, "Name": "room", "ClientRequestToken": uuid.NewString(), "MemberArns": members, "ExpirationSettings": settings,
		})["ChannelArn"].(string)
	}
	expiring, kept := room(oneDay, bob), room(nil, bob, temp)
	secret, later := rand.Text(), rand.Text()
	send := func(content string) {
		do("POST", "/channels/"+lab.Escape(kept)+"/messages", alice, fields{
			"Content": content, "Type": "STANDARD", "Persistence": "PERSISTENT", "ClientRequestToken": uuid.NewString(),
		})
	}
	send(secret)
	do("PUT", "/app-instances/"+lab.Escape(instance)+"/retention-settings", "", fields{
		"AppInstanceRetentionSettings": fields{"ChannelRetentionSettings": fields{"RetentionDays": 1}},
	})

	// Channel and user are gone after a day.
	s := lab.Opened(t)(peer.Open(t.Context(), bob))
	pass(23 * time.Hour)
	do("GET", "/channels/"+lab.Escape(expiring), bob, nil)
	pass(time.Hour + time.Minute)
	want := map[string]string{"DELETE_CHANNEL": expiring, "DELETE_CHANNEL_MEMBERSHIP": kept}
	for len(want) > 0 {
		f, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if about, expected := want[f.Event()]; !expected || f.Field("ChannelArn") != about {
			t.Errorf("bob gets %s %s", f.Event(), f.Payload)
		}
		delete(want, f.Event())
	}
	status := func(target, bearer string) int {
		t.Helper()
		_, err := call("GET", target, bearer, nil)
		var refused *lab.Refusal
		if !errors.As(err, &refused) {
			t.Fatal(err)
		}
		return refused.Status
	}
	if got := status("/channels/"+lab.Escape(expiring), bob); got != http.StatusForbidden {
		t.Errorf("the channel answers %d", got)
	}
	if got := status("/app-instance-users/"+lab.Escape(temp), ""); got != http.StatusNotFound {
		t.Errorf("the user answers %d", got)
	}

	// Messages are hidden by now, and gone from the disk after thirty days.
	list := func() int {
		return len(do("GET", "/channels/"+lab.Escape(kept)+"/messages", bob, nil)["ChannelMessages"].([]any))
	}
	if got := list(); got != 0 {
		t.Errorf("%d messages are listed", got)
	}
	last := do("GET", "/channels/"+lab.Escape(kept), bob, nil)["Channel"].(map[string]any)["LastMessageTimestamp"]
	pass(30 * 24 * time.Hour)
	if got := do("GET", "/channels/"+lab.Escape(kept), bob, nil)["Channel"].(map[string]any)["LastMessageTimestamp"]; got != last || got == nil {
		t.Errorf("the last message was at %v, and is at %v now", last, got)
	}
	send(later)
	if f, err := s.Next(t.Context()); err != nil || f.Event() != "CREATE_CHANNEL_MESSAGE" || f.Field("Content") != later {
		t.Errorf("bob gets %s %s, %v", f.Event(), f.Payload, err)
	}
	if err := n.EraseRemoved(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	if names := filesWith(t, data, secret); len(names) > 0 {
		t.Errorf("the message is in %v", names)
	}
	if len(filesWith(t, data, later)) == 0 {
		t.Error("the message that stays was not found either: the search proves nothing")
	}
}
