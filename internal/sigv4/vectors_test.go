package sigv4_test

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/textproto"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

// vector is one case of the AWS signing test suite.
type vector struct {
	folder      string
	Credentials struct {
		ID     string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
		Token  string `json:"token"`
	} `json:"credentials"`
	Normalize bool      `json:"normalize"`
	OmitToken bool      `json:"omit_session_token"`
	Region    string    `json:"region"`
	Service   string    `json:"service"`
	Timestamp time.Time `json:"timestamp"`
}

func (v *vector) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(v.folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestVectors holds the verifier against the published vectors: it accepts
// each of them, computes the published texts, and refuses it with any single
// byte changed.
//
// The requests of the suite are not escaped, so escaping "the path as sent
// once more" is the one escaping that they expect. The suite's clean-up of dot
// segments is done here: the service never normalises.
func TestVectors(t *testing.T) {
	for _, folder := range vectorFolders(t) {
		v := &vector{folder: folder}
		if err := json.Unmarshal([]byte(v.read(t, "context.json")), v); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"header", "query"} {
			t.Run(filepath.Base(folder)+"/"+kind, func(t *testing.T) { v.run(t, kind) })
		}
	}
}

func vectorFolders(t *testing.T) []string {
	t.Helper()
	const place = "../shared/vectors/sigv4"
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			t.Fatal("no go.mod above the package")
		}
		root = filepath.Dir(root)
	}
	folders, err := filepath.Glob(filepath.Join(root, place, "*", "context.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) == 0 {
		t.Skipf("SKIPPED: the AWS signing test suite is not in %s beside the checkout", place)
	}
	if len(folders) < 38 {
		t.Errorf("the suite has %d cases, not 38", len(folders))
	}
	for i := range folders {
		folders[i] = filepath.Dir(folders[i])
	}
	return folders
}

func (v *vector) run(t *testing.T, kind string) {
	r, body := parseVector(t, v.read(t, kind+"-signed-request.txt"))
	if v.Normalize {
		r.Target = normalize(r.Target)
	}
	keys := holder{AccessKeyID: v.Credentials.ID, SecretAccessKey: v.Credentials.Secret, SessionToken: v.Credentials.Token}
	if v.OmitToken && kind == "header" {
		keys.SessionToken = r.Header.Get("X-Amz-Security-Token")
	}
	settings := func(o *sigv4.Options) {
		o.Scopes = []sigv4.Scope{{Region: v.Region, Service: v.Service}}
		if v.OmitToken {
			*o = o.WithUnsignedToken()
		}
	}
	verifier := newVerifier(t, v.Timestamp, settings)
	if err := refusal(t, verifier, r, keys); err != nil {
		t.Fatalf("refused: %v", err)
	}
	v.compareTexts(t, kind, newVerifier(t, v.Timestamp, settings, explain), r, keys)
	for _, changed := range mutations(r, body) {
		if refusal(t, verifier, changed.request, keys) == nil {
			t.Errorf("accepted with a byte changed in %s", changed.where)
		}
	}
}

// compareTexts reads what the server computed from the refusal of a wrong
// signature.
func (v *vector) compareTexts(t *testing.T, kind string, verifier *sigv4.Verifier, r *sigv4.Request, keys sigv4.Keys) {
	t.Helper()
	signature := v.read(t, kind+"-signature.txt")
	wrong := clone(r)
	wrong.Target = strings.Replace(r.Target, signature, strings.Repeat("0", 64), 1)
	if kind == "header" {
		wrong.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), signature, strings.Repeat("0", 64), 1))
	}
	err := refusal(t, verifier, wrong, keys)
	if err == nil {
		t.Fatal("accepted with a signature of zeros")
	}
	token := "<" + strconv.Itoa(len(v.Credentials.Token)) + " bytes not shown>"
	want := v.read(t, kind+"-canonical-request.txt")
	if v.Credentials.Token != "" {
		want = strings.ReplaceAll(want, "x-amz-security-token:"+v.Credentials.Token, "x-amz-security-token:"+token)
		escaped := strings.NewReplacer("/", "%2F", "+", "%2B", "=", "%3D").Replace(v.Credentials.Token)
		want = strings.ReplaceAll(want, "X-Amz-Security-Token="+escaped, "X-Amz-Security-Token=<"+strconv.Itoa(len(escaped))+" bytes not shown>")
	}
	if err.CanonicalRequest != want {
		t.Errorf("canonical request:\n%s\nwant:\n%s", err.CanonicalRequest, want)
	}
	if want := v.read(t, kind+"-string-to-sign.txt"); err.StringToSign != want {
		t.Errorf("string to sign:\n%s\nwant:\n%s", err.StringToSign, want)
	}
}

// parseVector reads a request of the suite, which net/http would refuse: its
// targets hold spaces and bytes outside ASCII.
func parseVector(t *testing.T, text string) (*sigv4.Request, string) {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	first, rest, _ := strings.Cut(head, "\n")
	method, target, _ := strings.Cut(first, " ")
	r := &sigv4.Request{
		Method: method, Target: strings.TrimSuffix(target, " HTTP/1.1"), Header: http.Header{},
		ContentLength: int64(len(body)), BodyHash: sha256.Sum256([]byte(body)),
	}
	rest = strings.ReplaceAll(rest, "\n ", "  ") // a folded line
	for line := range strings.SplitSeq(rest, "\n") {
		name, value, _ := strings.Cut(line, ":")
		if name = textproto.CanonicalMIMEHeaderKey(name); name == "Host" {
			r.Host = value
		} else if name != "" {
			r.Header.Add(name, value)
		}
	}
	return r, body
}

// normalize cleans the path of a target as services other than this one do.
func normalize(target string) string {
	old, query, hasQuery := strings.Cut(target, "?")
	clean := path.Clean(old)
	if strings.HasSuffix(old, "/") && clean != "/" {
		clean += "/"
	}
	if hasQuery {
		clean += "?" + query
	}
	return clean
}

type mutation struct {
	where   string
	request *sigv4.Request
}

// mutations changes each byte of method, target, host, signed header,
// signature and body in turn.
func mutations(r *sigv4.Request, body string) (all []mutation) {
	each := func(where, text string, set func(*sigv4.Request, string)) {
		for i := range len(text) {
			c := clone(r)
			set(c, text[:i]+string([]byte{text[i] ^ 1})+text[i+1:])
			all = append(all, mutation{where + " at " + strconv.Itoa(i), c})
		}
	}
	each("method", r.Method, func(c *sigv4.Request, s string) { c.Method = s })
	each("target", r.Target, func(c *sigv4.Request, s string) { c.Target = s })
	each("host", r.Host, func(c *sigv4.Request, s string) { c.Host = s })
	each("body", body, func(c *sigv4.Request, s string) { c.BodyHash = sha256.Sum256([]byte(s)) })
	for _, name := range signedHeaders(r) {
		if name == "Content-Length" { // net/http keeps it here too; the field is what counts
			c := clone(r)
			c.ContentLength ^= 1
			all = append(all, mutation{name, c})
			continue
		}
		for i, value := range r.Header[name] {
			each(name, value, func(c *sigv4.Request, s string) { c.Header[name][i] = s })
		}
	}
	each("Authorization", r.Header.Get("Authorization"), func(c *sigv4.Request, s string) { c.Header.Set("Authorization", s) })
	return all
}

// signedHeaders names the headers besides host that the request signs.
func signedHeaders(r *sigv4.Request) (names []string) {
	_, list, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	if _, rest, ok := strings.Cut(r.Target, "X-Amz-SignedHeaders="); ok {
		list, _, _ = strings.Cut(rest, "&")
		list = strings.ReplaceAll(list, "%3B", ";")
	}
	for name := range r.Header {
		if slices.Contains(strings.Split(list, ";"), strings.ToLower(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
