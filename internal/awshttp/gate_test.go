package awshttp_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/awshttp"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// parseRequest reads a request as net/http's server does.
func parseRequest(text string) (*http.Request, bool) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return nil, false
	}
	return r, true
}

func TestNothingIsCalledWithoutASignatureButWhatTheModelNames(t *testing.T) {
	f, samples := newFixture(t, nil), loadSamples(t)
	operations := unbuilt()
	open := 0
	for i := range operations {
		op := &operations[i]
		f.calls = nil
		r := samples.request(op)
		r.Header.Del("Authorization")
		a := f.do(r)
		if op.Unsigned {
			open++
			if !slices.Equal(f.calls, []string{answeredBy(op)}) {
				t.Errorf("%s: called %q, answered %s", op.Name, f.calls, a.body)
			}
			continue
		}
		if len(f.calls) > 0 || a.status != 403 || !strings.Contains(a.errorType()+a.body, "MissingAuthenticationToken") {
			t.Errorf("%s: called %q, answered %d %s", op.Name, f.calls, a.status, a.body)
		}
	}
	if open != 4 {
		t.Errorf("%d operations are open, want AssumeRoleWithWebIdentity and three of Cognito", open)
	}
}

func TestAnOpenActionDoesNotOpenAnythingElse(t *testing.T) {
	f := newFixture(t, nil)
	requests := map[string]*http.Request{
		"target on a REST path": target("", "AWSCognitoIdentityService.GetId", "{}"),
		"form on a REST path":   form("", "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"),
		"other version":         form("", "Action=AssumeRoleWithWebIdentity&Version=2010-05-08"),
		"action and target":     form("", "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"),
		"two actions":           form("", "Action=AssumeRole&Action=AssumeRoleWithWebIdentity&Version=2011-06-15"),
		"action in the query":   form("", ""),
	}
	for _, name := range []string{"target on a REST path", "form on a REST path"} {
		requests[name].URL.Path, requests[name].RequestURI = "/channels", "/channels"
	}
	requests["action and target"].Header.Set("X-Amz-Target", "AWSCognitoIdentityService.Nothing")
	requests["action in the query"].URL.RawQuery = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
	for name, r := range requests {
		r.Header.Del("Authorization")
		if a := f.do(r); a.status != 403 || len(f.calls) > 0 {
			t.Errorf("%s: %d %s, called %q", name, a.status, a.body, f.calls)
		}
	}
}

// Of two values a reader in front of the server might believe another one than the server does.
func TestNothingIsGivenTwice(t *testing.T) {
	twice := func(r *http.Request, header string) *http.Request {
		r.Header[header] = append(r.Header[header], r.Header[header]...)
		return r
	}
	for name, test := range map[string]struct {
		r     *http.Request
		piece string
	}{
		"query":          {request("GET", "/channels/"+channelLabel+"/messages?max-results=1&max-results=2", ""), "max-results"},
		"query, escape":  {request("GET", "/channels/"+channelLabel+"/messages?max-results=1&max%2Dresults=2", ""), "max-results"},
		"query, unknown": {request("GET", "/channels/"+channelLabel+"/messages?a=1&a=1", ""), "query parameter"},
		"form":           {form("sts", "Action=GetCallerIdentity&Version=2011-06-15&Version=2011-06-15"), "Version"},
		"open form":      {form("", "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=a&RoleArn=b"), "RoleArn"},
		"two actions":    {form("", "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&Action=AssumeRole"), "Action"},
		"body":           {request("POST", "/channels/"+channelLabel+"/messages", `{"Content":"a","Content":"b"}`), "Content is given twice"},
		"JSON body":      {target("", "AWSCognitoIdentityService.GetId", `{"IdentityPoolId":"us-east-1:a","IdentityPoolId":"us-east-1:b"}`), "IdentityPoolId"},
		"target":         {twice(target("", "AWSCognitoIdentityService.GetId", `{}`), "X-Amz-Target"), "X-Amz-Target"},
		"content type":   {twice(form("", "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"), "Content-Type"), "Content-Type"},
	} {
		f := newFixture(t, nil)
		a := f.do(test.r)
		if a.status != 400 || !strings.Contains(a.body, test.piece) || !strings.Contains(a.body, "twice") || len(f.calls) > 0 {
			t.Errorf("%s: %d %s, called %q", name, a.status, a.body, f.calls)
		}
	}
}

func TestABrokenFormIsNotHalfRead(t *testing.T) {
	f := newFixture(t, nil)
	a := f.do(form("", "RoleArn=arn&Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=%zz"))
	a.expect(t, 400, "", "<Code>ValidationError</Code>")
	if len(f.calls) > 0 {
		t.Errorf("called %q", f.calls)
	}
}

func TestTheGateSeesTheRequestAsItWasSent(t *testing.T) {
	const body = `{"Content":"x"}`
	tests := []struct{ target, want string }{
		{"/channels/" + channelLabel + "?b=2&a=%2B", "/channels/" + channelLabel + "?b=2&a=%2B"},
		{"/channels/%41%zz", ""}, // net/http refuses it
		{"http://other.example:80/channels?x=http://y", "/channels?x=http://y"},
		{"http://other.example", "/"},
		{"http://other.example?x=1", "/?x=1"},
		{"/channels/x?u=a://b", "/channels/x?u=a://b"},
	}
	for _, test := range tests {
		r, ok := parseRequest("PUT " + test.target + " HTTP/1.1\r\nHost: example.com:24463\r\nAuthorization: chime\r\nContent-Length: 15\r\n\r\n" + body)
		if !ok {
			if test.want != "" {
				t.Errorf("%s does not parse", test.target)
			}
			continue
		}
		f := newFixture(t, nil)
		f.do(r)
		if len(f.gate.verified) != 1 {
			t.Fatalf("%s: verified %d times", test.target, len(f.gate.verified))
		}
		got := f.gate.verified[0]
		if got.Target != test.want || got.Method != "PUT" || got.Host != r.Host || got.ContentLength != 15 || got.BodyHash != sha256.Sum256([]byte(body)) {
			t.Errorf("%s: the gate saw %+v", test.target, got)
		}
	}
}

// The first check that refuses answers: signature, syntax, IAM, service.
func TestTheOrderOfChecks(t *testing.T) {
	denied := &api.Error{Type: "AccessDeniedException", Code: "AccessDenied", Status: 403, Message: "no"}
	for _, test := range []struct {
		name                         string
		badSignature, badBody, noIAM bool
		status                       int
		errorType, body              string
	}{
		{"signature before all", true, true, true, 403, "InvalidSignatureException", `{"Message":"wrong"}`},
		{"syntax before IAM", false, true, true, 400, "BadRequestException", `"Code":"BadRequest"`},
		{"IAM before the service", false, false, true, 403, "AccessDeniedException", `{"Code":"AccessDenied","Message":"no"}`},
		{"the service", false, false, false, 403, "ForbiddenException", `{"Code":"Forbidden","Message":"not you"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, func(context.Context, *api.Operation, api.Request) (api.Response, error) {
				return nil, api.Forbidden("not you")
			})
			r := send("hello")
			if test.badBody {
				r = send(`"`)
			}
			if test.badSignature {
				f.gate.verify = func(*sigv4.Request) error {
					return &sigv4.Error{Code: sigv4.CodeInvalid, Status: 403, Message: "wrong"}
				}
			}
			if test.noIAM {
				f.gate.authorize = func(op *api.Operation, req api.Request) error {
					if op.Name != "SendChannelMessage" || req.Member("ChannelArn") != channelARN {
						t.Errorf("asked for %s on %s", op.Name, req.Member("ChannelArn"))
					}
					return denied
				}
			}
			f.do(r).expect(t, test.status, test.errorType, test.body)
			if called := len(f.calls) > 0; called != (test.name == "the service") {
				t.Errorf("called: %v", called)
			}
		})
	}
}

func TestAWrongSignatureIsExplainedOnlyWhenAsked(t *testing.T) {
	for _, explain := range []bool{false, true} {
		f := newFixture(t, nil, func(o *awshttp.Options) { o.Explain = explain })
		f.gate.verify = func(*sigv4.Request) error {
			return &sigv4.Error{Code: sigv4.CodeInvalid, Status: 403, Message: "the signature does not match",
				CanonicalRequest: "GET\n/channels", StringToSign: "AWS4-HMAC-SHA256\n2026"}
		}
		a := f.do(send("x"))
		a.expect(t, 403, "InvalidSignatureException", "the signature does not match")
		for _, piece := range []string{`GET\n/channels`, `AWS4-HMAC-SHA256\n2026`} {
			if strings.Contains(a.body, piece) != explain {
				t.Errorf("explain %v: %s", explain, a.body)
			}
		}
	}
}

func TestUndeclaredErrorsAreFound(t *testing.T) {
	byName := map[string]*api.Operation{}
	operations := unbuilt()
	for i := range operations {
		byName[operations[i].Name] = &operations[i]
	}
	for _, test := range []struct {
		operation string
		err       error
		want      bool
	}{
		{"DescribeChannel", api.Forbidden("x"), false},
		{"DescribeChannel", api.NotFound("x"), true},
		{"GetChannelMessage", api.NotFound("x"), false},
		{"DescribeAppInstanceUser", api.NotFound("x"), false}, // on purpose
		{"DescribeAppInstanceUser", api.Conflict("x"), true},
		{"GetMessagingSessionEndpoint", api.BadRequest("", "x"), true},
		{"GetCallerIdentity", api.ServiceUnavailable("x"), false},
		{"GetUser", api.NotFound("x"), true},
		{"AssumeRole", api.ValidationError.Errorf("x"), false},
		{"AssumeRole", &api.Error{Type: "AccessDeniedException", Code: "AccessDenied", Status: 403}, false},
		{"DescribeChannel", context.Canceled, false},
		{"DescribeChannel", nil, false},
	} {
		if got := awshttp.Undeclared(byName[test.operation], test.err); got != test.want {
			t.Errorf("%s answers %v: undeclared is %v", test.operation, test.err, got)
		}
	}
	f := newFixture(t, func(context.Context, *api.Operation, api.Request) (api.Response, error) {
		return (*messaging.SendChannelMessageResponse)(nil), api.NotFound("x")
	})
	f.do(send("x")).expect(t, 404, "NotFoundException", "NotFound")
	if logs := f.logs.String(); !strings.Contains(logs, "level=WARN") || !strings.Contains(logs, "NotFoundException") {
		t.Errorf("logs: %s", logs)
	}
}

// A refused signature names its step and, in dev mode, what the server computed, in the form of
// each protocol.
func TestRefusedSignaturesAreExplainedInEveryProtocol(t *testing.T) {
	for name, r := range map[string]func() *http.Request{
		"REST":  func() *http.Request { return send("x") },
		"query": func() *http.Request { return form("sts", "Action=GetCallerIdentity&Version=2011-06-15") },
		"JSON":  func() *http.Request { return target("x", "AWSCognitoIdentityService.Nothing", "{}") },
	} {
		for _, explain := range []bool{true, false} {
			f := newFixture(t, nil, func(o *awshttp.Options) { o.Explain = explain })
			f.gate.verify = func(*sigv4.Request) error {
				return &sigv4.Error{Code: sigv4.CodeInvalid, Status: 403, Step: sigv4.StepSignature, Message: "wrong",
					CanonicalRequest: "CANONICAL", StringToSign: "STRINGTOSIGN"}
			}
			a := f.do(r())
			if a.status != 403 || !strings.Contains(a.body, "at the step") || !strings.Contains(a.body, "signature") {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
			if strings.Contains(a.body, "CANONICAL") != explain || strings.Contains(a.body, "STRINGTOSIGN") != explain {
				t.Errorf("%s, explain %v: %s", name, explain, a.body)
			}
			if !strings.Contains(f.logs.String(), "step=signature") {
				t.Errorf("%s: the log does not name the step: %s", name, f.logs.String())
			}
		}
	}
}

// Services of the account learn who calls and from where; those of every message do without.
func TestWhoCallsIsInTheContext(t *testing.T) {
	for name, test := range map[string]struct {
		r      func() *http.Request
		signed bool
		known  bool
	}{
		"chime": {func() *http.Request { return send("x") }, false, false},
		"sts":   {func() *http.Request { return form("sts", "Action=GetCallerIdentity&Version=2011-06-15") }, true, true},
		"unsigned": {func() *http.Request {
			return target("", "AWSCognitoIdentityService.GetId", `{"IdentityPoolId":"us-east-1:a"}`)
		}, false, true},
	} {
		called := false
		f := newFixture(t, func(ctx context.Context, op *api.Operation, _ api.Request) (api.Response, error) {
			called = true
			if p, signed := access.PrincipalFrom(ctx); signed != test.signed || signed && p.AccessKeyID != "AKIDEXAMPLE" {
				t.Errorf("%s: principal %+v", name, p)
			}
			from := access.SourceFrom(ctx)
			if known := from.Remote != ""; known != test.known || known && (!from.Secure || from.UserAgent != "browser" || from.IP().String() != "192.0.2.1") {
				t.Errorf("%s: source %+v", name, from)
			}
			return nil, api.Forbidden("enough")
		}, func(o *awshttp.Options) { o.Secure = func(*http.Request) bool { return true } })
		r := test.r()
		r.Header.Set("User-Agent", "browser")
		f.do(r)
		if !called {
			t.Errorf("%s was not called", name)
		}
	}
}
