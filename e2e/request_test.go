package e2e

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// request is one HTTP request as a script describes it: what is signed, and what is sent, which
// need not be the same. Its signer is written from AWS's description of the signature and shares
// nothing with the server's.
type request struct {
	method, target, body string
	signed               []field // headers that are signed, besides host and x-amz-date
	unsigned             []field // headers that are added after signing
	key, secret, token   string
	region, service      string
	at                   time.Time
	day                  string        // of the credential scope, when it is not that of at
	expires              time.Duration // not zero: a presigned URL
	omit                 []string      // headers that are signed and not sent
	names                string        // SignedHeaders, when they are not those that are signed
	sentPath             string        // in place of the signed one
	sentQuery            string        // added after signing
	sentBody             *string       // in place of the signed one
	copies               int           // of each unsigned header
}

type field struct{ name, value string }

const isoBasic = "20060102T150405Z"

// escape is the URI encoding of the signature: everything but unreserved characters.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// canonicalPath is the path as sent, encoded once more.
func canonicalPath(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = escape(s)
	}
	return strings.Join(segments, "/")
}

// canonicalQuery decodes each pair, encodes it again and sorts.
func canonicalQuery(raw string) string {
	var pairs []string
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		decoded := [2]string{name, value}
		for i, s := range decoded {
			if d, err := url.PathUnescape(s); err == nil {
				decoded[i] = escape(d)
			}
		}
		pairs = append(pairs, decoded[0]+"="+decoded[1])
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// sign returns the target and the headers of the signed request.
func (r *request) sign(host string) (target string, headers []field) {
	date := r.at.UTC().Format(isoBasic)
	day := r.day
	if day == "" {
		day = date[:8]
	}
	scope := strings.Join([]string{day, r.region, r.service, "aws4_request"}, "/")
	headers = slices.Clone(r.signed)
	if r.token != "" && r.expires == 0 {
		headers = append(headers, field{"x-amz-security-token", r.token})
	}
	if r.expires == 0 {
		headers = append(headers, field{"x-amz-date", date})
	}
	inSignature := append(slices.Clone(headers), field{"host", host})
	slices.SortStableFunc(inSignature, func(a, b field) int { return strings.Compare(lower(a.name), lower(b.name)) })
	var block strings.Builder
	var names []string
	for _, h := range inSignature {
		fmt.Fprintf(&block, "%s:%s\n", lower(h.name), strings.TrimSpace(h.value))
		names = append(names, lower(h.name))
	}
	list := strings.Join(names, ";")
	if r.names != "" {
		list = r.names
	}
	path, query, _ := strings.Cut(r.target, "?")
	if r.expires != 0 {
		auth := "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + escape(r.key+"/"+scope) + "&X-Amz-Date=" + date +
			fmt.Sprintf("&X-Amz-Expires=%d", int(r.expires/time.Second)) + "&X-Amz-SignedHeaders=" + escape(list)
		if r.token != "" {
			auth += "&X-Amz-Security-Token=" + escape(r.token)
		}
		query = strings.TrimPrefix(query+"&"+auth, "&")
	}
	bodyHash := sum(r.body)
	for _, h := range r.signed {
		if lower(h.name) == "x-amz-content-sha256" {
			bodyHash = h.value
		}
	}
	canonical := strings.Join([]string{r.method, canonicalPath(path), canonicalQuery(query), block.String(), list, bodyHash}, "\n")
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", date, scope, sum(canonical)}, "\n")
	key := []byte("AWS4" + r.secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	signature := hex.EncodeToString(mac(key, toSign))
	if r.expires != 0 {
		return path + "?" + query + "&X-Amz-Signature=" + signature, headers
	}
	headers = append(headers, field{"Authorization",
		"AWS4-HMAC-SHA256 Credential=" + r.key + "/" + scope + ", SignedHeaders=" + list + ", Signature=" + signature})
	if query != "" {
		path += "?" + query
	}
	return path, headers
}

func lower(s string) string { return strings.ToLower(s) }

// sent is the target and the signed headers as they go over the wire.
func (r *request) sent(host string) (target string, headers []field) {
	target, headers = r.sign(host)
	_, query, hasQuery := strings.Cut(target, "?")
	if r.sentPath != "" {
		target = r.sentPath
		if hasQuery {
			target += "?" + query
		}
	}
	if r.sentQuery != "" {
		target += map[bool]string{true: "&", false: "?"}[hasQuery] + r.sentQuery
	}
	return target, headers
}

// bytes are what goes over the wire.
func (r *request) bytes(host string) []byte {
	target, headers := r.sent(host)
	body := r.body
	if r.sentBody != nil {
		body = *r.sentBody
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n", r.method, target, host, len(body))
	for _, h := range headers {
		if !slices.Contains(r.omit, lower(h.name)) {
			fmt.Fprintf(&b, "%s: %s\r\n", h.name, h.value)
		}
	}
	for _, h := range r.unsigned {
		for i := range max(r.copies, 1) {
			fmt.Fprintf(&b, "%s: %s\r\n", strings.ReplaceAll(h.name, "*", fmt.Sprint(i)), h.value)
		}
	}
	b.WriteString("\r\n" + body)
	return b.Bytes()
}

// send writes the request to a socket of its own and reads the answer whole.
func (r *request) send(host string) (*http.Response, string, error) {
	conn, err := net.DialTimeout("tcp", host, 10*time.Second)
	if err != nil {
		return nil, "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, "", err
	}
	written := make(chan error, 1)
	go func() { // a server that has seen enough answers before it has read all
		_, err := conn.Write(r.bytes(host))
		written <- err
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.method})
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	<-written
	return resp, string(body), err
}
