package app_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillon-chat/carillon/internal/app"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/lab"
)

// TestStreamsGoToFiles streams the messages of dev mode's app instance to a folder, over a restart.
func TestStreamsGoToFiles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "streams")
	cfg := lab.Settings(t, config.Dev, map[string]string{"streams": "audit *:stream/chime-messaging-audit file:" + folder + " size=1MiB"})
	for _, text := range []string{"first", "second"} {
		running, err := lab.Run(t.Context(), cfg, app.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		n := node{running}
		if text == "first" {
			n.stream(t, map[string]string{"ChannelMessage": "audit", "Channel": "elsewhere"})
		}
		n.say(t, text)

		// The line is on the disk a moment after the answer.
		for {
			lines, err := os.ReadFile(filepath.Join(folder, "events.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.HasSuffix(lines, []byte("\n")) && bytes.Contains(lines, []byte(text)) {
				break
			}
		}
		_, metrics := n.opsCall(t, http.MethodGet, "/metrics")
		for _, line := range []string{"carillon_streams_without_sink 1", `carillon_follower_lag_events{follower="stream-audit"}`} {
			if !strings.Contains(metrics, line) {
				t.Errorf("no metric %s", line)
			}
		}
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
		if log := n.Log.String(); !strings.Contains(log, "chime-messaging-elsewhere") || strings.Contains(log, "chime-messaging-audit") {
			t.Errorf("the log of streams without a sink: %s", log)
		}
	}

	// A stop between a write and the position behind it writes the line again, which is the same.
	lines, err := os.ReadFile(filepath.Join(folder, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	distinct := map[string]bool{}
	for line := range strings.Lines(string(lines)) {
		distinct[line] = strings.HasPrefix(line, `{"EventType":"CREATE_CHANNEL_MESSAGE","Payload":{`)
	}
	if len(distinct) != 2 || slices.Contains(slices.Collect(maps.Values(distinct)), false) {
		t.Errorf("the file has %s", lines)
	}
}

// TestSinksAreSetBack has a folder written again what was written before.
func TestSinksAreSetBack(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "streams")
	n := start(t, lab.Settings(t, config.Dev, map[string]string{"streams": "audit * file:" + folder}))
	n.stream(t, map[string]string{"ChannelMessage": "all"})
	began := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	await := func(want int) []string {
		for {
			text, err := os.ReadFile(filepath.Join(folder, "events.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Collect(strings.Lines(string(text))); len(got) >= want && strings.HasSuffix(got[len(got)-1], "\n") {
				return got
			}
		}
	}
	n.say(t, "first")
	await(1)
	n.say(t, "second")
	written := await(2)
	replay := func(query string) (status int, body string) {
		t.Helper()
		return n.opsCall(t, http.MethodPost, "/streams/"+query)
	}
	if status, body := replay("audit/replay?from=" + began); status != http.StatusOK || !strings.Contains(body, `"FromPosition":`) {
		t.Fatalf("%d %s", status, body)
	}
	if got := await(4); !slices.Equal(got[len(got)-2:], written[len(written)-2:]) {
		t.Errorf("the file has %q, and had %q", got, written)
	}

	// What is refused, and why.
	app := n.Seeded().AppInstanceARN
	app = app[strings.LastIndexByte(app, '/')+1:]
	for query, want := range map[string]string{
		"none/replay?from=" + began:                       `404 the setting streams has no sink "none"`,
		"audit/replay":                                    "400 one of position and from",
		"audit/replay?position=1":                         "400 a position is one of an app instance",
		"audit/replay?position=0&app=" + app:              "400 position",
		"audit/replay?from=yesterday":                     "400 from is not a time",
		"audit/replay?position=1000000&app=" + app:        `200 {"Replays":[{"AppInstance":"` + app + `","Refused":"the follower has not come that far`,
		"audit/replay?from=2020-01-01T00:00:00Z&app=none": `200 {"Replays":[{"AppInstance":"none","Refused":"follower`,
	} {
		if status, body := replay(query); !strings.HasPrefix(fmt.Sprintf("%d %s", status, body), want) {
			t.Errorf("%s: %d %s, want %s", query, status, body, want)
		}
	}
}

// TestStreamsGoToWebhooks posts a message to a receiver that verifies it with the published library.
func TestStreamsGoToWebhooks(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	bodies := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		verifier, err := standardwebhooks.NewWebhook(secret)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		if err != nil {
			body = []byte(err.Error())
		}
		select {
		case bodies <- string(body):
		case <-r.Context().Done():
		}
	}))
	defer receiver.Close()
	secrets := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(secrets, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	n := start(t, lab.Settings(t, config.Dev, map[string]string{"streams": "desk * " + receiver.URL + "/hook secret-file=" + secrets}))
	n.stream(t, map[string]string{"ChannelMessage": "all"})
	n.say(t, "over-the-wire")
	if body := <-bodies; !strings.Contains(body, `"Content":"over-the-wire"`) || !strings.Contains(body, `/stream-desk"`) {
		t.Errorf("the receiver has %s", body)
	}
}

// stream gives dev mode's app instance streams: the types of data, and the names of their streams behind
// chime-messaging-.
func (n node) stream(t *testing.T, streams map[string]string) {
	t.Helper()
	in := &chimesdkmessaging.PutMessagingStreamingConfigurationsInput{AppInstanceArn: &n.Seeded().AppInstanceARN}
	for dataType, name := range streams {
		in.StreamingConfigurations = append(in.StreamingConfigurations, &chimesdkmessaging.StreamingConfiguration{
			DataType: aws.String(dataType), ResourceArn: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/chime-messaging-" + name),
		})
	}
	if _, err := chimesdkmessaging.New(n.session(t, "https", n.RootKeys())).PutMessagingStreamingConfigurations(in); err != nil {
		t.Fatal(err)
	}
}

// say sends a message to the channel of dev mode.
func (n node) say(t *testing.T, text string) {
	t.Helper()
	_, err := chimesdkmessaging.New(n.session(t, "https", n.RootKeys())).SendChannelMessage(&chimesdkmessaging.SendChannelMessageInput{
		ChannelArn: &n.Seeded().ChannelARN, ChimeBearer: &n.Seeded().UserARNs[0], Content: &text,
		Type: aws.String("STANDARD"), Persistence: aws.String("PERSISTENT"), ClientRequestToken: aws.String("say-" + text),
	})
	if err != nil {
		t.Fatal(err)
	}
}
