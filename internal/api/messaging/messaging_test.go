package messaging_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
)

const (
	channelARN = "arn:aws:chime:us-east-1:000000000000:app-instance/a/channel/c"
	bearerARN  = "arn:aws:chime:us-east-1:000000000000:app-instance/a/user/us-east-1:x@y"
)

func input(body string) *api.Input {
	return &api.Input{
		Path:   func(string) string { return channelARN },
		Query:  url.Values{},
		Header: http.Header{"X-Amz-Chime-Bearer": {bearerARN}},
		Body:   []byte(body),
	}
}

func operation(t testing.TB, name string, h messaging.Handler) api.Operation {
	for _, op := range messaging.Operations(h) {
		if op.Name == name {
			return op
		}
	}
	t.Fatalf("no operation %s", name)
	return api.Operation{}
}

const send = `{"Content":"hello \u0000 \ud83d\ude00","Type":"STANDARD","Persistence":"PERSISTENT","Metadata":"{\n \"a\": 1\n}",` +
	`"ClientRequestToken":"8fbfbb9c-0b6d-4a2c-9f3c-1d1c3c6d3f10","PushNotification":{"Title":"t","Body":"b","Type":"VOIP"},` +
	`"MessageAttributes":{"mention":{"StringValues":["Bob","Ann"]}},"ContentType":"text/plain","Target":[{"MemberArn":"` + bearerARN + `"}],` +
	`"SubChannelId":null,"Unknown":{"a":[1,2,{"b":null}]}}`

func TestSendChannelMessageIsReadCompletely(t *testing.T) {
	req, err := operation(t, "SendChannelMessage", messaging.Unbuilt{}).Decode(input(send))
	if err != nil {
		t.Fatal(err)
	}
	metadata, contentType, title, body, target := "{\n \"a\": 1\n}", "text/plain", "t", "b", bearerARN
	want := &messaging.SendChannelMessageRequest{
		ChannelARN:         channelARN,
		Content:            "hello \x00 😀",
		Type:               messaging.ChannelMessageTypeStandard,
		Persistence:        messaging.ChannelMessagePersistenceTypePersistent,
		Metadata:           &metadata,
		ClientRequestToken: "8fbfbb9c-0b6d-4a2c-9f3c-1d1c3c6d3f10",
		ChimeBearer:        bearerARN,
		PushNotification:   &messaging.PushNotificationConfiguration{Title: &title, Body: &body, Type: messaging.PushNotificationTypeVoip},
		MessageAttributes:  map[string]messaging.MessageAttributeValue{"mention": {StringValues: []string{"Bob", "Ann"}}},
		ContentType:        &contentType,
		Target:             []messaging.Target{{MemberARN: &target}},
	}
	if !reflect.DeepEqual(req, want) {
		t.Errorf("got  %+v\nwant %+v", req, want)
	}
}

func TestSendChannelMessageRefusals(t *testing.T) {
	with := func(member, value string) string {
		var m map[string]json.RawMessage
		if err := json.Unmarshal([]byte(send), &m); err != nil {
			t.Fatal(err)
		}
		m[member] = json.RawMessage(value)
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	long := func(s string, n int) string { return `"` + strings.Repeat(s, n) + `"` }
	cases := []struct{ name, body, member string }{
		{"no body", "", "Content"},
		{"the first in the model's order", `{"Type":"X","Content":""}`, "Content"},
		{"empty content", with("Content", `""`), "Content"},
		{"metadata counts bytes", with("Metadata", long("é", 513)), "Metadata"},
		{"metadata at the limit", with("Metadata", long("é", 512)), ""},
		{"large content is the service's matter", with("Content", long("é", 5000)), ""},
		{"content type counts characters", with("ContentType", long("é", 45)), ""},
		{"content type too long", with("ContentType", long("é", 46)), "ContentType"},
		{"a title of two lines", with("PushNotification", `{"Title":"a\nb"}`), "PushNotification.Title"},
		{"an attribute value too long", with("MessageAttributes", `{"mention":{"StringValues":["a",`+long("b", 513)+`]}}`), "MessageAttributes.mention.StringValues[1]"},
		{"an attribute of the wrong type", with("MessageAttributes", `{"mention":{"StringValues":[5]}}`), "MessageAttributes.mention.StringValues[0]"},
		{"the smallest key of two faults", with("MessageAttributes", `{"b":{"StringValues":[""]},"a":{"StringValues":["x",""]}}`), "MessageAttributes.a.StringValues[1]"},
		{"an attribute name too long", with("MessageAttributes", `{`+long("k", 65)+`:{}}`), `MessageAttributes["` + strings.Repeat("k", 64) + `..."]`},
		{"two targets", with("Target", `[{},{}]`), "Target"},
		{"a target that is no ARN", with("Target", `[{"MemberArn":"bob"}]`), "Target[0].MemberArn"},
		{"an unknown type", with("Type", `"SYSTEM"`), "Type"},
		{"a lone surrogate", with("Content", `"\ud83d"`), ""},
		{"a content twice", `{"Content":"first",` + with("Content", `"second"`)[1:], "Content"},
		{"not JSON", "{", "-"},
	}
	op := operation(t, "SendChannelMessage", messaging.Unbuilt{})
	for _, c := range cases {
		_, err := op.Decode(input(c.body))
		var e *api.Error
		switch {
		case c.member == "":
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		case !errors.As(err, &e) || e.Type != "BadRequestException" || e.Code != "BadRequest":
			t.Errorf("%s: got %v", c.name, err)
		case c.member == "-" && e.Message == "", c.member != "-" && e.Member != c.member:
			t.Errorf("%s: got %v (member %q)", c.name, e, e.Member)
		case strings.Contains(e.Message, "bbb"), strings.Contains(e.Message, "ééé"):
			t.Errorf("%s: the message repeats the value: %s", c.name, e.Message)
		}
	}
}

func TestQueryMembersAreNamedAsInTheModel(t *testing.T) {
	op := operation(t, "ListChannelMessages", messaging.Unbuilt{})
	cases := []struct{ name, value, message string }{
		{"max-results", "51", "MaxResults (query parameter max-results) must be 1 to 50"},
		{"max-results", "five", "MaxResults (query parameter max-results) must be an integer"},
		{"sort-order", "UP", "SortOrder (query parameter sort-order) must be one of ASCENDING, DESCENDING"},
		{"not-before", "yesterday", "NotBefore (query parameter not-before) must be an ISO 8601 time or a number of seconds since 1970"},
		{"sub-channel-id", "a b", "SubChannelId (query parameter sub-channel-id) must match the pattern [-_a-zA-Z0-9]*"},
	}
	for _, c := range cases {
		in := input("")
		in.Query.Set(c.name, c.value)
		_, err := op.Decode(in)
		var e *api.Error
		if !errors.As(err, &e) || e.Message != c.message {
			t.Errorf("%s=%s: got %v", c.name, c.value, err)
		}
	}
	in := input("not JSON, and not looked at")
	in.Query = url.Values{"not-before": {"2021-06-03T16:26:31.013Z"}, "not-after": {"1622737591.5"}, "max-results": {"50"}, "sort-order": {"ASCENDING"}}
	req, err := op.Decode(in)
	if err != nil {
		t.Fatal(err)
	}
	r := req.(*messaging.ListChannelMessagesRequest)
	if r.NotBefore.UnixMilli() != 1622737591013 || r.NotAfter.UnixMilli() != 1622737591500 || *r.MaxResults != 50 || r.SortOrder != messaging.SortOrderAscending || r.NextToken != nil {
		t.Errorf("got %+v", r)
	}
}

func message() *messaging.ChannelMessage {
	at := time.Date(2021, 6, 3, 16, 26, 31, 13e6, time.UTC)
	target, content := bearerARN, "héllo\n"
	return &messaging.ChannelMessage{
		ChannelARN: channelARN, MessageID: "9f", Content: &content, Metadata: "{}", Type: messaging.ChannelMessageTypeStandard,
		CreatedTimestamp: &at, LastUpdatedTimestamp: &at, Sender: &messaging.Identity{ARN: bearerARN, Name: "Ann"},
		Persistence: messaging.ChannelMessagePersistenceTypePersistent,
		Status:      &messaging.ChannelMessageStatusStructure{Value: messaging.ChannelMessageStatusSent},
		MessageAttributes: map[string]messaging.MessageAttributeValue{
			"mention": {StringValues: []string{"Bob"}}, "a": {}, "b": {StringValues: []string{}},
		},
		ContentType: "text/plain", Target: []messaging.Target{{MemberARN: &target}},
	}
}

func TestChannelMessageOnTheWire(t *testing.T) {
	form := `{"ChannelArn":"` + channelARN + `","MessageId":"9f","Content":"héllo\n","Metadata":"{}","Type":"STANDARD",` +
		`"CreatedTimestamp":AT,"LastUpdatedTimestamp":AT,"Sender":{"Arn":"` + bearerARN + `","Name":"Ann"},"Redacted":false,` +
		`"Persistence":"PERSISTENT","Status":{"Value":"SENT"},` +
		`"MessageAttributes":{"a":{},"b":{"StringValues":[]},"mention":{"StringValues":["Bob"]}},"ContentType":"text/plain",` +
		`"Target":[{"MemberArn":"` + bearerARN + `"}]}`
	if got, want := string(message().AppendJSON(nil, api.ISO)), strings.ReplaceAll(form, "AT", `"2021-06-03T16:26:31.013Z"`); got != want {
		t.Errorf("WebSocket:\n%s\nwant\n%s", got, want)
	}
	if got, want := string(message().AppendJSON(nil, api.Epoch)), strings.ReplaceAll(form, "AT", "1622737591.013"); got != want {
		t.Errorf("REST:\n%s\nwant\n%s", got, want)
	}
	redacted := &messaging.ChannelMessage{Redacted: true}
	if got := string(redacted.AppendJSON(nil, api.ISO)); got != `{"Redacted":true}` {
		t.Errorf("absent members are written: %s", got)
	}
}

func TestListsOfAPageAreAlwaysWritten(t *testing.T) {
	cases := map[string]api.Response{
		`{"Channels":[]}`:        &messaging.ListChannelsResponse{},
		`{"ChannelMessages":[]}`: &messaging.ListChannelMessagesResponse{},
		`{}`:                     &messaging.ListTagsForResourceResponse{},
		`{"Tags":[]}`:            &messaging.ListTagsForResourceResponse{Tags: []messaging.Tag{}},
		`{"SubChannels":[{"SubChannelId":"s","MembershipCount":0}]}`: &messaging.ListSubChannelsResponse{
			SubChannels: []messaging.SubChannelSummary{{SubChannelID: "s"}}},
	}
	for want, resp := range cases {
		if got := string(resp.AppendJSON(nil, api.Epoch)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestChannelFlowCallbackDefaults(t *testing.T) {
	body := `{"CallbackId":"` + strings.Repeat("a", 32) + `","ChannelMessage":{"MessageId":"m"}}`
	req, err := operation(t, "ChannelFlowCallback", messaging.Unbuilt{}).Decode(input(body))
	if err != nil {
		t.Fatal(err)
	}
	r := req.(*messaging.ChannelFlowCallbackRequest)
	if r.DeleteResource || r.ChannelMessage.Content != nil || r.ChannelMessage.MessageID != "m" {
		t.Errorf("got %+v", r)
	}
}

// built answers one operation; the rest falls through to Unbuilt.
type built struct {
	rest
	got *messaging.SendChannelMessageRequest
}

type rest struct{ messaging.Unbuilt }

func (b *built) SendChannelMessage(_ context.Context, r *messaging.SendChannelMessageRequest) (*messaging.SendChannelMessageResponse, error) {
	b.got = r
	return &messaging.SendChannelMessageResponse{ChannelARN: r.ChannelARN}, nil
}

func (b *built) DeleteChannel(context.Context, *messaging.DeleteChannelRequest) (*messaging.DeleteChannelResponse, error) {
	return nil, nil
}

func TestCallReachesTheHandler(t *testing.T) {
	h := new(built)
	op := operation(t, "SendChannelMessage", h)
	req, err := op.Decode(input(send))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := op.Call(t.Context(), req)
	if err != nil || h.got != req.(*messaging.SendChannelMessageRequest) {
		t.Fatalf("got %v %v", h.got, err)
	}
	if doc := string(op.AppendResponse(nil, resp, "")); doc != `{"ChannelArn":"`+channelARN+`"}` {
		t.Errorf("got %s", doc)
	}
	op = operation(t, "DeleteChannel", h)
	if req, err = op.Decode(input("")); err != nil {
		t.Fatal(err)
	}
	if resp, err = op.Call(t.Context(), req); err != nil || string(op.AppendResponse(nil, resp, "")) != "{}" {
		t.Errorf("a nil answer: %v %v", resp, err)
	}
	op = operation(t, "CreateChannel", h)
	if _, err = op.Call(t.Context(), new(messaging.CreateChannelRequest)); err == nil || !strings.Contains(err.Error(), "CreateChannel of chime-sdk-messaging is not built yet") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecodeSendChannelMessage(f *testing.F) {
	for _, seed := range []string{send, "", "{}", `{"Content":`, `{"MessageAttributes":{"a":null,"a":{"StringValues":[null]}}}`, `{"Target":[{}],"x":[[[[` + "\xff", `[]`, `{"Content":"\ud800"}`} {
		f.Add([]byte(seed))
	}
	op := operation(f, "SendChannelMessage", messaging.Unbuilt{})
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := op.Decode(input(string(body)))
		var e *api.Error
		if err != nil {
			if !errors.As(err, &e) || e.Status != 400 || e.Message == "" || !json.Valid(e.AppendJSON(nil)) {
				t.Fatalf("%q: %#v", body, err)
			}
			return
		}
		// What is accepted is what encoding/json reads.
		var std struct{ Content string }
		if err := json.Unmarshal(body, &std); err != nil {
			t.Fatalf("%q accepted, encoding/json says %v", body, err)
		}
		if r := req.(*messaging.SendChannelMessageRequest); r.Content == "" || r.ClientRequestToken == "" {
			t.Fatalf("%q: accepted without required members", body)
		}
	})
}

const usual = `{"Content":"hello, this is a message of a usual length for a chat","Type":"STANDARD","Persistence":"PERSISTENT",` +
	`"Metadata":"{}","ClientRequestToken":"8fbfbb9c-0b6d-4a2c-9f3c-1d1c3c6d3f10"}`

func BenchmarkDecodeSendChannelMessage(b *testing.B) {
	op, in := operation(b, "SendChannelMessage", messaging.Unbuilt{}), input(usual)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := op.Decode(in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeReference is encoding/json on the same body, without checking
// anything: what the generated decoder is compared with.
func BenchmarkDecodeReference(b *testing.B) {
	body := []byte(usual)
	b.ReportAllocs()
	for b.Loop() {
		if err := json.Unmarshal(body, new(messaging.SendChannelMessageRequest)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeChannelMessage(b *testing.B) {
	m, buf := message(), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = m.AppendJSON(buf[:0], api.ISO)
	}
	b.SetBytes(int64(len(buf)))
}

// BenchmarkEncodeReference is encoding/json on the same message.
func BenchmarkEncodeReference(b *testing.B) {
	m := message()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(m); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	m, buf := message(), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = m.AppendJSON(buf[:0], api.ISO) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
