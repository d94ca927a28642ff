package sigv4_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v2 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go/aws/credentials"
	v1 "github.com/aws/aws-sdk-go/aws/signer/v4"
	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

// sample is a request that a signer is tried on.
type sample struct {
	method, url, body string
	header            http.Header
	token             string
}

// drawSample makes requests with hostile paths, queries and header values.
// simpleNames keeps to parameters that sort alike escaped and not. Hosts are in
// lower case: Go's signers leave the case of a host, the others do not.
func drawSample(t *rapid.T, simpleNames bool) sample {
	label := rapid.StringOfN(rapid.RuneFrom([]rune("aZ09-._~:/@%+ !'()*?#&=é漢;,")), 0, 12, -1)
	name := rapid.StringMatching(`[a-z][a-z-]{0,8}`)
	if !simpleNames {
		name = label
	}
	u := url.URL{Scheme: "http", Host: rapid.SampledFrom([]string{"localhost:24463", "chat.example.com", "[::1]:8080"}).Draw(t, "host")}
	for _, segment := range rapid.SliceOfN(label, 0, 4).Draw(t, "path") {
		u.Path += "/" + segment
		u.RawPath += "/" + strings.ReplaceAll(url.QueryEscape(segment), "+", "%20")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	values := url.Values{}
	for range rapid.IntRange(0, 5).Draw(t, "parameters") {
		values.Set(name.Draw(t, "name"), label.Draw(t, "value"))
	}
	values.Del("")
	u.RawQuery = values.Encode()
	s := sample{method: rapid.SampledFrom([]string{"GET", "POST", "PUT", "DELETE"}).Draw(t, "method"), url: u.String(), header: http.Header{}}
	if s.method != "GET" {
		s.body = rapid.String().Draw(t, "body")
	}
	text := rapid.StringOfN(rapid.RuneFrom([]rune("aZ09 ,:;=\"/é")), 1, 20, -1)
	s.header.Set("X-Amz-Chime-Bearer", "b"+text.Draw(t, "bearer"))
	s.header.Set("Content-Type", "application/json")
	s.header["X-Other"] = rapid.SliceOfN(text, 1, 3).Draw(t, "other")
	if rapid.Bool().Draw(t, "temporary") {
		s.token = capturedToken
	}
	return s
}

func (s *sample) request(t *rapid.T) *http.Request {
	req, err := http.NewRequest(s.method, s.url, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = s.header.Clone()
	return req
}

func (s *sample) hash() [sha256.Size]byte { return sha256.Sum256([]byte(s.body)) }

func (s *sample) keys() holder {
	keys := alice
	keys.SessionToken = s.token
	return keys
}

// accept sends a signed request and requires that it is accepted, and that it
// is not once the body is another.
func (s *sample) accept(t *rapid.T, tb testing.TB, req *http.Request) {
	r := received(tb, req, s.body)
	v := newVerifier(tb, signing.Add(time.Second), explain)
	if err := refusal(tb, v, r, s.keys()); err != nil {
		t.Fatalf("refused: %v\n%s", err, err.CanonicalRequest)
	}
	r.BodyHash[31] ^= 1
	if refusal(tb, v, r, s.keys()) == nil {
		t.Fatal("accepted with another body")
	}
}

func TestAgreesWithAWSSignerV2(t *testing.T) {
	ctx, signer := context.Background(), v2.NewSigner()
	rapid.Check(t, func(rt *rapid.T) {
		s := drawSample(rt, false)
		hash := s.hash()
		creds := aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret, SessionToken: s.token}
		req := s.request(rt)
		if rapid.Bool().Draw(rt, "body hash header") {
			req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(hash[:]))
		}
		if err := signer.SignHTTP(ctx, creds, req, hex.EncodeToString(hash[:]), "chime", "us-east-1", signing); err != nil {
			rt.Fatal(err)
		}
		s.accept(rt, t, req)

		s.body = ""
		req = s.request(rt)
		req.Header = http.Header{}
		query := req.URL.Query()
		query.Set("X-Amz-Expires", "10")
		req.URL.RawQuery = query.Encode()
		signed, _, err := signer.PresignHTTP(ctx, creds, req, sha256Empty, "chime", "us-east-1", signing)
		if err != nil {
			rt.Fatal(err)
		}
		s.url = signed
		req = s.request(rt)
		req.Header = http.Header{}
		s.accept(rt, t, req)
	})
}

func TestAgreesWithAWSSignerV1(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawSample(rt, true)
		signer := v1.NewSigner(credentials.NewStaticCredentials(exampleKey, exampleSecret, s.token))
		req := s.request(rt)
		if _, err := signer.Sign(req, strings.NewReader(s.body), "chime", "us-east-1", signing); err != nil {
			rt.Fatal(err)
		}
		s.accept(rt, t, req)

		s.body = ""
		req = s.request(rt)
		req.Header = http.Header{}
		if _, err := signer.Presign(req, nil, "chime", "us-east-1", 10*time.Second, signing); err != nil {
			rt.Fatal(err)
		}
		s.accept(rt, t, req)
	})
}

func TestOwnSignaturesAreAccepted(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawSample(rt, false)
		own := sigv4.Signer{Credentials: sigv4.Credentials(s.keys()), Scope: chime}
		req := s.request(rt)
		if err := own.Sign(req, s.hash(), signing); err != nil {
			rt.Fatal(err)
		}
		s.accept(rt, t, req)

		req = s.request(rt)
		if err := own.Presign(req, s.hash(), signing, 10*time.Second); err != nil {
			rt.Fatal(err)
		}
		s.accept(rt, t, req)
	})
}
