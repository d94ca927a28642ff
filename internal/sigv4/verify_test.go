package sigv4_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

func TestBodyHashHeader(t *testing.T) {
	for _, c := range []struct{ value, message string }{
		{sha256Empty, ""},
		{strings.Repeat("0", 64), "the SHA-256 of the body received is " + sha256Empty},
		{"UNSIGNED-PAYLOAD", "accepts only the SHA-256"},
		{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "accepts only the SHA-256"},
		{"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "accepts only the SHA-256"},
		{strings.ToUpper(sha256Empty), "SHA-256"},
	} {
		for _, where := range []string{"header", "query"} {
			r := signedByHand(where, c.value)
			err := refusal(t, newVerifier(t, signing), r, alice)
			switch {
			case c.message == "" && err != nil:
				t.Errorf("%s %s: refused: %v", where, c.value, err)
			case c.message != "" && (err == nil || err.Step != sigv4.StepBody || err.Code != sigv4.CodeInvalid || !strings.Contains(err.Message, c.message)):
				t.Errorf("%s %s: got %v", where, c.value, err)
			}
		}
	}
}

// signedByHand signs a request that names its body hash, whatever it is.
func signedByHand(where, hash string) *sigv4.Request {
	date := signing.Format(timeLayout)
	if where == "query" {
		r := presignSent([]string{"sessionId=a", "userArn=u"})
		target, _, _ := strings.Cut(r.Target, "&X-Amz-Signature=")
		target = strings.Replace(target, "&X-Amz-Credential", "&X-Amz-Content-Sha256="+hash+"&X-Amz-Credential", 1)
		_, query, _ := strings.Cut(target, "?")
		canonical := "GET\n/connect\n" + query + "\nhost:chat.example.com\n\nhost\n" + hash
		r.Target = target + "&X-Amz-Signature=" + reference(canonical, date, chime, exampleSecret)
		return r
	}
	canonical := "GET\n/channels\n\nhost:h\nx-amz-content-sha256:" + hash + "\nx-amz-date:" + date + "\n\nhost;x-amz-content-sha256;x-amz-date\n" + hash
	return &sigv4.Request{Method: "GET", Target: "/channels", Host: "h", BodyHash: noBody, Header: http.Header{
		"X-Amz-Date":           {date},
		"X-Amz-Content-Sha256": {hash},
		"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/us-east-1/chime/aws4_request," +
			"SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=" + reference(canonical, date, chime, exampleSecret)},
	}}
}

func TestDateHeaderServesWithoutAmzDate(t *testing.T) {
	for _, sent := range []string{signing.Format(http.TimeFormat), signing.Format(timeLayout)} {
		date := signing.Format(timeLayout)
		canonical := "GET\n/\n\ndate:" + sent + "\nhost:h\n\ndate;host\n" + sha256Empty
		r := &sigv4.Request{Method: "GET", Target: "/", Host: "h", BodyHash: noBody, Header: http.Header{
			"Date": {sent},
			"Authorization": {"AWS4-HMAC-SHA256 Signature=" + reference(canonical, date, chime, exampleSecret) +
				", Credential=AKIDEXAMPLE/20261123/us-east-1/chime/aws4_request, SignedHeaders=date;host"},
		}}
		if err := refusal(t, newVerifier(t, signing), r, alice); err != nil {
			t.Errorf("Date %q: %v", sent, err)
		}
	}
}

func TestHeadersThatNeedNoSignature(t *testing.T) {
	r := signedRequest(t, signer)
	for name, value := range map[string]string{
		"User-Agent": "x", "Amz-Sdk-Request": "attempt=1", "X-Amzn-Trace-Id": "Root=1", "X-Forwarded-For": "10.0.0.1", "X-Amz-Cf-Id": "abc",
	} {
		r.Header.Set(name, value)
	}
	if err := refusal(t, newVerifier(t, signing), r, alice); err != nil {
		t.Error(err)
	}
}

func TestClock(t *testing.T) {
	const second = time.Second
	header, presigned := signedRequest(t, signer), presignedRequest(t, signer)
	week := newRequest(t, "GET", "ws://localhost:24463/connect?sessionId=a&userArn=arn%3Aaws")
	if err := signer.Presign(week, noBody, signing, 7*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	long := received(t, week, "")
	for _, c := range []struct {
		name   string
		r      *sigv4.Request
		late   time.Duration // server's clock after the date of signing
		change func(*sigv4.Options)
		ok     bool
	}{
		{"header, 15 min late", header, 15 * time.Minute, nil, true},
		{"header, later", header, 15*time.Minute + second, nil, false},
		{"header, 15 min early", header, -15 * time.Minute, nil, true},
		{"header, earlier", header, -15*time.Minute - second, nil, false},
		{"header, own skew", header, 2 * second, func(o *sigv4.Options) { o.Skew = second }, false},
		{"header, no skew", header, 1, func(o *sigv4.Options) { o.Skew = -1 }, false},
		{"header, no skew, exact", header, 0, func(o *sigv4.Options) { o.Skew = -1 }, true},
		{"presigned, at its end and grace", presigned, 70 * second, nil, true},
		{"presigned, after", presigned, 71 * second, nil, false},
		{"presigned, 15 min early", presigned, -15 * time.Minute, nil, true},
		{"presigned, earlier", presigned, -15*time.Minute - second, nil, false},
		{"presigned for a week, at the end of its 15 min and grace", long, 16 * time.Minute, nil, true},
		{"presigned for a week, after", long, 16*time.Minute + second, nil, false},
		{"presigned for a week, own limit", long, 2 * time.Hour, func(o *sigv4.Options) { o.MaxPresign = 2 * time.Hour }, true},
		{"presigned, own limit", presigned, 71 * second, func(o *sigv4.Options) { o.MaxPresign = 2 * time.Hour }, false},
		{"presigned, no grace", presigned, 11 * second, func(o *sigv4.Options) { o.Grace = -1 }, false},
		{"presigned, no grace, at its end", presigned, 10 * second, func(o *sigv4.Options) { o.Grace = -1 }, true},
	} {
		change := c.change
		if change == nil {
			change = func(*sigv4.Options) {}
		}
		err := refusal(t, newVerifier(t, signing.Add(c.late), change), c.r, alice)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && (err.Code != sigv4.CodeExpired || err.Status != 400 || err.Step != sigv4.StepClock || !strings.Contains(err.Message, "20261123T0")) {
			t.Errorf("%s: %d %v", c.name, err.Status, err)
		}
	}
}

type keysFunc func(id, token string) (string, any, error)

func (f keysFunc) SecretKey(_ context.Context, id, token string) (string, any, error) {
	return f(id, token)
}

func TestErrorsOfKeys(t *testing.T) {
	r := signedRequest(t, signer)
	down := errors.New("store is down")
	for _, c := range []struct {
		err  error
		code string // empty: not a refusal
	}{
		{sigv4.ErrUnknownKey, sigv4.CodeUnrecognized},
		{fmt.Errorf("sealed by another server: %w", sigv4.ErrInvalidToken), sigv4.CodeUnrecognized},
		{sigv4.ErrExpiredToken, sigv4.CodeExpiredToken},
		{down, ""},
		{nil, ""}, // with an empty secret, which must never match
	} {
		// The secret beside an error must not count.
		keys := keysFunc(func(string, string) (string, any, error) {
			if c.err == nil {
				return "", "somebody", nil
			}
			return exampleSecret, "somebody", c.err
		})
		result, err := newVerifier(t, signing).Verify(context.Background(), r, keys)
		var refused *sigv4.Error
		switch {
		case err == nil || result != (sigv4.Result{}):
			t.Errorf("%v: accepted", c.err)
		case c.code == "" && errors.As(err, &refused):
			t.Errorf("%v: a failure of the server became the refusal %v", c.err, err)
		case c.code == "" && c.err != nil && !errors.Is(err, c.err):
			t.Errorf("%v: lost in %v", c.err, err)
		case c.code != "" && (!errors.As(err, &refused) || refused.Code != c.code || refused.Status != 403 || refused.Step != sigv4.StepKey):
			t.Errorf("%v: got %v", c.err, err)
		}
	}
}

func TestEmptySecretIsNoKey(t *testing.T) {
	date := signing.Format(timeLayout)
	canonical := "GET\n/\n\nhost:h\nx-amz-date:" + date + "\n\nhost;x-amz-date\n" + sha256Empty
	r := &sigv4.Request{Method: "GET", Target: "/", Host: "h", BodyHash: noBody, Header: http.Header{
		"X-Amz-Date": {date},
		"Authorization": {"AWS4-HMAC-SHA256 Credential=NOBODY/20261123/us-east-1/chime/aws4_request, SignedHeaders=host;x-amz-date, Signature=" +
			reference(canonical, date, chime, "")},
	}}
	if err := refusal(t, newVerifier(t, signing), r, alice); err == nil || err.Code != sigv4.CodeUnrecognized {
		t.Errorf("an unknown key with an empty secret: %v", err)
	}
}

func TestTokens(t *testing.T) {
	temporary := signer
	temporary.Credentials.SessionToken = capturedToken
	keys := holder(temporary.Credentials)
	v := newVerifier(t, signing)
	header, presigned := signedRequest(t, temporary), presignedRequest(t, temporary)
	for name, r := range map[string]*sigv4.Request{"header": header, "presigned": presigned} {
		result, err := v.Verify(context.Background(), r, keys)
		if err != nil || result.SessionToken != capturedToken {
			t.Errorf("%s: %v, token %q", name, err, result.SessionToken)
		}
	}
	other := clone(header)
	other.Header.Set("X-Amz-Security-Token", "other")
	if err := refusal(t, v, other, keys); err == nil || err.Code != sigv4.CodeUnrecognized {
		t.Errorf("exchanged token: %v", err)
	}
	both := clone(presigned)
	both.Header.Set("X-Amz-Security-Token", capturedToken)
	if err := refusal(t, v, both, keys); err == nil || !strings.Contains(err.Message, "one of them") {
		t.Errorf("token in header and query: %v", err)
	}
	without := clone(header)
	without.Header.Del("X-Amz-Security-Token")
	if refusal(t, v, without, keys) == nil {
		t.Error("accepted without its token")
	}
}

func TestNothingSecretIsTold(t *testing.T) {
	temporary := signer
	temporary.Credentials.SessionToken = capturedToken
	keys := holder(temporary.Credentials)
	for name, r := range map[string]*sigv4.Request{
		"header": signedRequest(t, temporary), "presigned": presignedRequest(t, temporary),
	} {
		right := r.Header.Get("Authorization") + r.Target
		right = right[strings.Index(right, "Signature=")+len("Signature="):][:64]
		wrong := clone(r)
		wrong.Target = strings.Replace(r.Target, right, strings.Repeat("0", 64), 1)
		wrong.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), right, strings.Repeat("0", 64), 1))
		if name == "presigned" {
			wrong.Header.Del("Authorization")
		}
		err := refusal(t, newVerifier(t, signing, explain), wrong, keys)
		if err == nil || err.CanonicalRequest == "" || err.StringToSign == "" {
			t.Fatalf("%s: not explained: %v", name, err)
		}
		told := fmt.Sprintf("%+v %v", *err, err)
		for _, secret := range []string{right, exampleSecret, capturedToken, "token%2Bwith"} {
			if strings.Contains(told, secret) {
				t.Errorf("%s: tells %s", name, secret)
			}
		}
	}
	if told := fmt.Sprintf("%v %+v %#v %s", temporary.Credentials, temporary, temporary, temporary); strings.Contains(told, exampleSecret) || strings.Contains(told, "token") {
		t.Errorf("credentials print as %s", told)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	now := time.Now
	for name, o := range map[string]sigv4.Options{
		"no scopes":  {Now: now},
		"half scope": {Now: now, Scopes: []sigv4.Scope{{Service: "chime"}}},
		"no clock":   {Scopes: []sigv4.Scope{chime}},
	} {
		if _, err := sigv4.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
