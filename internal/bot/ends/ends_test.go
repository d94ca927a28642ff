package ends_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/lexruntimev2"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillon-chat/carillon/internal/bot"
	"github.com/carillon-chat/carillon/internal/bot/ends"
	"github.com/carillon-chat/carillon/internal/outbound"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

const (
	alias   = "arn:aws:lex:eu-west-1:000000000000:bot-alias/BOTBOTBOTB/ALIASALIAS"
	channel = "arn:aws:chime:us-east-1:000000000000:app-instance/a/channel/c"
	sender  = "arn:aws:chime:us-east-1:000000000000:app-instance/a/user/bob"
	secret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

var (
	talk = bot.Session{ID: "0190163d-8694-739b-aea5-966c26f8ad90", Alias: alias, Locale: "en_US", ChannelARN: channel}
	ask  = bot.Question{Session: talk, Key: "0190163d-8694-739b-aea5-966c26f8ad91", Text: "book a room", SenderARN: sender}
)

// serve runs a server, and returns its URL and what ends at it need.
func serve(t *testing.T, handle http.HandlerFunc) (*url.URL, ends.Caller) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := outbound.New(outbound.Options{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(client.Close)
	return address, ends.Caller{Client: client, Now: time.Now}
}

// keys knows one key.
type keys struct{}

func (keys) SecretKey(_ context.Context, id, _ string) (string, any, error) {
	if id != "AKIALEXKEY0000000000" {
		return "", nil, io.ErrUnexpectedEOF
	}
	return "secret", nil, nil
}

// call is a request as a server gets it.
type call struct{ method, target, body string }

// TestLexIsCalledAsAWSsClientCallsIt: method, path and body are those of AWS's own client, and the signature is
// good for the service lex in the region of the alias.
func TestLexIsCalledAsAWSsClientCallsIt(t *testing.T) {
	verifier, err := sigv4.New(sigv4.Options{Now: time.Now, Scopes: []sigv4.Scope{{Region: "eu-west-1", Service: "lex"}}})
	if err != nil {
		t.Fatal(err)
	}
	var got call
	address, caller := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = call{r.Method, r.RequestURI, canonical(body)}
		_, err = verifier.Verify(r.Context(), &sigv4.Request{
			Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header, ContentLength: r.ContentLength, BodyHash: sha256.Sum256(body),
		}, keys{})
		if err != nil {
			t.Errorf("the signature: %v", err)
		}
		_, _ = io.WriteString(w, `{}`)
	})
	end := &ends.Lex{Caller: caller, URL: address, Credentials: sigv4.Credentials{AccessKeyID: "AKIALEXKEY0000000000", SecretAccessKey: "secret"}}
	client := lexruntimev2.New(session.Must(session.NewSession(&aws.Config{
		Endpoint: aws.String(address.String()), Region: aws.String("eu-west-1"), MaxRetries: aws.Int(0),
		Credentials: credentials.NewStaticCredentials("AKIALEXKEY0000000000", "secret", ""),
	})))

	botID, aliasID, attributes := aws.String("BOTBOTBOTB"), aws.String("ALIASALIAS"), map[string]*string{"CHIME.channel.arn": aws.String(channel)}
	for name, both := range map[string][2]func() error{
		"RecognizeText": {
			func() error { _, err := end.Answer(t.Context(), ask); return err },
			func() error {
				_, err := client.RecognizeText(&lexruntimev2.RecognizeTextInput{
					BotId: botID, BotAliasId: aliasID, LocaleId: &talk.Locale, SessionId: &talk.ID, Text: &ask.Text,
					RequestAttributes: map[string]*string{"CHIME.channel.arn": aws.String(channel), "CHIME.sender.arn": aws.String(sender)},
				})
				return err
			},
		},
		"PutSession": {
			func() error { _, err := end.Greet(t.Context(), talk, "Welcome"); return err },
			func() error {
				_, err := client.PutSession(&lexruntimev2.PutSessionInput{
					BotId: botID, BotAliasId: aliasID, LocaleId: &talk.Locale, SessionId: &talk.ID, RequestAttributes: attributes,
					SessionState: &lexruntimev2.SessionState{
						DialogAction: &lexruntimev2.DialogAction{Type: aws.String(lexruntimev2.DialogActionTypeDelegate)},
						Intent:       &lexruntimev2.Intent{Name: aws.String("Welcome"), State: aws.String(lexruntimev2.IntentStateInProgress)},
					},
				})
				return err
			},
		},
		"DeleteSession": {
			func() error { return end.Leave(t.Context(), talk) },
			func() error {
				_, err := client.DeleteSession(&lexruntimev2.DeleteSessionInput{BotId: botID, BotAliasId: aliasID, LocaleId: &talk.Locale, SessionId: &talk.ID})
				return err
			},
		},
	} {
		if err := both[0](); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		ours := got
		if err := both[1](); err != nil {
			t.Errorf("AWS's %s: %v", name, err)
		}
		if ours != got {
			t.Errorf("%s:\n  is %+v\nAWS: %+v", name, ours, got)
		}
	}
}

// canonical is JSON in one form.
func canonical(body []byte) string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return string(body)
	}
	text, _ := json.Marshal(v)
	return string(text)
}

const answered = `{"messages":[{"content":"Which day?","contentType":"PlainText"},
	{"contentType":"ImageResponseCard","imageResponseCard":{"title":"Rooms","subtitle":"Two are free","imageUrl":"https://x.example/r.png","buttons":[{"text":"Red","value":"red"}]}}],
	"sessionState":{"intent":{"name":"Book","state":"InProgress","slots":{"day":null}}},"sessionId":"s","interpretations":[]}`

const shown = `[{"Content":"Which day?","ContentType":"PlainText"},{"ContentType":"ImageResponseCard","ImageResponseCard":{"Title":"Rooms","Subtitle":"Two are free","ImageUrl":"https://x.example/r.png","Buttons":[{"Text":"Red","Value":"red"}]}}] Book InProgress`

// show is an answer as text.
func show(a bot.Answer) string {
	messages, _ := json.Marshal(a.Messages)
	return fmt.Sprint(string(messages), " ", a.Intent, " ", a.State)
}

// TestAnswersOfLex: the messages have the names of channel messages, also those that PutSession answers in
// headers.
func TestAnswersOfLex(t *testing.T) {
	address, caller := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/text") {
			_, _ = io.WriteString(w, answered)
			return
		}
		var parts map[string]json.RawMessage
		if err := json.Unmarshal([]byte(answered), &parts); err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Amz-Lex-Messages", pack(parts["messages"]))
		w.Header().Set("X-Amz-Lex-Session-State", pack(parts["sessionState"]))
		_, _ = io.WriteString(w, "audio")
	})
	end := &ends.Lex{Caller: caller, URL: address, Credentials: sigv4.Credentials{AccessKeyID: "k", SecretAccessKey: "s"}}
	a, err := end.Answer(t.Context(), ask)
	if err != nil || show(a) != shown {
		t.Errorf("RecognizeText: %s, %v", show(a), err)
	}
	greeting, err := end.Greet(t.Context(), talk, "Welcome")
	if err != nil || show(*greeting) != shown {
		t.Errorf("PutSession: %s, %v", show(*greeting), err)
	}
}

func pack(text []byte) string {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(text)
	_ = w.Close()
	return base64.StdEncoding.EncodeToString(packed.Bytes())
}

// TestFailuresOfLex: members are told the status; what the server itself lacks is worth another attempt.
func TestFailuresOfLex(t *testing.T) {
	for _, tc := range []struct {
		status int
		kind   string
		again  bool
	}{
		{400, "ValidationException", false}, {403, "AccessDeniedException", false}, {404, "ResourceNotFoundException", false},
		{409, "ConflictException", true}, {424, "DependencyFailedException", false}, {429, "ThrottlingException", true},
		{500, "InternalServerException", true}, {502, "BadGatewayException", true}, {302, "", false},
	} {
		address, caller := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-Errortype", tc.kind)
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Location", "http://127.0.0.1/elsewhere")
			w.WriteHeader(tc.status)
			_, _ = io.WriteString(w, `{"message":"hush"}`)
		})
		end := &ends.Lex{Caller: caller, URL: address, Credentials: sigv4.Credentials{AccessKeyID: "k", SecretAccessKey: "s"}}
		_, err := end.Answer(t.Context(), ask)
		f := new(bot.Failure)
		if !errors.As(err, &f) || f.Code != tc.status || f.Again != tc.again || f.After != 7*time.Second || !strings.Contains(f.Reason, tc.kind) || strings.Contains(f.Reason, "hush") {
			t.Errorf("%d: %+v", tc.status, err)
		}
		if err := end.Leave(t.Context(), talk); (err == nil) != (tc.status == 404) {
			t.Errorf("leave with %d: %v", tc.status, err)
		}
	}
}

// TestHTTPBots get one JSON object for each operation, signed.
func TestHTTPBots(t *testing.T) {
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := webhook.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	status, answer := 200, answered
	var ids, bodies []string
	address, caller := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/bot" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		ids, bodies = append(ids, r.Header.Get(webhook.HeaderID)), append(bodies, string(body))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	})
	end := &ends.HTTP{Caller: caller, URL: address.JoinPath("bot"), Signer: signer}
	a, err := end.Answer(t.Context(), ask)
	if err != nil || show(a) != shown {
		t.Errorf("an answer: %s, %v", show(a), err)
	}
	greeting, err := end.Greet(t.Context(), talk, "Welcome")
	if err != nil || show(*greeting) != shown {
		t.Errorf("a greeting: %s, %v", show(*greeting), err)
	}
	answer = ""
	if err := end.Leave(t.Context(), talk); err != nil {
		t.Error(err)
	}
	if greeting, err = end.Greet(t.Context(), talk, "Welcome"); greeting != nil || err != nil {
		t.Errorf("no greeting: %+v, %v", greeting, err)
	}
	const path = `"botId":"BOTBOTBOTB","botAliasId":"ALIASALIAS","localeId":"en_US","sessionId":"0190163d-8694-739b-aea5-966c26f8ad90"`
	want := []string{
		`{"operation":"RecognizeText",` + path + `,"text":"book a room","requestAttributes":{"CHIME.channel.arn":"` + channel + `","CHIME.sender.arn":"` + sender + `"}}`,
		`{"operation":"PutSession",` + path + `,"sessionState":{"dialogAction":{"type":"Delegate"},"intent":{"name":"Welcome","state":"InProgress"}},"requestAttributes":{"CHIME.channel.arn":"` + channel + `"}}`,
		`{"operation":"DeleteSession",` + path + `}`,
	}
	for i := range want {
		if bodies[i] != want[i] {
			t.Errorf("call %d:\n got %s\nwant %s", i, bodies[i], want[i])
		}
	}
	if ids[0] != ask.Key || ids[1] == ids[2] {
		t.Errorf("the ids are %s", ids)
	}

	// What is no answer is a failure.
	for _, tc := range []struct {
		status int
		answer string
		code   int
		again  bool
	}{
		{200, "", 502, false}, {200, "OK", 502, false}, {503, "{}", 503, true}, {401, "", 401, false},
		{200, strings.Repeat(" ", 300<<10), 502, false},
	} {
		status, answer = tc.status, tc.answer
		_, err := end.Answer(t.Context(), ask)
		if f := new(bot.Failure); !errors.As(err, &f) || f.Code != tc.code || f.Again != tc.again {
			t.Errorf("%d %.10q: %+v", tc.status, tc.answer, err)
		}
	}
	status, answer = 200, `{"messages":[{"content":"short"}]}`
	if a, err := end.Answer(t.Context(), ask); err != nil || show(a) != `[{"Content":"short","ContentType":"PlainText"}]  ` {
		t.Errorf("a short answer: %s, %v", show(a), err)
	}
}

// TestTextsThatAreTooLong are refused before any call.
func TestTextsThatAreTooLong(t *testing.T) {
	long := ask
	long.Text = strings.Repeat("é", 1025)
	for name, end := range map[string]bot.Answerer{"Lex": new(ends.Lex), "HTTP": new(ends.HTTP), "echo": new(ends.Echo)} {
		_, err := end.Answer(t.Context(), long)
		if f := new(bot.Failure); !errors.As(err, &f) || f.Code != 400 || f.Again {
			t.Errorf("%s: %+v", name, err)
		}
	}
	long.Text = long.Text[2:]
	if a, err := new(ends.Echo).Answer(t.Context(), long); err != nil || len(a.Messages) != 1 {
		t.Errorf("the longest: %v", err)
	}
}

// TestPrivateNetworksAreRefused without another attempt.
func TestPrivateNetworksAreRefused(t *testing.T) {
	client := outbound.New(outbound.Options{})
	defer client.Close()
	end := &ends.Lex{Caller: ends.Caller{Client: client, Now: time.Now}, URL: &url.URL{Scheme: "https", Host: "127.0.0.1:1"}, Credentials: sigv4.Credentials{AccessKeyID: "k", SecretAccessKey: "s"}}
	_, err := end.Answer(t.Context(), ask)
	if f := new(bot.Failure); !errors.As(err, &f) || f.Code != 502 || f.Again {
		t.Errorf("%+v", err)
	}
}

func TestTheFirstPatternCounts(t *testing.T) {
	one, two := new(ends.Echo), new(ends.Echo)
	table := ends.Table{{Pattern: "arn:aws:lex:*:bot-alias/BOTBOTBOTB/*", End: one}, {Pattern: "arn:aws:lex:*", End: two}}
	for arn, want := range map[string]bot.End{
		alias: one, "arn:aws:lex:us-east-1:000000000000:bot-alias/OTHEROTHER/ALIASALIAS": two, "arn:aws:lambda:x": nil,
	} {
		if got := table.Find(arn); got != want {
			t.Errorf("%s is at %v", arn, got)
		}
	}
}
