package sigv4_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

// TestDerivedKey holds the key against the one AWS publishes as an example.
func TestDerivedKey(t *testing.T) {
	const want = "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
	got := sigv4.DeriveKey(exampleSecret, "20150830", sigv4.Scope{Region: "us-east-1", Service: "iam"})
	if fmt.Sprintf("%x", got) != want {
		t.Errorf("derived %x, want %s", got, want)
	}
}

func TestMACIsHMAC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, message := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")), rapid.String().Draw(t, "message")
		reference := hmac.New(sha256.New, key[:])
		reference.Write([]byte(message))
		if got := sigv4.MAC(key, message); !hmac.Equal(got[:], reference.Sum(nil)) {
			t.Fatalf("got %x", got)
		}
	})
}

// TestKeyCache has more keys than slots, used at once, over midnight: every
// signature is judged by its own key, and memory stays bounded.
func TestKeyCache(t *testing.T) {
	const people = 64
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	v := newVerifier(t, now, func(o *sigv4.Options) { o.KeyCache = 16 })
	keys := keysFunc(func(id, _ string) (string, any, error) { return "secret of " + id, id, nil })

	var wait sync.WaitGroup
	for i := range people {
		wait.Go(func() {
			id := fmt.Sprintf("KEY%d", i)
			own := sigv4.Signer{Scope: chime, Credentials: sigv4.Credentials{AccessKeyID: id, SecretAccessKey: "secret of " + id}}
			stranger := own
			stranger.Credentials.SecretAccessKey += "!"
			for _, at := range []time.Time{now.Add(-time.Minute), now, now.Add(time.Minute)} {
				good, bad := signedRequestAt(t, own, at), signedRequestAt(t, stranger, at)
				for range 5 {
					if result, err := v.Verify(context.Background(), good, keys); err != nil || result.Principal != id {
						t.Errorf("%s at %s: %v", id, at, err)
					}
					if refusal(t, v, bad, keys) == nil {
						t.Errorf("%s at %s: accepted with another secret", id, at)
					}
				}
			}
		})
	}
	wait.Wait()
	if slots, taken := v.CachedKeys(); slots != 16 || taken == 0 {
		t.Errorf("%d of %d slots taken, want some of 16", taken, slots)
	}
}

func TestReplacedSecretCountsAtOnce(t *testing.T) {
	r := signedRequest(t, signer)
	v := newVerifier(t, signing)
	secret := exampleSecret
	keys := keysFunc(func(string, string) (string, any, error) { return secret, nil, nil })
	if err := refusal(t, v, r, keys); err != nil {
		t.Fatal(err)
	}
	secret = "another"
	if refusal(t, v, r, keys) == nil {
		t.Error("the old secret is still accepted")
	}
}

func signedRequestAt(t *testing.T, s sigv4.Signer, at time.Time) *sigv4.Request {
	req := newRequest(t, "POST", "http://localhost:24463/channels")
	if err := s.Sign(req, noBody, at); err != nil {
		t.Error(err)
	}
	return received(t, req, "")
}
