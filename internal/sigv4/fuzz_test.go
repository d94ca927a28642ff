package sigv4_test

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

// FuzzVerify changes requests of real clients. A request that is accepted must
// mean what one of the signed ones means; nothing may panic.
func FuzzVerify(f *testing.F) {
	files, err := filepath.Glob("testdata/captured/*.http")
	if err != nil {
		f.Fatal(err)
	}
	signed := map[string]bool{}
	var at time.Time
	for _, file := range files {
		wire, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		head, body, _ := strings.Cut(string(wire), "\r\n\r\n")
		first, headers, _ := strings.Cut(head, "\r\n")
		method, target, _ := strings.Cut(first, " ")
		target = strings.TrimSuffix(target, " HTTP/1.1")
		r := fuzzRequest(method, target, headers, body)
		signed[meaning(r)] = true
		at = signedAt(f, r)
		f.Add(method, target, headers, body)
	}
	v := newVerifier(f, at, explain)
	keys := keysFunc(func(id, token string) (string, any, error) {
		if id != exampleKey || (token != "" && token != capturedToken) {
			return "", nil, sigv4.ErrUnknownKey
		}
		return exampleSecret, nil, nil
	})
	f.Fuzz(func(t *testing.T, method, target, headers, body string) {
		r := fuzzRequest(method, target, headers, body)
		if _, err := v.Verify(context.Background(), r, keys); err == nil && !signed[meaning(r)] {
			t.Fatalf("accepted, although nobody signed\n%s", meaning(r))
		}
	})
}

func fuzzRequest(method, target, headers, body string) *sigv4.Request {
	r := &sigv4.Request{
		Method: method, Target: target, Header: http.Header{},
		ContentLength: int64(len(body)), BodyHash: sha256.Sum256([]byte(body)),
	}
	for line := range strings.SplitSeq(headers, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		name, value = textproto.CanonicalMIMEHeaderKey(name), strings.TrimSpace(value)
		if name == "Host" {
			r.Host = value
		} else {
			r.Header.Add(name, value)
		}
	}
	return r
}

// meaning writes out what a server acts on, computed in another way than the
// verifier does it.
func meaning(r *sigv4.Request) string {
	path, query, _ := strings.Cut(r.Target, "?")
	var parameters []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, err1 := url.PathUnescape(name)
		value, err2 := url.PathUnescape(value)
		if err1 != nil || err2 != nil {
			return "broken escape"
		}
		if name != "X-Amz-Signature" {
			parameters = append(parameters, strconv.Quote(name)+"="+strconv.Quote(value))
		}
	}
	slices.Sort(parameters)
	lines := append([]string{r.Method, strconv.Quote(path)}, parameters...)
	lines = append(lines, strings.ToLower(r.Host), string(r.BodyHash[:]))
	for _, name := range signedHeaders(r) {
		lines = append(lines, name)
		for _, value := range r.Header[name] {
			lines = append(lines, strconv.Quote(strings.Join(strings.Fields(value), " ")))
		}
	}
	for _, name := range []string{"X-Amz-Chime-Bearer", "X-Amz-Security-Token", "X-Amz-Target"} {
		lines = append(lines, strconv.Quote(strings.Join(r.Header[name], "\n")))
	}
	return strings.Join(lines, "\n")
}

// FuzzCanonicalQuery compares the canonical query with one made by net/url.
func FuzzCanonicalQuery(f *testing.F) {
	for _, raw := range []string{"", "a", "a=", "b=2&a=1", "a=1&a=0", "%41=%2f", "a=b+c", "&&", "=", "a=b=c", "%", "k=%C3%A9&k=é", "a-b=1&a=1&a%2Fb=1"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := sigv4.CanonicalQuery(raw)
		if err != nil {
			return
		}
		if want := canonicalQuery(raw); got != want {
			t.Fatalf("canonical query of %q is %q, want %q", raw, got, want)
		}
		if again, err := sigv4.CanonicalQuery(got); err != nil || again != got {
			t.Fatalf("canonical query of its own result %q is %q, %v", got, again, err)
		}
	})
}

func canonicalQuery(raw string) string {
	if raw == "" {
		return ""
	}
	escape := func(s string) string {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return "broken escape " + s
		}
		return strings.ReplaceAll(url.QueryEscape(decoded), "+", "%20")
	}
	var pairs [][2]string
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		if name = escape(name); name != "X-Amz-Signature" {
			pairs = append(pairs, [2]string{name, escape(value)})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	var parts []string
	for _, p := range pairs {
		parts = append(parts, p[0]+"="+p[1])
	}
	return strings.Join(parts, "&")
}
