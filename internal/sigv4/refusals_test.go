package sigv4_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

const bearer = "arn:aws:chime:us-east-1:000000000000:app-instance/x/user/alice"

var signer = sigv4.Signer{Credentials: sigv4.Credentials(alice), Scope: chime}

// signedRequest is a message sent with a header signature.
func signedRequest(t testing.TB, s sigv4.Signer, change ...func(*http.Request)) *sigv4.Request {
	t.Helper()
	req := newRequest(t, "POST", "http://localhost:24463/channels/arn%3Aaws/messages?operation=send")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Amz-Chime-Bearer", bearer)
	for _, f := range change {
		f(req)
	}
	if err := s.Sign(req, noBody, signing); err != nil {
		t.Fatal(err)
	}
	return received(t, req, "")
}

// presignedRequest opens the messaging socket.
func presignedRequest(t testing.TB, s sigv4.Signer) *sigv4.Request {
	t.Helper()
	req := newRequest(t, "GET", "ws://localhost:24463/connect?sessionId=a&userArn=arn%3Aaws")
	if err := s.Presign(req, noBody, signing, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	return received(t, req, "")
}

func newRequest(t testing.TB, method, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// edit changes a request after it was signed.
type edit = func(*sigv4.Request)

func setHeader(name, value string) edit {
	return func(r *sigv4.Request) { r.Header.Set(name, value) }
}

func addHeader(name, value string) edit {
	return func(r *sigv4.Request) { r.Header.Add(name, value) }
}

func inAuthorization(old, new string) edit {
	return func(r *sigv4.Request) {
		a := r.Header.Get("Authorization")
		if !strings.Contains(a, old) {
			panic("Authorization has no " + old)
		}
		r.Header.Set("Authorization", strings.Replace(a, old, new, 1))
	}
}

func inTarget(old, new string) edit {
	return func(r *sigv4.Request) {
		if !strings.Contains(r.Target, old) {
			panic("target has no " + old)
		}
		r.Target = strings.Replace(r.Target, old, new, 1)
	}
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("a", 20000)
	many := strings.Repeat("&a=b", 101)
	for _, c := range []struct {
		name      string
		presigned bool
		change    func(*sigv4.Request)
		code      string
		status    int
		step      string
		message   string // part of it
	}{
		{"no signature", false, func(r *sigv4.Request) { r.Header.Del("Authorization") }, sigv4.CodeMissing, 403, sigv4.StepForm, "neither"},
		{"two Authorization headers", false, addHeader("Authorization", "x"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "more than one"},
		{"header and query", true, setHeader("Authorization", "AWS4-HMAC-SHA256 x"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "both"},
		{"presigned where headers alone count", true, func(r *sigv4.Request) { r.HeaderOnly = true }, sigv4.CodeInvalid, 403, sigv4.StepForm, "presigned-rest"},
		{"other scheme", false, setHeader("Authorization", "Bearer secret-thing"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "must begin with"},
		{"SigV4a", false, inAuthorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "must begin with"},
		{"no Signature", false, inAuthorization(", Signature=", ", Sig="), sigv4.CodeIncomplete, 400, sigv4.StepForm, "not Credential"},
		{"empty SignedHeaders", false, func(r *sigv4.Request) {
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=, Signature=x")
		}, sigv4.CodeIncomplete, 400, sigv4.StepForm, "no SignedHeaders"},
		{"Credential twice", false, func(r *sigv4.Request) {
			r.Header.Set("Authorization", r.Header.Get("Authorization")+", Credential=x")
		}, sigv4.CodeIncomplete, 400, sigv4.StepForm, "gives Credential twice"},
		{"short signature", false, func(r *sigv4.Request) {
			a := r.Header.Get("Authorization")
			r.Header.Set("Authorization", a[:len(a)-1])
		}, sigv4.CodeIncomplete, 400, sigv4.StepForm, "63 characters"},
		{"long Authorization", false, setHeader("Authorization", "AWS4-HMAC-SHA256 "+long), sigv4.CodeIncomplete, 400, sigv4.StepForm, "longer than"},
		{"credential with four parts", false, inAuthorization("/chime", ""), sigv4.CodeIncomplete, 400, sigv4.StepForm, "key/yyyymmdd/region/service/aws4_request"},
		{"credential with six parts", false, inAuthorization("AKIDEXAMPLE", "AKID/EXAMPLE"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "key/yyyymmdd"},
		{"credential with another end", false, inAuthorization("aws4_request", "aws5_request"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "aws5_request"},
		{"access key with a space", false, inAuthorization("AKIDEXAMPLE", "AKID EXAMPLE"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "printable"},
		{"access key too long", false, inAuthorization("AKIDEXAMPLE", strings.Repeat("A", 129)), sigv4.CodeIncomplete, 400, sigv4.StepForm, "128"},
		{"no date", false, func(r *sigv4.Request) { r.Header.Del("X-Amz-Date") }, sigv4.CodeIncomplete, 400, sigv4.StepForm, "no X-Amz-Date"},
		{"date not signed", false, func(r *sigv4.Request) {
			r.Header.Del("X-Amz-Date")
			r.Header.Set("Date", signing.Format(http.TimeFormat))
		}, sigv4.CodeIncomplete, 400, sigv4.StepForm, "Date header is not signed"},
		{"date in another form", false, setHeader("X-Amz-Date", "2026-11-23T09:26:03Z"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "yyyymmddThhmmssZ"},
		{"date with a fraction", false, setHeader("X-Amz-Date", "20261123T092603.5Z"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "yyyymmddThhmmssZ"},
		{"date twice", false, addHeader("X-Amz-Date", signing.Format(timeLayout)), sigv4.CodeIncomplete, 400, sigv4.StepHeaders, "2 times"},
		{"scope of another day", false, inAuthorization("/20261123/", "/20261122/"), sigv4.CodeInvalid, 403, sigv4.StepScope, "20261122"},
		{"other region", false, inAuthorization("/us-east-1/", "/eu-west-1/"), sigv4.CodeInvalid, 403, sigv4.StepScope, `"eu-west-1"; this server is us-east-1`},
		{"other service", false, inAuthorization("/chime/", "/s3/"), sigv4.CodeInvalid, 403, sigv4.StepScope, `"s3"; this server accepts chime, sts`},
		{"other accepted service", false, inAuthorization("/chime/", "/sts/"), sigv4.CodeInvalid, 403, sigv4.StepSignature, ""},
		{"signed headers unsorted", false, inAuthorization("content-type;host", "host;content-type"), sigv4.CodeIncomplete, 400, sigv4.StepHeaders, "sorted"},
		{"signed headers repeated", false, inAuthorization(";host;", ";host;host;"), sigv4.CodeIncomplete, 400, sigv4.StepHeaders, "sorted"},
		{"signed headers in upper case", false, inAuthorization(";host;", ";Host;"), sigv4.CodeIncomplete, 400, sigv4.StepHeaders, `"Host"`},
		{"signed headers without host", false, inAuthorization("host;", ""), sigv4.CodeIncomplete, 400, sigv4.StepHeaders, "must have host"},
		{"signed header missing", false, func(r *sigv4.Request) { r.Header.Del("Content-Type") }, sigv4.CodeInvalid, 403, sigv4.StepHeaders, `"content-type"`},
		{"bearer not signed", false, inAuthorization("x-amz-chime-bearer;", ""), sigv4.CodeInvalid, 403, sigv4.StepHeaders, `"X-Amz-Chime-Bearer"`},
		{"bearer added", true, setHeader("X-Amz-Chime-Bearer", bearer), sigv4.CodeInvalid, 403, sigv4.StepHeaders, `"X-Amz-Chime-Bearer"`},
		{"bearer added under another spelling", true, func(r *sigv4.Request) { r.Header["x-amz-chime-bearer"] = []string{bearer} }, sigv4.CodeInvalid, 403, sigv4.StepHeaders, "bearer"},
		{"bearer twice", false, addHeader("X-Amz-Chime-Bearer", bearer), sigv4.CodeIncomplete, 400, sigv4.StepHeaders, "2 times"},
		{"token added", false, setHeader("X-Amz-Security-Token", "t"), sigv4.CodeInvalid, 403, sigv4.StepHeaders, "Security-Token"},
		{"body hash added", false, setHeader("X-Amz-Content-Sha256", sha256Empty), sigv4.CodeInvalid, 403, sigv4.StepHeaders, "Content-Sha256"},
		{"target header added", false, setHeader("X-Amz-Target", "x"), sigv4.CodeInvalid, 403, sigv4.StepHeaders, "X-Amz-Target"},
		{"control character in a signed header", false, setHeader("Content-Type", "a\nb"), sigv4.CodeIncomplete, 400, sigv4.StepHeaders, "control"},
		{"no host", false, func(r *sigv4.Request) { r.Host = "" }, sigv4.CodeIncomplete, 400, sigv4.StepHeaders, "no Host"},
		{"host with a line break", false, func(r *sigv4.Request) { r.Host = "a\nb" }, sigv4.CodeIncomplete, 400, sigv4.StepHeaders, "control"},
		{"host rewritten", false, func(r *sigv4.Request) { r.Host = "backend:80" }, sigv4.CodeInvalid, 403, sigv4.StepSignature, `"backend:80"`},
		{"too many headers", false, func(r *sigv4.Request) {
			for i := range 201 {
				r.Header.Set(fmt.Sprint("H", i), "x")
			}
		}, sigv4.CodeIncomplete, 400, sigv4.StepHeaders, "more than 200"},
		{"headers too long", false, setHeader("H", strings.Repeat("x", 65<<10)), sigv4.CodeIncomplete, 400, sigv4.StepHeaders, "bytes"},
		{"target too long", false, func(r *sigv4.Request) { r.Target += long }, sigv4.CodeIncomplete, 400, sigv4.StepForm, "longer than"},
		{"too many parameters", false, func(r *sigv4.Request) { r.Target += many }, sigv4.CodeIncomplete, 400, sigv4.StepForm, "more than 100"},
		{"absolute target", false, func(r *sigv4.Request) { r.Target = "http://localhost:24463" + r.Target }, sigv4.CodeIncomplete, 400, sigv4.StepForm, "slash"},
		{"method in lower case", false, func(r *sigv4.Request) { r.Method = "post" }, sigv4.CodeIncomplete, 400, sigv4.StepForm, `"post"`},
		{"broken escape in the query", false, func(r *sigv4.Request) { r.Target += "&a=%4" }, sigv4.CodeIncomplete, 400, sigv4.StepForm, `"a"`},
		{"parameter added", false, func(r *sigv4.Request) { r.Target += "&a=b" }, sigv4.CodeInvalid, 403, sigv4.StepSignature, "does not match"},
		{"empty parameter added", false, func(r *sigv4.Request) { r.Target += "&" }, sigv4.CodeInvalid, 403, sigv4.StepSignature, "does not match"},
		{"path not escaped", false, inTarget("%3A", ":"), sigv4.CodeInvalid, 403, sigv4.StepSignature, "escaped twice"},
		{"path escaped otherwise", false, inTarget("%3A", "%3a"), sigv4.CodeInvalid, 403, sigv4.StepSignature, ""},

		{"presigned: user twice", true, func(r *sigv4.Request) { r.Target += "&userArn=x" }, sigv4.CodeIncomplete, 400, sigv4.StepForm, `"userArn" is given twice`},
		{"presigned: user twice, escaped name", true, func(r *sigv4.Request) { r.Target += "&user%41rn=x" }, sigv4.CodeIncomplete, 400, sigv4.StepForm, "twice"},
		{"presigned: date twice", true, func(r *sigv4.Request) { r.Target += "&X-Amz-Date=20261123T092603Z" }, sigv4.CodeIncomplete, 400, sigv4.StepForm, "twice"},
		{"presigned: signature twice", true, func(r *sigv4.Request) { r.Target += "&X-Amz-Signature=x" }, sigv4.CodeIncomplete, 400, sigv4.StepForm, "twice"},
		{"presigned: no expiry", true, inTarget("X-Amz-Expires=10", "a=b"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "no X-Amz-Expires"},
		{"presigned: no signature", true, inTarget("X-Amz-Signature=", "a="), sigv4.CodeIncomplete, 400, sigv4.StepForm, "no X-Amz-Signature"},
		{"presigned: expiry zero", true, inTarget("Expires=10", "Expires=0"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "1 to 604800"},
		{"presigned: expiry too long", true, inTarget("Expires=10", "Expires=604801"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "1 to 604800"},
		{"presigned: expiry overflows", true, inTarget("Expires=10", "Expires=99999999999999999999"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "1 to 604800"},
		{"presigned: expiry negative", true, inTarget("Expires=10", "Expires=-10"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "1 to 604800"},
		{"presigned: expiry extended", true, inTarget("Expires=10", "Expires=100"), sigv4.CodeInvalid, 403, sigv4.StepSignature, ""},
		{"presigned: other algorithm", true, inTarget("SHA256", "SHA1"), sigv4.CodeIncomplete, 400, sigv4.StepForm, "SHA1"},
		{"presigned: other user", true, inTarget("userArn=arn%3Aaws", "userArn=arn%3Abws"), sigv4.CodeInvalid, 403, sigv4.StepSignature, ""},
		{"presigned: body", true, func(r *sigv4.Request) { r.BodyHash[0]++ }, sigv4.CodeInvalid, 403, sigv4.StepSignature, ""},
		{"unknown key", false, inAuthorization("AKIDEXAMPLE", "AKIDOTHER"), sigv4.CodeUnrecognized, 403, sigv4.StepKey, "does not know"},
		{"presigned: unknown key", true, inTarget("AKIDEXAMPLE", "AKIDOTHER"), sigv4.CodeUnrecognized, 403, sigv4.StepKey, "does not know"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := signedRequest(t, signer)
			if c.presigned {
				r = presignedRequest(t, signer)
			}
			v := newVerifier(t, signing)
			if err := refusal(t, v, r, alice); err != nil {
				t.Fatalf("refused unchanged: %v", err)
			}
			c.change(r)
			err := refusal(t, v, r, alice)
			if err == nil {
				t.Fatal("accepted")
			}
			if err.Code != c.code || err.Status != c.status || err.Step != c.step || !strings.Contains(err.Message, c.message) {
				t.Errorf("got %d %s at %s: %s", err.Status, err.Code, err.Step, err.Message)
			}
			if err.CanonicalRequest != "" || err.StringToSign != "" {
				t.Error("explained without being asked")
			}
		})
	}
}
