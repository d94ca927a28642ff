// Package oidctest gives tests an OpenID Connect issuer on a loopback address.
package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is an issuer of tokens. Its first key is an RSA one.
type Issuer struct {
	t   testing.TB
	URL string
	// Asked counts discoveries, by which a test sees how often the issuer was asked.
	Asked Counter
	// Serve, when set, answers instead of the issuer; false leaves the request to it.
	Serve func(w http.ResponseWriter, r *http.Request) bool
	// Server is where it listens.
	Server *httptest.Server

	mu   sync.Mutex
	keys []jose.JSONWebKey // with private keys; the last one signs
}

// Counter counts from several goroutines.
type Counter struct {
	mu sync.Mutex
	n  int
}

func (c *Counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

// Count is how often.
func (c *Counter) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// Start runs an issuer over plain HTTP until the test ends.
func Start(t testing.TB) *Issuer {
	i := &Issuer{t: t}
	i.run((*httptest.Server).Start)
	return i
}

// StartTLS runs an issuer over TLS.
func StartTLS(t testing.TB) *Issuer {
	i := &Issuer{t: t}
	i.run((*httptest.Server).StartTLS)
	return i
}

func (i *Issuer) run(start func(*httptest.Server)) {
	i.t.Helper()
	i.Server = httptest.NewUnstartedServer(http.HandlerFunc(i.answer))
	i.Server.Config.ErrorLog = log.New(io.Discard, "", 0)
	start(i.Server)
	i.t.Cleanup(i.Server.Close)
	i.URL = i.Server.URL
	key, err := firstKey()
	if err != nil {
		i.t.Fatal(err)
	}
	i.AddKey("first", key)
}

// firstKey is the same for all issuers of a test program, because making one takes long.
var firstKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// Provider is the issuer's URL without the scheme, as IAM names it.
func (i *Issuer) Provider() string {
	_, rest, _ := strings.Cut(i.URL, "://")
	return rest
}

// AddKey publishes a key with which the issuer signs from now on.
func (i *Issuer) AddKey(id string, private crypto.Signer) {
	i.Publish(jose.JSONWebKey{Key: private, KeyID: id})
}

// Publish does the same with a key and what the issuer says of it.
func (i *Issuer) Publish(key jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, key)
}

// Rotate takes back every key and publishes a new one.
func (i *Issuer) Rotate(id string) {
	i.t.Helper()
	i.mu.Lock()
	i.keys = nil
	i.mu.Unlock()
	i.AddKey(id, RSAKey(i.t))
}

// Key is the key that signs.
func (i *Issuer) Key() jose.JSONWebKey {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1]
}

// Token is an ID token that was issued a minute ago and lives for an hour. The claims replace
// those that a token has anyway; nil takes one away.
func (i *Issuer) Token(now time.Time, claims map[string]any) string {
	i.t.Helper()
	all := map[string]any{
		"iss": i.URL, "sub": "subject-1", "aud": "client-1", "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for name, value := range claims {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	algorithm := jose.RS256
	if _, ok := i.Key().Key.(*ecdsa.PrivateKey); ok {
		algorithm = jose.ES256
	}
	return Sign(i.t, algorithm, i.Key(), all, nil)
}

// Sign signs claims with any algorithm and key, with extra members in the header.
func Sign(t testing.TB, algorithm jose.SignatureAlgorithm, key any, claims any, header map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	for name, value := range header {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (i *Issuer) answer(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
		i.Asked.add()
	}
	if i.Serve != nil && i.Serve(w, r) {
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+"/keys")
	case "/keys":
		_ = json.NewEncoder(w).Encode(i.public()) // a client that left is no matter of the test
	default:
		http.NotFound(w, r)
	}
}

func (i *Issuer) public() jose.JSONWebKeySet {
	i.mu.Lock()
	defer i.mu.Unlock()
	var set jose.JSONWebKeySet
	for _, key := range i.keys {
		set.Keys = append(set.Keys, key.Public())
	}
	return set
}

// RSAKey makes a key.
func RSAKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// ECKey makes a key on P-256.
func ECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
