package sigv4_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

// screened gives the refusal of a request whose body has not been read, or nil.
func screened(t testing.TB, v *sigv4.Verifier, r *sigv4.Request, keys sigv4.Keys) *sigv4.Error {
	t.Helper()
	unread := clone(r)
	unread.BodyHash = [sha256.Size]byte{}
	err := v.Screen(context.Background(), unread, keys)
	if err == nil {
		return nil
	}
	refused, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		t.Fatalf("error %v is not a refusal", err)
	}
	return refused
}

func TestScreenNeedsNoBody(t *testing.T) {
	v := newVerifier(t, signing)
	for name, r := range map[string]*sigv4.Request{
		"header":      signedRequest(t, signer),
		"presigned":   presignedRequest(t, signer),
		"body hash":   signedByHand("header", sha256Empty),
		"wrong hash":  signedByHand("header", strings.Repeat("0", 64)), // the body may yet have it
		"wrong names": signedByHand("query", "0"),
	} {
		if err := screened(t, v, r, alice); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScreenRefusesWhatNeedsNoBody(t *testing.T) {
	temporary := signer
	temporary.Credentials.SessionToken = capturedToken
	for _, c := range []struct {
		name string
		r    *sigv4.Request
		now  time.Time
		code string
		step string
	}{
		{"no signature", edited(signedRequest(t, signer), func(r *sigv4.Request) { r.Header.Del("Authorization") }), signing, sigv4.CodeMissing, sigv4.StepForm},
		{"scope", edited(signedRequest(t, signer), inAuthorization("/chime/", "/s3/")), signing, sigv4.CodeInvalid, sigv4.StepScope},
		{"clock", signedRequest(t, signer), signing.Add(time.Hour), sigv4.CodeExpired, sigv4.StepClock},
		{"header not signed", edited(signedRequest(t, signer), addHeader("X-Amz-Other", "x")), signing, sigv4.CodeInvalid, sigv4.StepHeaders},
		{"unsigned payload", signedByHand("header", "UNSIGNED-PAYLOAD"), signing, sigv4.CodeInvalid, sigv4.StepBody},
		{"unknown key", edited(signedRequest(t, signer), inAuthorization(exampleKey, "AKIDOTHER")), signing, sigv4.CodeUnrecognized, sigv4.StepKey},
		{"session token", signedRequest(t, temporary), signing, sigv4.CodeUnrecognized, sigv4.StepKey},
	} {
		err := screened(t, newVerifier(t, c.now), c.r, alice)
		if err == nil || err.Code != c.code || err.Step != c.step {
			t.Errorf("%s: got %v, want %s at %s", c.name, err, c.code, c.step)
		}
		without := screened(t, newVerifier(t, c.now), c.r, nil)
		if (without == nil) != (c.step == sigv4.StepKey) {
			t.Errorf("%s, without keys: %v", c.name, without)
		}
	}
}

// A failure to look up a key is the server's, not a refusal.
func TestScreenPassesFailuresOfKeysOn(t *testing.T) {
	down := errors.New("store is down")
	keys := keysFunc(func(string, string) (string, any, error) { return "", nil, down })
	err := newVerifier(t, signing).Screen(context.Background(), signedRequest(t, signer), keys)
	if _, refused := errors.AsType[*sigv4.Error](err); refused || !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
}

// The screen stands before every request with a body.
func TestScreenAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops items at random under the race detector")
	}
	v, r := newVerifier(t, signing), signedRequest(t, signer)
	var keys sigv4.Keys = alice
	if n := testing.AllocsPerRun(1000, func() {
		if err := v.Screen(context.Background(), r, keys); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func edited(r *sigv4.Request, change edit) *sigv4.Request {
	change(r)
	return r
}
