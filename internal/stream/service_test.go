package stream_test

import (
	"context"
	"strings"
	"testing"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

var ctx = context.Background()

const stream1 = "arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-all"

func put(w *servicetest.World, app string, streams ...messaging.StreamingConfiguration) string {
	_, err := w.Exports.PutMessagingStreamingConfigurations(ctx, &messaging.PutMessagingStreamingConfigurationsRequest{
		AppInstanceARN: app, StreamingConfigurations: streams,
	})
	return servicetest.Outcome(err)
}

// get writes the settings as "type stream", or how the call failed.
func get(w *servicetest.World, app string) string {
	resp, err := w.Exports.GetMessagingStreamingConfigurations(ctx, &messaging.GetMessagingStreamingConfigurationsRequest{AppInstanceARN: app})
	if err != nil {
		return servicetest.Outcome(err)
	}
	var all []string
	for _, s := range resp.StreamingConfigurations {
		_, name, _ := strings.Cut(s.ResourceARN, "stream/")
		all = append(all, string(s.DataType)+" "+name)
	}
	return strings.Join(all, ", ")
}

func remove(w *servicetest.World, app string) string {
	_, err := w.Exports.DeleteMessagingStreamingConfigurations(ctx, &messaging.DeleteMessagingStreamingConfigurationsRequest{AppInstanceARN: app})
	return servicetest.Outcome(err)
}

func TestSettingsAreReplacedAsAWhole(t *testing.T) {
	w := servicetest.New(t)
	both := []messaging.StreamingConfiguration{{DataType: "ChannelMessage", ResourceARN: stream1}, {DataType: "Channel", ResourceARN: stream1}}
	for _, step := range []struct{ what, got, want string }{
		{"get none", get(w, w.App), "NotFound"},
		{"delete none", remove(w, w.App), "ok"},
		{"put both", put(w, w.App, both...), "ok"},
		{"get both", get(w, w.App), "ChannelMessage chime-messaging-all, Channel chime-messaging-all"},
		{"put one", put(w, w.App, both[1]), "ok"},
		{"get one", get(w, w.App), "Channel chime-messaging-all"},
		{"delete", remove(w, w.App), "ok"},
		{"get after delete", get(w, w.App), "NotFound"},
		{"delete again", remove(w, w.App), "ok"},
	} {
		if step.got != step.want {
			t.Errorf("%s: %s, want %s", step.what, step.got, step.want)
		}
	}
}

func TestStreamsAreChecked(t *testing.T) {
	w := servicetest.New(t)
	for name, tc := range map[string]struct{ arn, want string }{
		"longest name":     {"arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-" + strings.Repeat("x", 112), "ok"},
		"name too long":    {"arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-" + strings.Repeat("x", 113), "BadRequest"},
		"other name":       {"arn:aws:kinesis:us-east-1:000000000000:stream/messages", "BadRequest"},
		"prefix alone":     {"arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-", "BadRequest"},
		"delivery stream":  {"arn:aws:firehose:us-east-1:000000000000:deliverystream/chime-messaging-a", "BadRequest"},
		"consumer":         {stream1 + "/consumer/c:1", "BadRequest"},
		"other region":     {"arn:aws:kinesis:eu-central-1:000000000000:stream/chime-messaging-a", "Forbidden"},
		"other account":    {"arn:aws:kinesis:us-east-1:111122223333:stream/chime-messaging-a", "Forbidden"},
		"no ARN of theirs": {w.App, "BadRequest"},
	} {
		if got := put(w, w.App, messaging.StreamingConfiguration{DataType: "Channel", ResourceARN: tc.arn}); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
	twice := messaging.StreamingConfiguration{DataType: "Channel", ResourceARN: stream1}
	if got := put(w, w.App, twice, twice); got != "BadRequest" {
		t.Errorf("one type twice: %s", got)
	}
}

func TestAppInstancesThatAreNotThere(t *testing.T) {
	w := servicetest.New(t)
	one := messaging.StreamingConfiguration{DataType: "Channel", ResourceARN: stream1}
	if got := put(w, w.App, one); got != "ok" {
		t.Fatal(got)
	}
	if _, err := w.Identity.DeleteAppInstance(ctx, &identityapi.DeleteAppInstanceRequest{AppInstanceARN: w.App}); err != nil {
		t.Fatal(err)
	}
	for app, want := range map[string][3]string{
		w.App:                   {"NotFound", "NotFound", "Forbidden"},
		w.App + "0":             {"NotFound", "NotFound", "Forbidden"},
		w.App + "/user/a":       {"BadRequest", "BadRequest", "BadRequest"},
		"arn:aws:chime:x:1:y/z": {"BadRequest", "BadRequest", "BadRequest"},
	} {
		if got := [3]string{put(w, app, one), get(w, app), remove(w, app)}; got != want {
			t.Errorf("%s: put, get and delete: %v, want %v", app, got, want)
		}
	}
}
