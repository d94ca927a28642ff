package sigv4_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

func TestHostsThatASignatureMayBeOver(t *testing.T) {
	for _, c := range []struct {
		name, signed, received string
		secure                 bool
		public                 string
		ok                     bool
	}{
		{"as received", "chat.example:31443", "chat.example:31443", false, "", true},
		{"capitals, signed as sent", "Chat.Example:31443", "Chat.Example:31443", false, "", true},
		{"capitals, signed in lower case", "chat.example:31443", "Chat.Example:31443", false, "", true},
		{"lower case, signed with capitals", "Chat.Example", "chat.example", true, "", false},
		{"port sent, TLS", "chat.example", "chat.example:443", true, "", true},
		{"port signed, TLS", "chat.example:443", "chat.example", true, "", true},
		{"port sent, clear", "chat.example", "chat.example:80", false, "", true},
		{"port signed, clear", "chat.example:80", "chat.example", false, "", true},
		{"port sent and capitals", "chat.example", "CHAT.example:443", true, "", true},
		{"port of the other scheme", "chat.example", "chat.example:443", false, "", false},
		{"port of the other scheme, TLS", "chat.example", "chat.example:80", true, "", false},
		{"another port", "chat.example", "chat.example:8443", true, "", false},
		{"IPv6 without port", "[::1]:80", "[::1]", false, "", true},
		{"IPv6 with port", "[::1]", "[::1]:80", false, "", true},
		{"rewritten by a proxy", "chat.example:31443", "backend", false, "chat.example:31443", true},
		{"port lost in a proxy", "chat.example:31443", "chat.example", true, "chat.example:31443", true},
		{"rewritten, default port signed", "chat.example:443", "127.0.0.1:24463", true, "chat.example", true},
		{"rewritten, clear behind the proxy", "chat.example", "127.0.0.1:24463", false, "chat.example", true},
		{"no name of this server", "other.example", "chat.example", true, "chat.example", false},
		{"no name of this server, rewritten", "other.example", "backend", false, "chat.example", false},
	} {
		v := newVerifier(t, signing, func(o *sigv4.Options) {
			if c.public != "" {
				o.PublicHosts = []string{c.public}
			}
		})
		for _, presigned := range []bool{false, true} {
			r := receivedAs(t, c.signed, c.received, presigned)
			r.Secure = c.secure
			err := refusal(t, v, r, alice)
			if (err == nil) != c.ok {
				t.Errorf("%s, presigned %v: %v", c.name, presigned, err)
			}
			if err != nil && (err.Step != sigv4.StepSignature || !strings.Contains(err.Message, `"`+c.received+`"`) || !strings.Contains(err.Message, c.public)) {
				t.Errorf("%s: the refusal does not name the hosts: %v", c.name, err)
			}
		}
	}
}

// receivedAs is a request that was signed for one host and arrives with another.
func receivedAs(t *testing.T, signed, received string, presigned bool) *sigv4.Request {
	t.Helper()
	req := newRequest(t, "GET", "http://"+signed+"/connect?sessionId=a&userArn=arn%3Aaws")
	var err error
	if presigned {
		err = signer.Presign(req, noBody, signing, 10*time.Second)
	} else {
		err = signer.Sign(req, noBody, signing)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := sigv4.FromHTTP(req, noBody)
	r.Target, r.Host = req.URL.RequestURI(), received
	return &r
}

// A signature is tried with a bounded number of hosts, whatever the client sends.
func TestFewHostsAreTried(t *testing.T) {
	v := newVerifier(t, signing, func(o *sigv4.Options) {
		o.PublicHosts = []string{"a.example", "b.example", "c.example", "d.example"}
	})
	err := refusal(t, v, receivedAs(t, "other", "CHAT.example:80", false), alice)
	if err == nil || strings.Count(err.Message, `"`)/2 != 6 {
		t.Errorf("tried %v", err)
	}
}

// curl before 8.11 signs the path as it sends it, escaped once, where AWS escapes it once more.
func TestPathsSignedAsSent(t *testing.T) {
	for _, c := range []struct {
		path string
		ok   bool
	}{
		{"/channels/arn%3Aaws%3Achime%2Fa/messages", true},
		{"/channels", true},
		{"/channels/arn%253Aaws", false}, // is the canonical form of /channels/arn%3Aaws
		{"/channels/a%25", false},
	} {
		date := signing.Format(timeLayout)
		canonical := "GET\n" + c.path + "\n\nhost:h\nx-amz-date:" + date + "\n\nhost;x-amz-date\n" + sha256Empty
		r := &sigv4.Request{Method: "GET", Target: c.path, Host: "h", BodyHash: noBody, Header: map[string][]string{
			"X-Amz-Date": {date},
			"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/us-east-1/chime/aws4_request, SignedHeaders=host;x-amz-date, Signature=" +
				reference(canonical, date, chime, exampleSecret)},
		}}
		if err := refusal(t, newVerifier(t, signing), r, alice); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.path, err)
		}
	}
}

// The signature of one path is never that of a path with another meaning.
func TestASignatureOpensNoOtherPath(t *testing.T) {
	req := newRequest(t, "GET", "http://localhost:24463/channels/arn%3Aaws")
	if err := signer.Sign(req, noBody, signing); err != nil {
		t.Fatal(err)
	}
	r := received(t, req, "")
	if _, err := newVerifier(t, signing).Verify(context.Background(), r, alice); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/channels/arn%253Aaws", "/channels/arn:aws", "/channels/arn%3aaws"} {
		r.Target = path
		if err := refusal(t, newVerifier(t, signing), r, alice); err == nil {
			t.Errorf("%s is accepted", path)
		}
	}
}
