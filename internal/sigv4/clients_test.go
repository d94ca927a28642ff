package sigv4_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

const capturedToken = "FwoGZXIvYXdzEXAMPLE//token+with/reserved=chars=="

// captured reads the requests of real clients, by name.
func captured(t testing.TB) map[string]*sigv4.Request {
	t.Helper()
	files, err := filepath.Glob("testdata/captured/*.http")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captured requests: %v", err)
	}
	all := make(map[string]*sigv4.Request)
	for _, file := range files {
		wire, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".http")] = parse(t, wire)
	}
	return all
}

// capturedKeys is who signed a captured request.
func capturedKeys(r *sigv4.Request) holder {
	keys := alice
	if r.Header.Get("X-Amz-Security-Token") != "" || strings.Contains(r.Target, "X-Amz-Security-Token") {
		keys.SessionToken = capturedToken
	}
	return keys
}

func TestRequestsOfRealClientsAreAccepted(t *testing.T) {
	for name, r := range captured(t) {
		t.Run(name, func(t *testing.T) {
			keys, at := capturedKeys(r), signedAt(t, r)
			v := newVerifier(t, at)
			result, err := v.Verify(context.Background(), r, keys)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			service := "chime"
			if strings.Contains(name, "sts") {
				service = "sts"
			}
			want := sigv4.Result{
				AccessKeyID: exampleKey, SessionToken: keys.SessionToken,
				Scope:     sigv4.Scope{Region: "us-east-1", Service: service},
				Presigned: strings.Contains(name, "connect"), SignedAt: at, Principal: "the holder",
			}
			if result != want {
				t.Errorf("result %+v, want %+v", result, want)
			}
			for _, changed := range mutations(r, "") {
				if refusal(t, v, changed.request, keys) == nil {
					t.Errorf("accepted with a byte changed in %s", changed.where)
				}
			}
			other := clone(r)
			other.BodyHash[0] ^= 1
			if refusal(t, v, other, keys) == nil {
				t.Error("accepted with another body")
			}
		})
	}
}

// presignSent makes a presigned URL the way a hand-written presigner does:
// its own spelling of the query is what it signs.
func presignSent(pairs []string) *sigv4.Request {
	sent := strings.Join(append([]string{
		"X-Amz-Algorithm=AWS4-HMAC-SHA256",
		"X-Amz-Credential=" + url.QueryEscape(exampleKey+"/20261123/us-east-1/chime/aws4_request"),
		"X-Amz-Date=" + signing.Format(timeLayout), "X-Amz-Expires=10", "X-Amz-SignedHeaders=host",
	}, pairs...), "&")
	canonical := "GET\n/connect\n" + sent + "\nhost:chat.example.com\n\nhost\n" + sha256Empty
	signature := reference(canonical, signing.Format(timeLayout), chime, exampleSecret)
	return &sigv4.Request{Method: "GET", Target: "/connect?" + sent + "&X-Amz-Signature=" + signature, Host: "Chat.Example.com", BodyHash: noBody}
}

const sha256Empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestSpellingsOfHandWrittenPresigners(t *testing.T) {
	for name, pairs := range map[string][]string{
		"strict":                     {"sessionId=a%20b~%2A%21%2B", "userArn=arn%3Aaws"},
		"Java URLEncoder":            {"sessionId=a+b%7Ec*", "userArn=arn%3Aaws"},
		"encodeURIComponent":         {"sessionId=it's%20(me)!*", "userArn=arn%3Aaws"},
		"nothing escaped":            {"sessionId=a", "userArn=arn:aws:chime:us-east-1:000000000000:app-instance/x/user/y"},
		"lower-case escapes":         {"sessionId=a%2fb", "userArn=arn%3aaws"},
		"empty value":                {"flag=", "sessionId=a", "userArn=u"},
		"name without equals sign":   {"flag", "sessionId=a", "userArn=u"},
		"value with an equals sign":  {"sessionId=a=b==", "userArn=u"},
		"bytes outside ASCII":        {"sessionId=\xc3\xa9", "userArn=u"},
		"escaped bytes not UTF-8":    {"sessionId=%FF%FE", "userArn=u"},
		"unknown and repeated names": {"X-Amzn-Version=1", "prefetch-on=connect", "tag=a", "tag=b", "userArn=u"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, signing)
			r := presignSent(pairs)
			if err := refusal(t, v, r, alice); err != nil {
				t.Fatalf("refused: %v", err)
			}
			// The order on the wire does not matter.
			path, query, _ := strings.Cut(r.Target, "?")
			parts := strings.Split(query, "&")
			for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
				parts[i], parts[j] = parts[j], parts[i]
			}
			r.Target = path + "?" + strings.Join(parts, "&")
			if err := refusal(t, v, r, alice); err != nil {
				t.Errorf("refused in another order: %v", err)
			}
			for _, changed := range mutations(r, "") {
				if refusal(t, v, changed.request, alice) == nil {
					t.Errorf("accepted with a byte changed in %s", changed.where)
				}
			}
		})
	}
}

func TestPlusIsNotASpace(t *testing.T) {
	v := newVerifier(t, signing)
	for _, change := range [][2]string{{"a+b", "a%20b"}, {"a%20b", "a+b"}, {"a%2Bb", "a%20b"}} {
		r := presignSent([]string{"sessionId=" + change[0], "userArn=u"})
		r.Target = strings.Replace(r.Target, change[0], change[1], 1)
		if refusal(t, v, r, alice) == nil {
			t.Errorf("signed %s, sent %s: accepted", change[0], change[1])
		}
	}
}
