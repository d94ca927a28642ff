package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

const (
	exampleKey    = "AKIDEXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	timeLayout    = "20060102T150405Z"
)

var (
	noBody  = sha256.Sum256(nil)
	chime   = sigv4.Scope{Region: "us-east-1", Service: "chime"}
	signing = time.Date(2026, 11, 23, 9, 26, 3, 0, time.UTC)
)

// holder is the one who has a key.
type holder sigv4.Credentials

func (h holder) SecretKey(_ context.Context, id, token string) (string, any, error) {
	switch {
	case id != h.AccessKeyID:
		return "", nil, sigv4.ErrUnknownKey
	case token != h.SessionToken:
		return "", nil, sigv4.ErrInvalidToken
	}
	return h.SecretAccessKey, "the holder", nil
}

var alice = holder{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret}

func newVerifier(t testing.TB, now time.Time, change ...func(*sigv4.Options)) *sigv4.Verifier {
	t.Helper()
	o := sigv4.Options{
		Scopes: sigv4.Scopes("us-east-1", "chime", "sts", "iam", "cognito-identity"),
		Now:    func() time.Time { return now },
	}
	for _, f := range change {
		f(&o)
	}
	v, err := sigv4.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func explain(o *sigv4.Options) { o.Explain = true }

// refusal verifies and gives the refusal, or nil when the request is accepted.
func refusal(t testing.TB, v *sigv4.Verifier, r *sigv4.Request, keys sigv4.Keys) *sigv4.Error {
	t.Helper()
	result, err := v.Verify(context.Background(), r, keys)
	if err == nil {
		return nil
	}
	if result != (sigv4.Result{}) {
		t.Errorf("a refused request has the result %+v", result)
	}
	var refused *sigv4.Error
	if !errors.As(err, &refused) {
		t.Fatalf("error %v is not a refusal", err)
	}
	return refused
}

// received gives a request as the server sees it that a client would send.
func received(t testing.TB, req *http.Request, body string) *sigv4.Request {
	t.Helper()
	var wire bytes.Buffer
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	if err := req.Write(&wire); err != nil {
		t.Fatal(err)
	}
	return parse(t, wire.Bytes())
}

// parse reads a request as net/http's server does.
func parse(t testing.TB, wire []byte) *sigv4.Request {
	t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := sigv4.FromHTTP(req, sha256.Sum256(body))
	return &r
}

// clone copies a request deeply.
func clone(r *sigv4.Request) *sigv4.Request {
	c := *r
	c.Header = maps.Clone(r.Header)
	for name, values := range c.Header {
		c.Header[name] = slices.Clone(values)
	}
	return &c
}

// signedAt is the date of signing in a request, from header or query.
func signedAt(t testing.TB, r *sigv4.Request) time.Time {
	t.Helper()
	date := r.Header.Get("X-Amz-Date")
	if _, rest, ok := strings.Cut(r.Target, "X-Amz-Date="); ok {
		date = rest[:len(timeLayout)]
	}
	at, err := time.Parse(timeLayout, date)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// reference computes a signature the long way, from a canonical request
// written out by the test.
func reference(canonical, date string, scope sigv4.Scope, secret string) string {
	sum := sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", date,
		date[:8] + "/" + scope.Region + "/" + scope.Service + "/aws4_request", hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{date[:8], scope.Region, scope.Service, "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}
