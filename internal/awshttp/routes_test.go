package awshttp_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/awshttp"
)

// Messaging answers /tags for both services.
func answeredBy(op *api.Operation) string {
	if op.Path == "/tags" {
		return "chime-sdk-messaging " + op.Name
	}
	return op.Service + " " + op.Name
}

func TestEveryOperationIsReachedAndUnbuiltOnesSaySo(t *testing.T) {
	f, samples := newFixture(t, nil), loadSamples(t)
	operations := unbuilt()
	inModels := 0
	for _, m := range samples {
		inModels += len(m.Operations)
	}
	if len(operations) != inModels {
		t.Fatalf("%d operations, the models have %d", len(operations), inModels)
	}
	for i := range operations {
		op := &operations[i]
		f.calls = nil
		a := f.do(samples.request(op))
		if want := []string{answeredBy(op)}; !slices.Equal(f.calls, want) {
			t.Errorf("%s of %s: called %q, answered %d %s", op.Name, op.Service, f.calls, a.status, a.body)
			continue
		}
		if a.status != 503 || !strings.Contains(a.body, op.Name) || !strings.Contains(a.body, "ServiceUnavailable") {
			t.Errorf("%s of %s: answered %d %s", op.Name, op.Service, a.status, a.body)
		}
	}
}

func TestOperationsOnOnePathAreToldApartByTheirQuery(t *testing.T) {
	tests := []struct {
		method, target string
		operation      string // or the status and type of the error
		errorType      string
		status         int
	}{
		{method: "GET", target: "/channels?app-instance-arn=" + appARN, operation: "ListChannels"},
		{method: "GET", target: "/channels?max-results=3&scope=app-instance-user-memberships", operation: "ListChannelMembershipsForAppInstanceUser"},
		{method: "GET", target: "/channels?scope=app-instance-user-memberships&max-results=3", operation: "ListChannelMembershipsForAppInstanceUser"},
		{method: "GET", target: "/channels?%73cope=app-instance-user%2Dmemberships", operation: "ListChannelMembershipsForAppInstanceUser"},
		{method: "GET", target: "/channels/" + channelLabel, operation: "DescribeChannel"},
		{method: "GET", target: "/channels/" + channelLabel + "?unrelated=1", operation: "DescribeChannel"},
		{method: "GET", target: "/tags?arn=" + appARN, operation: "ListTagsForResource"},

		{method: "GET", target: "/channels?scope=nonsense", status: 400, errorType: "BadRequestException"},
		{method: "GET", target: "/channels?scope=", status: 400, errorType: "BadRequestException"},
		{method: "GET", target: "/channels?scope", status: 400, errorType: "BadRequestException"},
		{method: "GET", target: "/channels?operation=search", status: 400, errorType: "BadRequestException"},
		{method: "GET", target: "/channels/" + channelLabel + "?operation=redact", status: 400, errorType: "BadRequestException"},
		{method: "GET", target: "/channels?scope=app-instance-user-memberships&scope=channel-flow-associations", status: 400, errorType: "BadRequestException"},
		{method: "GET", target: "/channels?scope=app-instance-user-memberships&operation=search", status: 400, errorType: "BadRequestException"},
		{method: "POST", target: "/tags?operation=drop-resource", status: 400, errorType: "BadRequestException"},
		{method: "POST", target: "/tags", status: 404, errorType: "UnknownOperationException"},
		{method: "GET", target: "/channels?next-token=%zz", status: 400, errorType: "BadRequestException"},
	}
	for _, test := range tests {
		f := newFixture(t, nil)
		r := request(test.method, test.target, "")
		r.Header.Set("X-Amz-Chime-Bearer", userARN)
		a := f.do(r)
		if test.operation != "" {
			if want := []string{"chime-sdk-messaging " + test.operation}; !slices.Equal(f.calls, want) {
				t.Errorf("%s %s: called %q: %s", test.method, test.target, f.calls, a.body)
			}
			continue
		}
		a.expect(t, test.status, test.errorType, "Message")
		if len(f.calls) > 0 {
			t.Errorf("%s %s: called %q", test.method, test.target, f.calls)
		}
	}
}

func TestPathsThatNameNoOperationAre404(t *testing.T) {
	tests := []struct{ method, target string }{
		{"GET", "/"},
		{"POST", "/"},
		{"GET", "//"},
		{"GET", "/nothing"},
		{"GET", "/channels/"},
		{"GET", "//channels"},
		{"GET", "/./channels"},
		{"GET", "/x/../channels"},
		{"GET", "/channels/" + channelLabel + "/"},
		{"GET", "/channels//messages"},
		{"GET", "/channels/" + channelLabel + "//messages"},
		{"GET", "/channels/" + channelARN}, // not percent-encoded
		{"GET", "/channels/" + channelARN + "/messages"},
		{"HEAD", "/channels/" + channelLabel},
		{"PATCH", "/channels/" + channelLabel},
		{"TRACE", "/channels/" + channelLabel},
		{"CONNECT", "/channels/" + channelLabel},
		{"DELETE", "/channels"},
		{"PUT", "/endpoints/messaging-session"},
		{"GET", "/Channels/" + channelLabel},
	}
	for _, test := range tests {
		f := newFixture(t, nil)
		r := request(test.method, "/", "")
		r.RequestURI = test.target
		r.URL.Path, r.URL.RawPath = splitPath(test.target)
		a := f.do(r)
		if a.status != 404 || a.errorType() != "UnknownOperationException" || len(f.calls) > 0 || a.header.Get("Location") != "" {
			t.Errorf("%s %s: %d %v %s", test.method, test.target, a.status, a.header, a.body)
		}
		if len(f.gate.verified) != 1 {
			t.Errorf("%s %s: routed without verification", test.method, test.target)
		}
	}
}

// splitPath gives the fields of a URL as net/http's server sets them.
func splitPath(target string) (path, raw string) {
	path = strings.NewReplacer("%3A", ":", "%2F", "/").Replace(target)
	if path != target {
		raw = target
	}
	return path, raw
}

func TestLabelsAreDecodedOnce(t *testing.T) {
	for label, want := range map[string]string{
		channelLabel: channelARN,
		"arn%3Aaws%3Achime%3A%3A%3Aapp-instance%2Fa%2Fuser%2Fx%40y.z%2B": "arn:aws:chime:::app-instance/a/user/x@y.z+",
		"arn:aws:chime:::a%252Fb": "arn:aws:chime:::a%2Fb", // not twice
		"arn:aws:chime:::a+b":     "arn:aws:chime:::a+b",   // a plus is no space
	} {
		var got string
		f := newFixture(t, func(_ context.Context, _ *api.Operation, req api.Request) (api.Response, error) {
			got = req.Member("ChannelArn")
			return new(messaging.DescribeChannelResponse), nil
		})
		r := request("GET", "/channels/"+label, "")
		r.Header.Set("X-Amz-Chime-Bearer", userARN)
		if a := f.do(r); a.status != 200 || got != want {
			t.Errorf("%s: handler saw %q, want %q (%d %s)", label, got, want, a.status, a.body)
		}
	}
}

func TestAPlusInAQueryIsAPlus(t *testing.T) {
	var got string
	f := newFixture(t, func(_ context.Context, _ *api.Operation, req api.Request) (api.Response, error) {
		got = req.Member("AppInstanceArn")
		return new(messaging.ListChannelFlowsResponse), nil
	})
	a := f.do(request("GET", "/channel-flows?app-instance-arn=arn:aws:chime:::a+b%2Bc%20d%3D", ""))
	if a.status != 200 || got != "arn:aws:chime:::a+b+c d=" {
		t.Errorf("handler saw %q (%d %s)", got, a.status, a.body)
	}
}

func TestUnknownActionsHaveTheShapeOfTheirProtocol(t *testing.T) {
	f := newFixture(t, nil)
	tests := []struct {
		name, signed, body string
		pieces             []string
	}{
		{"action", "sts", "Action=Nothing&Version=2011-06-15", []string{"<Code>InvalidAction</Code>", "Nothing", "sts.amazonaws.com/doc/2011-06-15/"}},
		{"action of the other service", "iam", "Action=AssumeRole&Version=2010-05-08", []string{"<Code>InvalidAction</Code>", "iam.amazonaws.com/doc/2010-05-08/"}},
		{"version", "sts", "Action=GetCallerIdentity&Version=1999-01-01", []string{"<Code>InvalidAction</Code>", "1999-01-01"}},
		{"no version", "sts", "Action=GetCallerIdentity", []string{"<Code>InvalidAction</Code>"}},
		{"no action", "sts", "", []string{"<Code>InvalidAction</Code>"}},
		{"form", "sts", "Action=%zz", []string{"<Code>ValidationError</Code>"}},
		{"markup", "sts", "Action=%3Cb%3E&Version=2011-06-15", []string{"&lt;b&gt;"}},
	}
	for _, test := range tests {
		a := f.do(form(test.signed, test.body))
		if a.status != 400 || a.header.Get("Content-Type") != "text/xml" {
			t.Errorf("%s: %d %v %s", test.name, a.status, a.header, a.body)
		}
		for _, piece := range append(test.pieces, "<RequestId>"+zeroID) {
			if !strings.Contains(a.body, piece) {
				t.Errorf("%s: no %q in %s", test.name, piece, a.body)
			}
		}
	}
	a := f.do(target("cognito-identity", "AWSCognitoIdentityService.Nothing", "{}"))
	a.expect(t, 400, "UnknownOperationException", `{"__type":"UnknownOperationException","message":"`)
	if got := a.header.Get("Content-Type"); got != "application/x-amz-json-1.1" {
		t.Errorf("content type %q", got)
	}
	if len(f.calls) > 0 {
		t.Errorf("called %q", f.calls)
	}
}

func TestTheSigningNameMustBeThatOfTheOperation(t *testing.T) {
	f := newFixture(t, nil)
	r := request("GET", "/channels/"+channelLabel, "")
	r.Header.Set("Authorization", "sts")
	f.do(r).expect(t, 403, "InvalidSignatureException", `names the service \"sts\"; DescribeChannel is signed for \"chime\"`)
	a := f.do(form("iam", "Action=GetCallerIdentity&Version=2011-06-15"))
	a.expect(t, 403, "", "<Code>SignatureDoesNotMatch</Code>")
	a = f.do(form("sts", "Action=ListUsers&Version=2010-05-08"))
	a.expect(t, 403, "", "ListUsers is signed for")
	if len(f.calls) > 0 {
		t.Errorf("called %q", f.calls)
	}
}

func TestTagsBelongToMessagingWhateverTheOrderOfTables(t *testing.T) {
	f := newFixture(t, nil, func(o *awshttp.Options) { slices.Reverse(o.Operations) })
	f.do(request("GET", "/tags?arn="+appARN, ""))
	f.do(request("POST", "/tags?operation=tag-resource", `{"ResourceARN":"`+appARN+`","Tags":[{"Key":"k","Value":"v"}]}`))
	if want := []string{"chime-sdk-messaging ListTagsForResource", "chime-sdk-messaging TagResource"}; !slices.Equal(f.calls, want) {
		t.Errorf("called %q", f.calls)
	}
}

func TestATableThatCannotWorkIsRefused(t *testing.T) {
	table := messaging.Operations(messaging.Unbuilt{})
	unsigned := slices.Clone(table)
	unsigned[0].Unsigned = true
	unbound := slices.Clone(table)
	unbound[3].Call = nil
	twin := table[0]
	twin.Path = strings.Replace(twin.Path, "{channelArn}", "{other}", 1)
	for name, operations := range map[string][]api.Operation{
		"an unsigned REST operation": unsigned,
		"an operation twice":         append(slices.Clone(table), table[0]),
		"no handler":                 unbound,
		"one path under two names":   append(slices.Clone(table), twin),
	} {
		if _, err := awshttp.New(awshttp.Options{Gate: &gate{}, Operations: operations}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := awshttp.New(awshttp.Options{Operations: table}); err == nil {
		t.Error("no gate: accepted")
	}
	// Identity alone has its own tags.
	if _, err := awshttp.New(awshttp.Options{Gate: &gate{}, Operations: identity.Operations(identity.Unbuilt{})}); err != nil {
		t.Error(err)
	}
}

func FuzzTargets(f *testing.F) {
	for _, seed := range []string{
		"/", "//", "/./", "/channels", "/channels/", "/channels/" + channelLabel, "/channels/..%2f", "/%2e%2e/channels",
		"/channels/%", "http://host/channels?scope=x", "http://host", "http://host?x", "*", "/tags?operation=", "/tags?&&=&operation",
		"/channels/%2F", "/channels/%00", "/channels/a#b", "/channels;x=1", "/channels?next-token=%gg", "/\\evil.example/..",
	} {
		f.Add("GET", seed)
		f.Add("POST", seed)
	}
	fixture := newFixture(f, nil)
	f.Fuzz(func(t *testing.T, method, target string) {
		line := method + " " + target + " HTTP/1.1\r\nHost: h\r\nAuthorization: chime\r\n\r\n"
		r, ok := parseRequest(line)
		if !ok || r.Method == "OPTIONS" || r.ContentLength != 0 {
			return
		}
		w := httptest.NewRecorder()
		fixture.ServeHTTP(w, r)
		if w.Code >= 300 && w.Code < 400 || w.Code == 500 || w.Header().Get("Location") != "" {
			t.Errorf("%q: %d %s", line, w.Code, w.Body)
		}
		if w.Code < 400 {
			t.Errorf("%q: %d from services that are not built", line, w.Code)
		}
	})
}
