package awshttp_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/api/model"
	"github.com/carillon-chat/carillon/internal/awshttp"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// What is refused by its head is answered while none of its body has been sent, and the connection
// ends: what the client may yet send is not taken for a request.
func TestARefusalComesBeforeTheBody(t *testing.T) {
	for _, test := range []struct {
		name, request string
		screen        error
		status        int
	}{
		{"no signature", "POST /channels HTTP/1.1\r\nHost: h\r\n", nil, 403},
		{"unknown key", "POST /channels HTTP/1.1\r\nHost: h\r\nAuthorization: chime\r\n",
			&sigv4.Error{Code: sigv4.CodeUnrecognized, Status: 403, Step: sigv4.StepKey, Message: "unknown"}, 403},
		{"JSON, not open", "POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: AWSCognitoIdentityService.Nothing\r\n", nil, 403},
		{"too long", "POST /channels HTTP/1.1\r\nHost: h\r\nAuthorization: chime\r\n", nil, 413},
		{"open, too long", "POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: AWSCognitoIdentityService.GetId\r\n", nil, 413},
		{"form without signature, too long", "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n", nil, 413},
	} {
		for _, length := range []string{"Content-Length: 5000000\r\n", "Content-Length: 5000000\r\nExpect: 100-continue\r\n"} {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, echo)
				f.gate.screen = func(r *sigv4.Request) error {
					if r.Header.Get("Authorization") == "" {
						return errUnsigned
					}
					return test.screen
				}
				server := httptest.NewServer(f)
				defer server.Close()
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if _, err := io.WriteString(conn, test.request+length+"\r\n"); err != nil {
					t.Fatal(err)
				}
				r := bufio.NewReader(conn)
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				if a := readAnswer(t, resp); a.status != test.status || !resp.Close {
					t.Errorf("%d %s, closing: %v", a.status, a.body, resp.Close)
				}
				if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
					t.Errorf("the connection goes on: %q, %v", rest, err)
				}
				if len(f.gate.verified) > 0 {
					t.Error("it was verified")
				}
			})
		}
	}
}

// A form may ask for an operation without a signature, whatever it carries as one.
func TestAnOpenFormNeedsNoGoodSignature(t *testing.T) {
	const web = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::000000000000:role/r&RoleSessionName=me&WebIdentityToken=long"
	for _, signature := range []string{"", "junk"} {
		f := newFixture(t, nil)
		f.gate.screen = func(*sigv4.Request) error { return errUnsigned }
		if f.do(form(signature, web)); len(f.calls) != 1 {
			t.Errorf("signature %q: called %q", signature, f.calls)
		}
		a := f.do(form(signature, "Action=GetCallerIdentity&Version=2011-06-15"))
		if a.status != 403 || len(f.calls) != 1 || len(f.gate.verified) > 0 {
			t.Errorf("signature %q: %d %s", signature, a.status, a.body)
		}
	}
}

// halves is a body whose second half arrives when it is let go.
type halves struct {
	first, second io.Reader
	waiting       chan<- struct{}
	goOn          <-chan struct{}
}

func (h *halves) Read(p []byte) (int, error) {
	if n, _ := h.first.Read(p); n > 0 {
		return n, nil
	}
	if h.waiting != nil {
		h.waiting <- struct{}{}
		<-h.goOn
		h.waiting = nil
	}
	return h.second.Read(p)
}

func TestBodiesShareABudget(t *testing.T) {
	bodies := awshttp.NewBodies(256 << 10)
	f := newFixture(t, nil, func(o *awshttp.Options) { o.Bodies = bodies })
	waiting, goOn := make(chan struct{}), make(chan struct{})
	answers := make(chan answer)
	// hold sends a request of 16 KiB and returns when half of it is read.
	hold := func(r *http.Request) {
		t.Helper()
		half := strings.Repeat(" ", 8<<10)
		r.ContentLength, r.Body = 16<<10, io.NopCloser(&halves{strings.NewReader(half), strings.NewReader(half), waiting, goOn})
		go func() { answers <- f.do(r) }()
		select {
		case <-waiting:
		case a := <-answers:
			t.Fatalf("refused: %d %s", a.status, a.body)
		}
	}
	fallback := func() *http.Request { return target("", "AWSCognitoIdentityService.GetId", "{}") }
	customer := func() *http.Request { return send("x") }

	held := 0
	for ; bodies.Stats().OpenUsed+16<<10 <= bodies.Stats().OpenLimit; held++ {
		hold(fallback())
	}
	refused := f.do(filled(fallback()))
	refused.expect(t, 503, "ServiceUnavailableException", "")
	if refused.header.Get("Retry-After") != "1" {
		t.Errorf("no time to wait: %v", refused.header)
	}
	if a := f.do(customer()); a.status == 503 && strings.Contains(a.body, "as many bytes") {
		t.Errorf("strangers have taken the room of customers: %s", a.body)
	}
	for ; bodies.Stats().Used+16<<10 <= bodies.Stats().Limit; held++ {
		hold(customer())
	}
	f.do(filled(customer())).expect(t, 503, "ServiceUnavailableException", "as many bytes")
	if s := bodies.Stats(); s.Refused != 1 || s.OpenRefused != 1 || s.Used > s.Limit {
		t.Errorf("%+v", s)
	}

	close(goOn)
	for range held {
		<-answers
	}
	if s := bodies.Stats(); s.Used != 0 || s.OpenUsed != 0 {
		t.Errorf("held after the answers: %+v", s)
	}
}

// filled gives a request a body of 40 KiB.
func filled(r *http.Request) *http.Request {
	r.ContentLength, r.Body = 40<<10, io.NopCloser(strings.NewReader(strings.Repeat(" ", 40<<10)))
	return r
}

// The limit of a body is above what the models allow, so that it refuses nothing legal.
func TestTheLimitsHoldEveryLegalRequest(t *testing.T) {
	// The models of the others allow megabytes where the services have small limits of their own.
	for _, service := range []string{"chime-sdk-messaging", "chime-sdk-identity"} {
		m, err := model.Load(service)
		if err != nil {
			t.Fatal(err)
		}
		for name, op := range m.Operations {
			if size := largest(t, m, op.Input); op.Input != "" && size > awshttp.MaxRESTBody {
				t.Errorf("%s may have %d bytes, the limit is %d", name, size, awshttp.MaxRESTBody)
			}
		}
	}
}

// Shapes without a limit in the model, or with one that their meaning narrows, in bytes.
var largestKnown = map[string]int{
	"NonEmptyContent":  12 * 4096, // push bodies and the like are limited by the service
	"FilterRule":       12 * 4096,
	"SearchFieldValue": 512, // an ARN
	"ChimeArn":         1600,
	"String":           12 * 1024,
	// Without a limit in the model; filters of push notifications look at a few.
	"MessageAttributeMap": 12 * 8 << 10,
}

// largest is the size of the largest JSON text of a shape, with every character escaped as a pair
// of surrogates where its pattern lets emoji in.
func largest(t *testing.T, m *model.Model, name string) int {
	t.Helper()
	if size, known := largestKnown[name]; known {
		return size
	}
	s := m.Shapes[name]
	if s == nil {
		return 0
	}
	switch s.Type {
	case "string":
		return largestString(t, name, s)
	case "list":
		if s.Max == nil {
			t.Errorf("the list %s has no limit", name)
			return 0
		}
		return 2 + *s.Max*(largest(t, m, string(s.Member))+1)
	case "map":
		if s.Max == nil {
			t.Errorf("the map %s has no limit", name)
			return 0
		}
		return 2 + *s.Max*(largest(t, m, string(s.Key))+largest(t, m, string(s.Value))+2)
	case "structure":
		size := 2
		for _, member := range s.Members {
			if member.Location == "" {
				size += len(member.Wire()) + len(`"":,`) + largest(t, m, member.Shape)
			}
		}
		return size
	}
	return len("-1.7976931348623157e+308")
}

func largestString(t *testing.T, name string, s *model.Shape) int {
	t.Helper()
	longest := 0
	for _, value := range s.Enum {
		longest = max(longest, len(value)+2)
	}
	if longest > 0 {
		return longest
	}
	if s.Max == nil {
		t.Errorf("%s has no limit", name)
		return 0
	}
	if s.Pattern != "" {
		re, err := regexp.Compile("^(?:" + s.Pattern + ")$")
		if err == nil && !re.MatchString(strings.Repeat("😀", 3)) {
			return *s.Max + 2
		}
	}
	return 12**s.Max + 2
}
