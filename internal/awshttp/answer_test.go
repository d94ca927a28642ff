package awshttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	sdkmessaging "github.com/aws/aws-sdk-go/service/chimesdkmessaging"
	"github.com/google/uuid"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/api/sts"
	"github.com/carillon-chat/carillon/internal/awshttp"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/throttle"
)

var update = flag.Bool("update", false, "rewrite testdata")

// dump is an answer as a person reads it.
func (a answer) dump() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", a.status, http.StatusText(a.status))
	names := make([]string, 0, len(a.header))
	for name := range a.header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(a.header[name], " | "))
	}
	return b.String() + "\n" + a.body + "\n"
}

func answering(resp api.Response, err error) stub {
	return func(context.Context, *api.Operation, api.Request) (api.Response, error) { return resp, err }
}

func TestAnswersOnTheWire(t *testing.T) {
	created := time.UnixMilli(1622737591013)
	describe := func() *http.Request {
		r := request("GET", "/channels/"+channelLabel, "")
		r.Header.Set("X-Amz-Chime-Bearer", userARN)
		return r
	}
	remove := func() *http.Request {
		r := request("DELETE", "/channels/"+channelLabel, "")
		r.Header.Set("X-Amz-Chime-Bearer", userARN)
		return r
	}
	identityForm := func() *http.Request { return form("sts", "Action=GetCallerIdentity&Version=2011-06-15") }
	poolID := func() *http.Request {
		return target("", "AWSCognitoIdentityService.GetId", `{"IdentityPoolId":"us-east-1:0"}`)
	}
	refuse := func(code string, status int) func(*sigv4.Request) error {
		return func(*sigv4.Request) error {
			return &sigv4.Error{Code: code, Status: status, Message: "the reason"}
		}
	}
	for _, test := range []struct {
		name    string
		request *http.Request
		run     stub
		verify  func(*sigv4.Request) error
	}{
		{"ok", describe(), answering(&messaging.DescribeChannelResponse{Channel: &messaging.Channel{Name: `a"b`, CreatedTimestamp: &created}}, nil), nil},
		{"created", send("x"), answering(&messaging.SendChannelMessageResponse{ChannelARN: channelARN, MessageID: "m"}, nil), nil},
		{"empty-result", describe(), answering(new(messaging.DescribeChannelResponse), nil), nil},
		{"no-content", remove(), answering(new(messaging.DeleteChannelResponse), nil), nil},
		{"forbidden", describe(), answering(nil, api.Forbidden("the bearer may not see <this>")), nil},
		{"wrapped", describe(), answering(nil, fmt.Errorf("send: %w", api.Forbidden("inside"))), nil},
		{"throttled", describe(), answering(nil, api.Throttled("slow down")), nil},
		{"failure", describe(), answering(nil, errors.New("pq: password=hunter2")), nil},
		{"foreign-page", describe(), answering(nil, fmt.Errorf("channels: %w", store.ErrPageToken)), nil},
		{"disk-full", describe(), answering(nil, fmt.Errorf("commit: %w", store.ErrFull)), nil},
		{"store-gone", describe(), answering(nil, fmt.Errorf("read: %w", store.ErrUnavailable)), nil},
		{"unsigned", describe(), nil, refuse(sigv4.CodeMissing, 403)},
		{"expired-clock", describe(), nil, refuse(sigv4.CodeExpired, 400)},
		{"not-found", request("GET", "/nothing", ""), nil, nil},
		{"query-ok", identityForm(), answering(&sts.GetCallerIdentityResponse{Account: "000000000000", ARN: "arn:aws:iam::000000000000:root", UserID: "<id>"}, nil), nil},
		{"query-refused", identityForm(), nil, refuse(sigv4.CodeInvalid, 403)},
		{"query-unknown-key", identityForm(), nil, refuse(sigv4.CodeUnrecognized, 403)},
		{"query-expired-clock", identityForm(), nil, refuse(sigv4.CodeExpired, 400)},
		{"query-failure", identityForm(), answering(nil, errors.New("secret")), nil},
		{"json-refused", poolID(), answering(nil, &api.Error{Type: "NotAuthorizedException", Status: 400, Message: "no"}), nil},
		{"json-failure", poolID(), answering(nil, errors.New("secret")), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, test.run)
			f.gate.verify = test.verify
			got := f.do(test.request).dump()
			file := filepath.Join("testdata", test.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestOverARealConnection(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	f := newFixture(t, answering(&messaging.DescribeChannelResponse{Channel: &messaging.Channel{Metadata: long}}, nil),
		func(o *awshttp.Options) { o.Random = nil })
	server := httptest.NewServer(f)
	defer server.Close()
	ids := map[string]bool{}
	for range 3 {
		r, _ := http.NewRequest("GET", server.URL+"/channels/"+channelLabel, nil)
		r.Header.Set("Authorization", "chime")
		r.Header.Set("X-Amz-Chime-Bearer", userARN)
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.ContentLength < 100_000 || len(resp.TransferEncoding) > 0 {
			t.Errorf("length %d, encoding %q", resp.ContentLength, resp.TransferEncoding)
		}
		a := readAnswer(t, resp)
		a.expect(t, 200, "", long)
		if d, err := http.ParseTime(a.header.Get("Date")); err != nil || time.Since(d).Abs() > time.Hour {
			t.Errorf("Date %q", a.header.Get("Date"))
		}
		id := a.header.Get("x-amzn-RequestId")
		if err := uuid.Validate(id); err != nil || ids[id] {
			t.Errorf("request id %q: %v", id, err)
		}
		ids[id] = true
	}
}

func TestAPanicIsAnErrorAndTheConnectionLivesOn(t *testing.T) {
	fail := true
	f := newFixture(t, func(context.Context, *api.Operation, api.Request) (api.Response, error) {
		if fail {
			fail = false
			panic("out of luck")
		}
		return new(messaging.DescribeChannelResponse), nil
	})
	server := httptest.NewServer(f)
	defer server.Close()
	connections := map[string]bool{}
	for _, want := range []int{500, 200} {
		r, _ := http.NewRequest("GET", server.URL+"/channels/"+channelLabel, nil)
		r.Header.Set("Authorization", "chime")
		r.Header.Set("X-Amz-Chime-Bearer", userARN)
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if a := readAnswer(t, resp); a.status != want || strings.Contains(a.body, "luck") {
			t.Errorf("%d %s", a.status, a.body)
		}
		connections[fmt.Sprint(resp.Close)] = true
	}
	if connections["true"] {
		t.Error("the connection was closed")
	}
	logs := f.logs.String()
	for _, piece := range []string{"level=ERROR", "out of luck", zeroID, "answer_test.go"} {
		if !strings.Contains(logs, piece) {
			t.Errorf("no %q in the log: %s", piece, logs)
		}
	}
}

func TestAClientThatLeftIsNotAnswered(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := newFixture(t, func(ctx context.Context, _ *api.Operation, _ api.Request) (api.Response, error) {
		cancel()
		return nil, fmt.Errorf("commit: %w", ctx.Err())
	})
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("recovered %v", v)
			}
		}()
		f.ServeHTTP(w, send("x").WithContext(ctx))
	}()
	if w.Body.Len() > 0 {
		t.Errorf("answered %s", w.Body)
	}
	if len(f.observed) != 1 || f.observed[0].status != 499 {
		t.Errorf("observed %+v", f.observed)
	}
	// A cancellation of the server's own is a failure, not silence.
	f = newFixture(t, answering(nil, context.Canceled))
	f.do(send("x")).expect(t, 500, "ServiceFailureException", "under this request id")
}

func TestWhatIsObserved(t *testing.T) {
	now := time.Unix(0, 0)
	f := newFixture(t, func(context.Context, *api.Operation, api.Request) (api.Response, error) {
		now = now.Add(3 * time.Millisecond)
		return new(messaging.SendChannelMessageResponse), nil
	}, func(o *awshttp.Options) { o.Now = func() time.Time { return now } })
	f.do(send("x"))
	f.do(send(`"`))
	f.do(request("GET", "/nothing", ""))
	f.do(request("OPTIONS", "/channels", ""))
	want := []observation{
		{"SendChannelMessage", 201, 3 * time.Millisecond},
		{"SendChannelMessage", 400, 0},
		{"unknown", 404, 0},
	}
	if !slices.Equal(f.observed, want) {
		t.Errorf("observed %v, want %v", f.observed, want)
	}
}

func TestLogsHoldNoSecrets(t *testing.T) {
	f := newFixture(t, func(_ context.Context, op *api.Operation, _ api.Request) (api.Response, error) {
		switch op.Name {
		case "SendChannelMessage":
			return nil, api.NotFound("undeclared")
		case "GetCallerIdentity":
			return nil, errors.New("broken")
		}
		panic("at the disco")
	})
	r := send("SECRET-content")
	r.URL.RawQuery = "X-Amz-Signature=SECRET-signature&X-Amz-Security-Token=SECRET-token&sub-channel-id=SECRET-id"
	r.Header.Set("X-Amz-Security-Token", "SECRET-header")
	f.do(r)
	f.do(form("sts", "Action=GetCallerIdentity&Version=2011-06-15&X=SECRET-form"))
	f.do(target("", "AWSCognitoIdentityService.GetId", `{"IdentityPoolId":"us-east-1:0","Logins":{"p":"SECRET-login"}}`))
	f.do(request("GET", "/SECRET-path?SECRET-query", ""))
	logs := f.logs.String()
	if strings.Contains(logs, "SECRET") {
		t.Errorf("logs: %s", logs)
	}
	for _, piece := range []string{"operation=SendChannelMessage", "status=404", "request=" + zeroID, "key=AKIDEXAMPLE", "took_seconds=", "operation=unknown", "cause=broken"} {
		if !strings.Contains(logs, piece) {
			t.Errorf("no %q in the log: %s", piece, logs)
		}
	}
}

// Requests at once do not see each other's memory.
func TestBuffersAreNotShared(t *testing.T) {
	f := newFixture(t, func(_ context.Context, _ *api.Operation, req api.Request) (api.Response, error) {
		return &messaging.SendChannelMessageResponse{MessageID: req.(*messaging.SendChannelMessageRequest).Content}, nil
	}, func(o *awshttp.Options) { o.Log, o.Gate = nil, letIn{} })
	server := httptest.NewServer(f)
	defer server.Close()
	const clients, requests = 8, 50
	errs := make(chan error, clients)
	for client := range clients {
		go func() {
			for i := range requests {
				content := strings.Repeat(fmt.Sprintf("%d-%d ", client, i), 1+i*20)
				if err := sendOver(server, content); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func sendOver(server *httptest.Server, content string) error {
	r := send(content)
	out, err := http.NewRequest(r.Method, server.URL+r.RequestURI, r.Body)
	if err != nil {
		return err
	}
	out.Header = r.Header
	resp, err := server.Client().Do(out)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && !bytes.Contains(body, []byte(`"`+content+`"`)) {
		err = fmt.Errorf("sent %q, got %s", content, body)
	}
	return err
}

func TestAnswersSayWhenToComeBack(t *testing.T) {
	for wait, want := range map[time.Duration][2]string{
		0:                         {"", ""},
		1:                         {"1", "1"},
		time.Second:               {"1", "1000"},
		1500*time.Millisecond + 1: {"2", "1501"},
	} {
		refusal := api.Throttled("slowly")
		refusal.RetryAfter = wait
		a := newFixture(t, answering(nil, refusal)).do(send("x"))
		a.expect(t, 429, "ThrottledClientException", "slowly")
		if got := [2]string{a.header.Get("Retry-After"), a.header.Get("x-amz-retry-after")}; got != want {
			t.Errorf("%v: %q, want %q", wait, got, want)
		}
	}
}

func TestRatesAreForThoseWhomTheGateLetsIn(t *testing.T) {
	limiter, err := throttle.New(throttle.Options{
		Rates: map[string]int{"rate-bearer": 1}, Now: func() time.Time { return time.UnixMilli(0) },
	})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, nil, func(o *awshttp.Options) { o.Limiter = limiter })
	f.gate.authorize = func(*api.Operation, api.Request) error { return api.Forbidden("not you") }
	for range 5 { // somebody else with the bearer of a user
		f.do(send("x")).expect(t, 403, "ForbiddenException", "not you")
	}
	f.gate.authorize = nil
	for range 5 { // no request that the model accepts
		f.do(send("")).expect(t, 400, "BadRequestException", "Content")
	}
	f.do(send("x")).expect(t, 503, "ServiceUnavailableException", "SendChannelMessage")
	f.do(send("x")).expect(t, 503, "ServiceUnavailableException", "SendChannelMessage")
	f.do(send("x")).expect(t, 429, "ThrottledClientException", "rate-bearer")
	if len(f.calls) != 2 {
		t.Errorf("calls %q", f.calls)
	}
}

// Callers, strangers among them, decide how often they are refused, not how much is written.
func TestRefusalsAreLoggedOnceASecondAndCounted(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	counted := map[string]int{}
	var logs bytes.Buffer
	f := newFixture(t, answering(nil, store.ErrUnavailable), func(o *awshttp.Options) {
		o.Now = func() time.Time { return now }
		o.Refused = func(step, errorType string) { counted[step+" "+errorType]++ }
		o.Log = slog.New(slog.NewTextHandler(&logs, nil))
	})
	unsigned := func() *http.Request {
		r := send("x")
		r.Header.Del("Authorization")
		return r
	}
	lines := func() []string {
		text := strings.TrimSpace(logs.String())
		logs.Reset()
		return strings.Split(text, "\n")
	}
	for range 3 {
		f.do(unsigned())
	}
	if got := lines(); len(got) != 1 || !strings.Contains(got[0], "level=INFO") || !strings.Contains(got[0], "step=form") ||
		!strings.Contains(got[0], "error=MissingAuthenticationTokenException") || !strings.Contains(got[0], "remote=192.0.2.1:1234") || !strings.Contains(got[0], "host=example.com") {
		t.Errorf("refusals: %q", got)
	}
	for range 4 { // a failing store is told beside refusals
		f.do(send("x"))
	}
	if got := lines(); len(got) != 1 || !strings.Contains(got[0], "level=ERROR") || !strings.Contains(got[0], "status=503") {
		t.Errorf("failures: %q", got)
	}
	now = now.Add(time.Second)
	f.do(unsigned())
	f.do(send("x"))
	if got := lines(); len(got) != 2 || !strings.Contains(got[0], "omitted=2") || !strings.Contains(got[1], "omitted=3") {
		t.Errorf("a second later: %q", got)
	}
	if counted["form MissingAuthenticationTokenException"] != 4 || len(counted) != 1 {
		t.Errorf("counted %v", counted)
	}
}

func TestARefusalByIAMIsOfAStepToo(t *testing.T) {
	counted := map[string]int{}
	s := serve(t, answering(new(messaging.DescribeChannelResponse), nil), func(o *awshttp.Options) {
		o.Refused = func(step, errorType string) { counted[step+" "+errorType]++ }
	})
	if err := s.store.Update(t.Context(), "a", func(tx store.Tx) error { return store.Users.Put(tx, store.K("a", "u"), chime.User{ID: "u"}) }); err != nil {
		t.Fatal(err)
	}
	c, err := s.access.IssueUserCredentials(t.Context(), "a", chime.UserRef("u"), access.UserSessionDuration)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sdkmessaging.New(s.session(as(c.AccessKeyID, c.SecretAccessKey, c.SessionToken))).DescribeChannel(&sdkmessaging.DescribeChannelInput{
		ChannelArn: aws.String(channelARN), ChimeBearer: aws.String(appARN + "/user/other")})
	expectCode(t, err, 403, "AccessDeniedException")
	if counted["policy AccessDeniedException"] != 1 || len(counted) != 1 {
		t.Errorf("counted %v", counted)
	}
}

func TestTheAccessLog(t *testing.T) {
	var logs bytes.Buffer
	f := newFixture(t, answering(&messaging.SendChannelMessageResponse{MessageID: "m"}, nil), func(o *awshttp.Options) {
		o.AccessLog = true
		o.Log = slog.New(slog.NewJSONHandler(&logs, nil))
	})
	r := send("SECRET")
	r.Header.Set("User-Agent", "browser")
	size := len(f.do(r).body)
	var line map[string]any
	if err := json.Unmarshal(logs.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"level": "INFO", "method": "POST", "operation": "SendChannelMessage", "status": 201.0, "bytes": float64(size), "bearer": userARN,
		"key": "AKIDEXAMPLE", "remote": "192.0.2.1:1234", "user_agent": "browser", "request": zeroID,
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	if _, ok := line["took_seconds"].(float64); !ok {
		t.Errorf("no seconds: %v", line)
	}
	// Who is refused is no less written, and no more than once.
	logs.Reset()
	for range 2 {
		r := send("x")
		r.Header.Del("Authorization")
		f.do(r)
	}
	if n := strings.Count(logs.String(), `"step":"form"`); n != 2 || strings.Contains(logs.String(), "bearer") {
		t.Errorf("%d lines: %s", n, logs.String())
	}
}
