package goclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillon-chat/carillon/client"
	"github.com/carillon-chat/carillon/internal/api/apitest"
)

// answering makes a client whose calls the function answers.
func answering(t *testing.T, cfg client.Config, answer func(*http.Request) (*http.Response, error)) *client.Client {
	t.Helper()
	cfg.Endpoint, cfg.HTTPClient = "http://chat.test", &http.Client{Transport: roundTrip(answer)}
	if cfg.Credentials == nil {
		cfg.Credentials = someKeys
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, header, body string) *http.Response {
	w := httptest.NewRecorder()
	if name, value, ok := strings.Cut(header, ": "); ok {
		w.Header().Set(name, value)
	}
	w.WriteHeader(status)
	_, _ = w.WriteString(body)
	return w.Result()
}

// Every operation travels as the models say, with every member and with the required ones alone.
// The requests to compare with are made from the models without the generator.
func TestOperationsTravelAsTheModelsSay(t *testing.T) {
	called := 0
	for _, name := range []string{"chime-sdk-messaging", "chime-sdk-identity", "carillon"} {
		service, err := apitest.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, operation := range service.Operations() {
			called++
			for _, make := range []func(string) (*apitest.Request, error){service.Full, service.Minimal} {
				want, err := make(operation)
				if err != nil {
					t.Fatal(err)
				}
				travels(t, operation, want)
			}
		}
	}
	if called == 0 {
		t.Error("no operation was called")
	}
}

func travels(t *testing.T, operation string, want *apitest.Request) {
	t.Helper()
	var got *http.Request
	var body []byte
	c := answering(t, client.Config{}, func(r *http.Request) (*http.Response, error) {
		got = r
		body, _ = io.ReadAll(r.Body)
		return answer(200, "", "{}"), nil
	})
	method := reflect.ValueOf(c).MethodByName(operation)
	if !method.IsValid() {
		t.Errorf("%s has no method", operation)
		return
	}
	request := reflect.New(method.Type().In(1).Elem())
	fill(t, request.Elem(), want.Members)
	results := method.Call([]reflect.Value{reflect.ValueOf(t.Context()), request})
	if err, _ := results[1].Interface().(error); err != nil {
		t.Errorf("%s: %v", operation, err)
		return
	}
	if got.Method != want.Method || unescape(t, got.URL.EscapedPath()) != unescape(t, want.Path) {
		t.Errorf("%s: %s %s, want %s %s", operation, got.Method, got.URL.EscapedPath(), want.Method, want.Path)
	}
	if d := cmp.Diff(times(want.Query), times(got.URL.Query())); d != "" {
		t.Errorf("%s: query %s", operation, d)
	}
	if bearer := want.Header.Get("X-Amz-Chime-Bearer"); got.Header.Get("X-Amz-Chime-Bearer") != bearer {
		t.Errorf("%s: bearer %q, want %q", operation, got.Header.Get("X-Amz-Chime-Bearer"), bearer)
	}
	if !strings.HasPrefix(got.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE1/") {
		t.Errorf("%s is not signed", operation)
	}
	if d := cmp.Diff(document(t, want.Body), document(t, body)); d != "" {
		t.Errorf("%s: body %s", operation, d)
	}
}

// unescape keeps %2F apart from /, and nothing else.
func unescape(t *testing.T, path string) string {
	t.Helper()
	r, err := http.NewRequest("GET", "http://x"+strings.ReplaceAll(strings.ToUpper(path), "%2F", "|"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.URL.Path
}

// times makes times equal however they are written.
func times(query map[string][]string) map[string]string {
	all := map[string]string{}
	for name, values := range query {
		all[name] = values[0]
		if at, err := time.Parse(time.RFC3339, values[0]); err == nil {
			all[name] = fmt.Sprint(at.Unix())
		}
	}
	return all
}

func document(t *testing.T, text []byte) (doc map[string]any) {
	t.Helper()
	if len(text) == 0 {
		return map[string]any{}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc
}

// fill sets the fields of a request by the names of the model.
func fill(t *testing.T, v reflect.Value, members map[string]any) {
	t.Helper()
	for name, value := range members {
		field := v.FieldByNameFunc(func(f string) bool { return strings.EqualFold(f, name) })
		if !field.IsValid() {
			t.Errorf("%s has no field for %s", v.Type(), name)
			continue
		}
		set(t, field, value)
	}
}

func set(t *testing.T, field reflect.Value, value any) {
	t.Helper()
	if text, ok := value.(string); ok && field.Type() == reflect.TypeFor[client.Time]() {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		field.Set(reflect.ValueOf(client.At(at)))
		return
	}
	text, err := json.Marshal(value)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(field.Addr().Interface())
	}
	if err != nil {
		t.Errorf("%s in %s: %v", text, field.Type(), err)
	}
}

func TestWhatIsFilledIn(t *testing.T) {
	var bodies, bearers []string
	c := answering(t, client.Config{Bearer: "me"}, func(r *http.Request) (*http.Response, error) {
		text, _ := io.ReadAll(r.Body)
		bodies, bearers = append(bodies, string(text)), append(bearers, r.Header.Get("X-Amz-Chime-Bearer"))
		if len(bodies) == 1 {
			return answer(503, "", ""), nil
		}
		return answer(201, "", `{"MessageId":"m"}`), nil
	})
	request := &client.SendChannelMessageRequest{ChannelARN: "C", Content: "hi"}
	for range 2 {
		if sent, err := c.SendChannelMessage(t.Context(), request); err != nil || sent.MessageID != "m" {
			t.Fatal(sent, err)
		}
	}
	var token [3]struct{ ClientRequestToken string }
	for i := range token {
		if err := json.Unmarshal([]byte(bodies[i]), &token[i]); err != nil {
			t.Fatal(err)
		}
	}
	if token[0].ClientRequestToken == "" || token[0] != token[1] || token[1] == token[2] {
		t.Errorf("tokens %v: the same in each try of a call, and another in the next call", token)
	}
	if bearers[2] != "me" || request.ClientRequestToken != "" {
		t.Errorf("bearer %q; the caller's request is %+v", bearers[2], request)
	}
	if _, err := c.SendChannelMessage(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "SendChannelMessage: ChannelARN is missing") {
		t.Errorf("without a channel: %v", err)
	}
}

func TestRetries(t *testing.T) {
	reset := errors.New("connection reset")
	send := func(ctx context.Context, c *client.Client) error { // has a token
		_, err := c.SendChannelMessage(ctx, &client.SendChannelMessageRequest{ChannelARN: "C"})
		return err
	}
	remove := func(ctx context.Context, c *client.Client) error { // acts differently when repeated
		_, err := c.DeleteChannel(ctx, &client.DeleteChannelRequest{ChannelARN: "C"})
		return err
	}
	for _, test := range []struct {
		name   string
		call   func(context.Context, *client.Client) error
		status int
		err    error
		tries  int
	}{
		{"throttled", send, 429, nil, 4},
		{"failing", send, 500, nil, 4},
		{"away", remove, 503, nil, 4},
		{"refused", send, 403, nil, 1},
		{"missing", remove, 404, nil, 1},
		{"a lost answer, with a token", send, 0, reset, 4},
		{"a lost answer, without one", remove, 0, reset, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, tries := time.Now(), 0
				c := answering(t, client.Config{}, func(*http.Request) (*http.Response, error) {
					tries++
					if test.err != nil {
						return nil, test.err
					}
					return answer(test.status, "X-Amzn-Requestid: r1", `{"Code":"Word","Message":"why"}`), nil
				})
				err := test.call(t.Context(), c)
				var refused *client.Error
				if test.err == nil && (!errors.As(err, &refused) || refused.Status != test.status || refused.Message != "why" || refused.RequestID != "r1") {
					t.Errorf("got %v", err)
				}
				if test.err != nil && !errors.Is(err, test.err) {
					t.Errorf("got %v", err)
				}
				if tries != test.tries || time.Since(start) > 15*time.Second {
					t.Errorf("%d tries in %v, want %d", tries, time.Since(start), test.tries)
				}
			})
		})
	}
	t.Run("the context ends them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := answering(t, client.Config{MaxAttempts: 1 << 30}, func(*http.Request) (*http.Response, error) { return answer(503, "", ""), nil })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := send(ctx, c); err == nil {
				t.Error("it succeeded")
			}
		})
	})
}

func TestCredentialsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked int
		var failing error
		provider := func(context.Context) (client.Credentials, error) {
			asked++
			return client.Credentials{
				AccessKeyID: fmt.Sprintf("AKIDTEST%02d", asked), SecretAccessKey: "x", SessionToken: "t", Expires: time.Now().Add(time.Hour),
			}, failing
		}
		revoked := ""
		var used string
		c := answering(t, client.Config{Credentials: provider}, func(r *http.Request) (*http.Response, error) {
			_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
			if used = rest[:10]; used == revoked {
				return answer(403, "X-Amzn-Errortype: ExpiredTokenException", ""), nil
			}
			return answer(200, "", "{}"), nil
		})
		call := func(want string) {
			t.Helper()
			if _, err := c.ListAppInstances(t.Context(), nil); err != nil || used != want {
				t.Errorf("with %s, want %s: %v", used, want, err)
			}
		}
		call("AKIDTEST01")
		call("AKIDTEST01")
		time.Sleep(59*time.Minute + time.Second) // a minute before the end
		failing = errors.New("not now")
		call("AKIDTEST01") // good for a while
		failing = nil
		call("AKIDTEST03")
		revoked = "AKIDTEST03"
		call("AKIDTEST04")
		revoked = "AKIDTEST04"
		time.Sleep(2 * time.Hour)
		failing = errors.New("gone")
		if _, err := c.ListAppInstances(t.Context(), nil); !errors.Is(err, failing) {
			t.Errorf("got %v", err)
		}
	})
	if text := fmt.Sprintf("%v %+v %#v", client.Credentials{SecretAccessKey: "abc"}, client.Credentials{SecretAccessKey: "abc"}, client.Credentials{SecretAccessKey: "abc"}); strings.Contains(text, "abc") {
		t.Errorf("credentials print their secret: %s", text)
	}
}

func TestBadConfigurations(t *testing.T) {
	for _, cfg := range []client.Config{
		{Credentials: someKeys},
		{Credentials: someKeys, Endpoint: "chat.example.org:24463"},
		{Credentials: someKeys, Endpoint: "ws://chat.example.org"},
		{Credentials: someKeys, Endpoint: "https://chat.example.org/path"},
		{Endpoint: "https://chat.example.org"},
		{Credentials: someKeys, Endpoint: "https://chat.example.org", MaxAttempts: -1},
	} {
		if _, err := client.New(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
	c, err := client.New(client.Config{Endpoint: "https://chat.example.org", Credentials: someKeys})
	if err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []client.SessionConfig{
		{},
		{UserARN: ann, Liveness: -1},
		{UserARN: ann, NoResume: true, ResumeFrom: "T"},
		{UserARN: ann, Reconnect: &client.Reconnect{First: 2, Longest: 1}},
	} {
		if _, err := c.Connect(t.Context(), cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}

func TestTimes(t *testing.T) {
	want := time.Date(2021, 6, 3, 16, 26, 31, 13e6, time.UTC)
	for _, text := range []string{`1622737591.013`, `"2021-06-03T16:26:31.013Z"`} {
		var got client.Time
		if err := json.Unmarshal([]byte(text), &got); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if text, err := json.Marshal(client.At(want)); err != nil || string(text) != "1622737591.013" {
		t.Errorf("%s, %v", text, err)
	}
	for _, text := range []string{`"yesterday"`, `true`, `{}`, `1e300`} {
		if err := json.Unmarshal([]byte(text), new(client.Time)); err == nil {
			t.Errorf("%s is a time", text)
		}
	}
}
