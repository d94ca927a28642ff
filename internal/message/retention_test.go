package message_test

import (
	"strings"
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

const day = 24 * time.Hour

// retain sets for how many days messages can be seen; 0 is for ever.
func retain(t *testing.T, w *servicetest.World, days int) {
	t.Helper()
	settings := new(identityapi.ChannelRetentionSettings)
	if days > 0 {
		settings.RetentionDays = &days
	}
	_, err := w.Identity.PutAppInstanceRetentionSettings(ctx, &identityapi.PutAppInstanceRetentionSettingsRequest{
		AppInstanceARN:               w.App,
		AppInstanceRetentionSettings: &identityapi.AppInstanceRetentionSettings{ChannelRetentionSettings: settings},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// eachDay is a channel with the messages "0" to "4", one each day; now is a day after the last.
func eachDay(t *testing.T) (w *servicetest.World, ids []string) {
	w = room(t)
	for _, content := range strings.Fields("0 1 2 3 4") {
		ids = append(ids, w.Send(w.Text("bob", "c", content)))
		w.Now = w.Now.Add(day)
	}
	w.Events()
	return w, ids
}

func TestRetentionHidesAtOnceAndShowsAgain(t *testing.T) {
	w, _ := eachDay(t)
	for _, tc := range []struct {
		days int
		want string
	}{{0, "4 3 2 1 0"}, {5, "4 3 2 1 0"}, {4, "4 3 2 1"}, {1, "4"}, {3, "4 3 2"}, {0, "4 3 2 1 0"}} {
		retain(t, w, tc.days)
		for _, by := range []string{"bob", "cy", "adm", "out"} {
			if got, _ := history(w, by); strings.Join(got, " ") != tc.want {
				t.Errorf("%d days: %s lists %v, want %s", tc.days, by, got, tc.want)
			}
		}
	}
	retain(t, w, 2)
	got, _ := history(w, "bob", func(r *messaging.ListChannelMessagesRequest) { r.NotAfter = ptr(w.Now.Add(-4 * day)) })
	expect(t, "history up to a time that is hidden", got, nil)
	w.Now = w.Now.Add(time.Millisecond)
	got, _ = history(w, "bob")
	expect(t, "history a moment later", got, []string{"4"})
}

// TestWhatASettingHidStaysHidden: a clock that is set back shows nothing again that was hidden when the
// setting was answered, until a longer one is put.
func TestWhatASettingHidStaysHidden(t *testing.T) {
	w, _ := eachDay(t)
	retain(t, w, 2)
	w.Now = w.Now.Add(-day)
	got, _ := history(w, "bob")
	expect(t, "history after the clock was set back", got, []string{"4", "3"})
	retain(t, w, 2)
	got, _ = history(w, "bob")
	expect(t, "history after the same setting", got, []string{"4", "3"})
	retain(t, w, 3)
	got, _ = history(w, "bob")
	expect(t, "history after a longer setting", got, []string{"4", "3", "2", "1"})
}

func TestHiddenMessagesDoNotExist(t *testing.T) {
	w, ids := eachDay(t)
	retain(t, w, 3)
	old, recent := ids[1], ids[2]
	redact := func(id string) string {
		_, err := w.Messages.RedactChannelMessage(ctx, &messaging.RedactChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: id, ChimeBearer: w.User("adm")})
		return servicetest.Outcome(err)
	}
	_, getOld := get(w, "bob", old)
	_, getRecent := get(w, "bob", recent)
	for _, tc := range []struct{ what, got, want string }{
		{"get", getOld, "NotFound"}, {"get a recent one", getRecent, "ok"},
		{"status", status(w, "bob", old), "Forbidden"}, {"status of a recent one", status(w, "bob", recent), "SENT"},
		{"edit", edit(w, "bob", old, "x"), "Forbidden"}, {"edit a recent one", edit(w, "bob", recent, "x"), "SENT"},
		{"redact", redact(old), "Forbidden"}, {"redact a recent one", redact(recent), "ok"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %s, want %s", tc.what, tc.got, tc.want)
		}
	}
	retain(t, w, 1)
	resp, err := w.Channels.DescribeChannel(ctx, &messaging.DescribeChannelRequest{ChannelARN: w.Channel("c"), ChimeBearer: w.User("cy")})
	if err != nil || !resp.Channel.LastMessageTimestamp.Equal(w.Now.Add(-day)) {
		t.Errorf("the last message was at %v, %v", resp.Channel.LastMessageTimestamp, err)
	}
	if _, err := w.Messages.DeleteChannelMessage(ctx, &messaging.DeleteChannelMessageRequest{ChannelARN: w.Channel("c"), MessageID: old, ChimeBearer: w.User("adm")}); err != nil {
		t.Fatal(err)
	}
	retain(t, w, 0)
	got, _ := history(w, "bob")
	expect(t, "what an admin deleted while it was hidden does not come back", got, []string{"4", "3", "", "0"})
}

// TestPagingWhileMessagesAgeOut: a token made before messages became too old goes on working.
func TestPagingWhileMessagesAgeOut(t *testing.T) {
	for order, want := range map[messaging.SortOrder]string{"DESCENDING": "4 3", "ASCENDING": "0 1 3 4"} {
		w, _ := eachDay(t)
		retain(t, w, 5)
		page := func(token *string) ([]string, string) {
			return history(w, "bob", func(r *messaging.ListChannelMessagesRequest) {
				r.SortOrder, r.MaxResults, r.NextToken = order, ptr(2), token
			})
		}
		all, next := page(nil)
		w.Now = w.Now.Add(3 * day) // 0, 1 and 2 are too old now
		if order == "DESCENDING" {
			w.Now = w.Now.Add(day) // 3, where the token leads, as well
		}
		for next != "" {
			var more []string
			more, next = page(&next)
			all = append(all, more...)
		}
		if got := strings.Join(all, " "); got != want {
			t.Errorf("%s: %s, want %s", order, got, want)
		}
	}
}
