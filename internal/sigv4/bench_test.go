package sigv4_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v2 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

// TestHeaderVerificationDoesNotAllocate holds for every client that signs in a
// header, once its signing key is cached.
func TestHeaderVerificationDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops items at random under the race detector")
	}
	for name, r := range captured(t) {
		keys := capturedKeys(r)
		v := newVerifier(t, signedAt(t, r))
		var result sigv4.Result
		var lookup sigv4.Keys = keys
		allocations := testing.AllocsPerRun(200, func() {
			var err error
			if result, err = v.Verify(context.Background(), r, lookup); err != nil {
				t.Fatal(err)
			}
		})
		most := 0.0
		if result.Presigned {
			most = 4 // decoded credential and token
		}
		if allocations > most {
			t.Errorf("%s: %v allocations, want at most %v", name, allocations, most)
		}
	}
}

func benchmarkVerify(b *testing.B, name string) {
	r := captured(b)[name]
	v := newVerifier(b, signedAt(b, r))
	var keys sigv4.Keys = capturedKeys(r)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(ctx, r, keys); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyHeader(b *testing.B) {
	for _, name := range []string{"boto3-send-message", "js3-send-message", "js2-list-messages"} {
		b.Run(name, func(b *testing.B) { benchmarkVerify(b, name) })
	}
}

func BenchmarkVerifyPresigned(b *testing.B) {
	for _, name := range []string{"chime-js-connect", "chime-js-connect-bare"} {
		b.Run(name, func(b *testing.B) { benchmarkVerify(b, name) })
	}
}

func BenchmarkVerifyParallel(b *testing.B) {
	r := captured(b)["js3-send-message"]
	v := newVerifier(b, signedAt(b, r))
	var keys sigv4.Keys = capturedKeys(r)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := v.Verify(context.Background(), r, keys); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkVerifyNewKey derives a signing key every time.
func BenchmarkVerifyNewKey(b *testing.B) {
	r := captured(b)["boto3-send-message"]
	v := newVerifier(b, signedAt(b, r))
	n := 0
	keys := keysFunc(func(string, string) (string, any, error) {
		n++
		return fmt.Sprint("secret", n), nil, nil
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(context.Background(), r, keys); err == nil {
			b.Fatal("accepted with a wrong secret")
		}
	}
}

func BenchmarkSign(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		signedRequest(b, signer)
	}
}

// BenchmarkReference signs the request of BenchmarkVerifyHeader/js3 with the
// AWS signer: what a verifier costs that signs again and compares. Read the
// two as a ratio.
func BenchmarkReference(b *testing.B) {
	r := captured(b)["js3-send-message"]
	req, err := http.NewRequest(r.Method, "http://"+r.Host+r.Target, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range signedHeaders(r) {
		req.Header[name] = r.Header[name]
	}
	req.Header.Del("Content-Length")
	s, ctx, at := v2.NewSigner(), context.Background(), signedAt(b, r)
	keys := aws.Credentials{AccessKeyID: exampleKey, SecretAccessKey: exampleSecret, SessionToken: capturedToken}
	b.ReportAllocs()
	for b.Loop() {
		req.Header.Del("Authorization")
		if err := s.SignHTTP(ctx, keys, req, sha256Empty, "chime", "us-east-1", at); err != nil {
			b.Fatal(err)
		}
	}
}
