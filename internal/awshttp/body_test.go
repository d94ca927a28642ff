package awshttp_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/awshttp"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// echo answers SendChannelMessage with the number of bytes in its content.
func echo(_ context.Context, _ *api.Operation, req api.Request) (api.Response, error) {
	content := req.(*messaging.SendChannelMessageRequest).Content
	return &messaging.SendChannelMessageResponse{MessageID: fmt.Sprint(len(content))}, nil
}

func TestABodyOverTheLimitIs413AndTheNextRequestWorks(t *testing.T) {
	f := newFixture(t, echo)
	server := httptest.NewServer(f)
	defer server.Close()
	client := server.Client()
	post := func(r *http.Request, body io.Reader) answer {
		t.Helper()
		out, err := http.NewRequest(r.Method, server.URL+r.RequestURI, body)
		if err != nil {
			t.Fatal(err)
		}
		out.Header = r.Header
		resp, err := client.Do(out)
		if err != nil {
			t.Fatal(err)
		}
		return readAnswer(t, resp)
	}
	for _, size := range []int{awshttp.MaxRESTBody + 1, 5 << 20} {
		big := bytes.Repeat([]byte{'x'}, size)
		post(send("x"), bytes.NewReader(big)).expect(t, 413, "RequestEntityTooLargeException", `{"Message":"`)
		chunked := struct{ io.Reader }{bytes.NewReader(big)} // its length is not announced
		post(send("x"), chunked).expect(t, 413, "RequestEntityTooLargeException", `{"Message":"`)
		small, _ := io.ReadAll(send("abc").Body)
		post(send("x"), bytes.NewReader(small)).expect(t, 201, "", `"MessageId":"3"`)
		post(send("x"), struct{ io.Reader }{bytes.NewReader(small)}).expect(t, 201, "", `"MessageId":"3"`)
	}
	if n := len(f.gate.verified); n != 4 {
		t.Errorf("verified %d requests, want only the small ones", n)
	}
}

// arrived is a body that says whether it has arrived.
type arrived struct {
	io.ReadCloser
	whole bool
}

func (b arrived) HasArrived() bool { return b.whole }

// A body that has arrived is read before the signature is looked at, and answered as any other.
func TestTheSignatureOfABodyThatHasArrivedIsReadOnce(t *testing.T) {
	for _, whole := range []bool{true, false} {
		f := newFixture(t, echo)
		screened := 0
		f.gate.screen = func(r *sigv4.Request) error {
			screened++
			if r.Header.Get("Authorization") == "" {
				return errUnsigned
			}
			return nil
		}

		signed, unsigned := send("abc"), send("abc")
		unsigned.Header.Del("Authorization")
		for _, r := range []*http.Request{signed, unsigned} {
			r.Body = arrived{r.Body, whole}
		}
		f.do(signed).expect(t, 201, "", `"MessageId":"3"`)
		f.do(unsigned).expect(t, 403, "MissingAuthenticationTokenException", `{"Message":"`)

		if want := map[bool]int{true: 0, false: 2}[whole]; screened != want {
			t.Errorf("arrived whole: %v: screened %d times, want %d", whole, screened, want)
		}
	}
}

func TestABodyOfExactlyTheLimitPasses(t *testing.T) {
	body, _ := io.ReadAll(send("x").Body)
	for extra, want := range map[int]int{0: 201, 1: 413} {
		f := newFixture(t, echo)
		r := send("x")
		r.Body = io.NopCloser(strings.NewReader(string(body) + strings.Repeat(" ", awshttp.MaxRESTBody-len(body)+extra)))
		r.ContentLength = -1 // the length shows only as the body arrives
		if a := f.do(r); a.status != want {
			t.Errorf("limit %+d: %d %s", extra, a.status, a.body)
		}
	}
}

func TestEncodedBodiesAreRefusedUnread(t *testing.T) {
	for encoding, want := range map[string]int{
		"": 201, "identity": 201, "Identity": 201, "identity, identity": 201,
		"gzip": 415, "aws-chunked": 415, "identity,aws-chunked": 415, "br": 415,
	} {
		f := newFixture(t, echo)
		r := send("abc")
		r.Header.Set("Content-Encoding", encoding)
		a := f.do(r)
		if a.status != want {
			t.Errorf("%q: %d %s", encoding, a.status, a.body)
		}
		if want == 415 {
			a.expect(t, 415, "UnsupportedMediaTypeException", `{"Message":"`)
			if len(f.gate.verified) > 0 {
				t.Errorf("%q: the body was read", encoding)
			}
		}
	}
}

func TestAnEmptyBodyIsAnEmptyObject(t *testing.T) {
	f := newFixture(t, func(context.Context, *api.Operation, api.Request) (api.Response, error) {
		return new(messaging.UpdateChannelReadMarkerResponse), nil
	})
	for _, body := range []string{"", "{}", " \n"} {
		r := request("PUT", "/channels/"+channelLabel+"/readMarker", body)
		r.Header.Set("X-Amz-Chime-Bearer", userARN)
		f.do(r).expect(t, 200, "", "{}")
	}
}

func TestMalformedBodiesAreBadRequests(t *testing.T) {
	f := newFixture(t, echo)
	for _, body := range []string{"{", "[]", "null", `"x"`, "{} {}", `{"Content":1}`, "\xff", `{"Content":"x"}`} {
		r := request("POST", "/channels/"+channelLabel+"/messages", body)
		r.Header.Set("X-Amz-Chime-Bearer", userARN)
		f.do(r).expect(t, 400, "BadRequestException", `{"Code":"BadRequest","Message":"`)
	}
	if len(f.calls) > 0 {
		t.Errorf("called %q", f.calls)
	}
}

// Requests as no library sends them, over a plain connection.
func TestRawRequests(t *testing.T) {
	f := newFixture(t, echo)
	server := httptest.NewServer(f)
	defer server.Close()
	body, _ := io.ReadAll(send("abc").Body)
	line := "POST /channels/" + channelLabel + "/messages "
	head := "Authorization: chime\r\nX-Amz-Chime-Bearer: " + userARN + "\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	for _, test := range []struct {
		name, request string
		status        int
		continued     bool // 100 comes before
	}{
		{"HTTP/1.0 without Host", line + "HTTP/1.0\r\n" + head + length + "\r\n" + string(body), 201, false},
		{"HTTP/1.1 without Host", line + "HTTP/1.1\r\n" + head + length + "\r\n" + string(body), 400, false},
		{"continue", line + "HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n" + head + length + "\r\n" + string(body), 201, true},
		{"continue refused", line + "HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n" + head + "Content-Length: 1000000\r\n\r\n", 413, false},
		{"bad chunk", line + "HTTP/1.1\r\nHost: h\r\n" + head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, false},
		{"absolute form", strings.Replace(line, "/", "http://h/", 1) + "HTTP/1.1\r\nHost: h\r\n" + head + length + "\r\n" + string(body), 201, false},
		{"bad escape", "GET /channels/%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, test.request); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(conn)
			if test.continued {
				if line, _ := r.ReadString('\n'); !strings.Contains(line, "100 Continue") {
					t.Fatalf("got %q", line)
				}
				_, _ = r.ReadString('\n')
			}
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a := readAnswer(t, resp); a.status != test.status {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

func TestAClientThatLeavesInItsBodyGetsNothingAndCallsNothing(t *testing.T) {
	seen := make(chan observation, 1)
	f := newFixture(t, echo, func(o *awshttp.Options) {
		o.Observe = func(operation string, status int, _ time.Duration) {
			seen <- observation{operation: operation, status: status}
		}
	})
	server := httptest.NewServer(f)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /channels/%s/messages HTTP/1.1\r\nHost: h\r\nAuthorization: chime\r\nContent-Length: 500\r\n\r\n{", channelLabel)
	conn.Close()
	if o := <-seen; o.operation != "unknown" || o.status < 400 {
		t.Errorf("observed %+v", o)
	}
	if len(f.calls) > 0 {
		t.Errorf("called %q", f.calls)
	}
}
