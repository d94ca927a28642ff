package sigv4_test

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v2 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

// TestPresignGivesTheURLOfTheAWSSigner compares whole URLs: order, escapes,
// token and signature.
func TestPresignGivesTheURLOfTheAWSSigner(t *testing.T) {
	for _, token := range []string{"", capturedToken} {
		const target = "https://chat.example.com/connect?userArn=arn%3Aaws%2Fx&sessionId=it%27s+%28me%29%21%2A~"
		own := newRequest(t, "GET", target)
		s := signer
		s.Credentials.SessionToken = token
		if err := s.Presign(own, noBody, signing, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		theirs := newRequest(t, "GET", target+"&X-Amz-Expires=10")
		want, _, err := v2.NewSigner().PresignHTTP(context.Background(),
			aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret, SessionToken: token},
			theirs, sha256Empty, "chime", "us-east-1", signing)
		if err != nil {
			t.Fatal(err)
		}
		if got := own.URL.String(); got != want {
			t.Errorf("presigned\n%s\nwant\n%s", got, want)
		}
	}
}

func TestSignGivesTheHeaderOfTheAWSSigner(t *testing.T) {
	const target = "https://chat.example.com/channels/arn%3Aaws%2Fx/messages?b=2&a=x%20y"
	own, theirs := newRequest(t, "DELETE", target), newRequest(t, "DELETE", target)
	for _, req := range []*http.Request{own, theirs} {
		req.Header.Set("X-Amz-Chime-Bearer", bearer)
	}
	if err := signer.Sign(own, noBody, signing); err != nil {
		t.Fatal(err)
	}
	if err := v2.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret},
		theirs, hex.EncodeToString(noBody[:]), "chime", "us-east-1", signing); err != nil {
		t.Fatal(err)
	}
	if got, want := own.Header.Get("Authorization"), theirs.Header.Get("Authorization"); got != want {
		t.Errorf("signed\n%s\nwant\n%s", got, want)
	}
}

func TestSigningAgainReplacesTheSignature(t *testing.T) {
	req := newRequest(t, "GET", "http://localhost/channels")
	if err := signer.Sign(req, noBody, signing.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := signer.Sign(req, noBody, signing); err != nil {
		t.Fatal(err)
	}
	if err := refusal(t, newVerifier(t, signing), received(t, req, ""), alice); err != nil {
		t.Error(err)
	}
}

func TestSignerRefusesWhatNoVerifierAccepts(t *testing.T) {
	const target = "http://localhost/connect?userArn=u"
	for name, try := range map[string]func() error{
		"no secret": func() error {
			return sigv4.Signer{Scope: chime}.Sign(newRequest(t, "GET", target), noBody, signing)
		},
		"no scope": func() error {
			return sigv4.Signer{Credentials: signer.Credentials}.Sign(newRequest(t, "GET", target), noBody, signing)
		},
		"no time":  func() error { return signer.Presign(newRequest(t, "GET", target), noBody, signing, 0) },
		"too long": func() error { return signer.Presign(newRequest(t, "GET", target), noBody, signing, 8*24*time.Hour) },
		"user twice": func() error {
			return signer.Presign(newRequest(t, "GET", target+"&userArn=v"), noBody, signing, time.Minute)
		},
		"no host": func() error {
			return signer.Sign(&http.Request{URL: &url.URL{Path: "/"}}, noBody, signing)
		},
		"presigned already": func() error {
			req := newRequest(t, "GET", target)
			if err := signer.Presign(req, noBody, signing, time.Minute); err != nil {
				t.Fatal(err)
			}
			return signer.Sign(req, noBody, signing)
		},
		"another body": func() error {
			req := newRequest(t, "GET", target)
			req.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64))
			return signer.Sign(req, noBody, signing)
		},
	} {
		if err := try(); err == nil || !strings.HasPrefix(err.Error(), "sigv4: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
