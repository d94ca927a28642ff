package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parts of Signature Version 4, as AWS's documentation of the IAM user guide describes it.
const (
	signAlgorithm = "AWS4-HMAC-SHA256"
	signTime      = "20060102T150405Z"
	signService   = "chime"
	emptyHash     = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// signer signs requests for one region with one key. It signs the requests that this package makes:
// their path is escaped and their headers have one value each.
type signer struct {
	keys   Credentials
	region string
}

// sign signs a request and its body in the Authorization header.
func (s signer) sign(req *http.Request, body []byte, at time.Time) error {
	if err := s.check(); err != nil {
		return err
	}
	date := at.UTC().Format(signTime)
	req.Header.Set("X-Amz-Date", date)
	if s.keys.SessionToken != "" {
		req.Header.Set("X-Amz-Security-Token", s.keys.SessionToken)
	}
	hash := sha256.Sum256(body)
	signature, names := s.signature(req, canonicalQuery(req.URL.Query()), hex.EncodeToString(hash[:]), date)
	req.Header.Set("Authorization", signAlgorithm+" Credential="+s.keys.AccessKeyID+"/"+s.scope(date)+
		", SignedHeaders="+names+", Signature="+signature)
	return nil
}

// presign signs a request without a body in its URL, which is good for the time.
func (s signer) presign(req *http.Request, at time.Time, lifetime time.Duration) error {
	if err := s.check(); err != nil {
		return err
	}

	date := at.UTC().Format(signTime)
	values := req.URL.Query()
	values.Set("X-Amz-Algorithm", signAlgorithm)
	values.Set("X-Amz-Credential", s.keys.AccessKeyID+"/"+s.scope(date))
	values.Set("X-Amz-Date", date)
	values.Set("X-Amz-Expires", strconv.Itoa(int(lifetime/time.Second)))
	values.Set("X-Amz-SignedHeaders", "host")
	if s.keys.SessionToken != "" {
		values.Set("X-Amz-Security-Token", s.keys.SessionToken)
	}

	query := canonicalQuery(values)
	signature, _ := s.signature(req, query, emptyHash, date)
	req.URL.RawQuery = query + "&X-Amz-Signature=" + signature
	return nil
}

func (s signer) check() error {
	if s.keys.AccessKeyID == "" || s.keys.SecretAccessKey == "" {
		return errors.New("client: credentials lack the access key or its secret")
	}
	return nil
}

// scope names what the signature is good for.
func (s signer) scope(date string) string {
	return date[:len("20060102")] + "/" + s.region + "/" + signService + "/aws4_request"
}

// signature computes the signature, and names the headers that it covers: the host, the type of the
// content and all that begin with X-Amz-.
func (s signer) signature(req *http.Request, query, bodyHash, date string) (signature, names string) {
	// The headers, by name in order.
	values := map[string]string{"host": req.URL.Host}
	for name, value := range req.Header {
		if name = strings.ToLower(name); name == "content-type" || strings.HasPrefix(name, "x-amz-") {
			values[name] = strings.Join(strings.Fields(strings.Join(value, ",")), " ")
		}
	}
	var list []string
	for name := range values {
		list = append(list, name)
	}
	slices.Sort(list)
	names = strings.Join(list, ";")
	var headers strings.Builder
	for _, name := range list {
		headers.WriteString(name + ":" + values[name] + "\n")
	}

	canonical := strings.Join([]string{req.Method, canonicalPath(req.URL.EscapedPath()), query, headers.String(), names, bodyHash}, "\n")
	hash := sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{signAlgorithm, date, s.scope(date), hex.EncodeToString(hash[:])}, "\n")

	key := []byte("AWS4" + s.keys.SecretAccessKey)
	for part := range strings.SplitSeq(s.scope(date), "/") {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text)), names
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// canonicalPath escapes a path that is escaped already once more, as every service but S3 has it.
func canonicalPath(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = strictEscape(segment)
	}
	return strings.Join(segments, "/")
}

// canonicalQuery sorts the parameters and escapes all but unreserved characters.
func canonicalQuery(values url.Values) string {
	return strings.ReplaceAll(values.Encode(), "+", "%20")
}

// strictEscape escapes all but unreserved characters.
func strictEscape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
