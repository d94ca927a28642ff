package oidc_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/oidc"
	"github.com/carillon-chat/carillon/internal/oidc/oidctest"
)

func keyFunc(key *rsa.PrivateKey) func(context.Context) (*rsa.PrivateKey, error) {
	return func(context.Context) (*rsa.PrivateKey, error) { return key, nil }
}

func (f *fixture) asked(t *testing.T, want int) {
	t.Helper()
	if got := f.Asked.Count(); got != want {
		t.Errorf("the issuer was asked %d times, want %d", got, want)
	}
}

func TestKeysAreKept(t *testing.T) {
	f := newFixture(t)
	for range 3 {
		f.accepted(t, f.Token(f.now, nil))
	}
	f.asked(t, 1)
	f.now = f.now.Add(oidc.KeysLifetime - time.Second)
	f.accepted(t, f.Token(f.now, nil))
	f.asked(t, 1)
	f.now = f.now.Add(time.Second)
	f.accepted(t, f.Token(f.now, nil))
	f.asked(t, 2)
}

func TestRotatedKey(t *testing.T) {
	f := newFixture(t)
	before := f.Token(f.now, nil)
	f.accepted(t, before)
	f.Rotate("second")
	after := f.Token(f.now, nil)
	f.now = f.now.Add(oidc.FetchPause)
	f.accepted(t, after)
	f.asked(t, 2)
	f.refused(t, before, oidc.ErrInvalid) // its key was taken back
}

func TestUnknownKeysAskTheIssuerSeldom(t *testing.T) {
	f := newFixture(t)
	f.accepted(t, f.Token(f.now, nil))
	strange := oidctest.Sign(t, "RS256", f.Key().Key, map[string]any{"iss": f.URL, "sub": "s"}, map[string]any{"kid": "unknown"})
	for range 5 {
		f.refused(t, strange, oidc.ErrInvalid)
	}
	f.asked(t, 1)
	f.now = f.now.Add(oidc.FetchPause)
	for range 5 {
		f.refused(t, strange, oidc.ErrInvalid)
	}
	f.asked(t, 2)
}

func TestManyAtOnceAskOnce(t *testing.T) {
	f := newFixture(t)
	started, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.Serve = func(http.ResponseWriter, *http.Request) bool {
		once.Do(func() { close(started) })
		<-release
		return false
	}
	token := f.Token(f.now, nil)
	errs := make(chan error, 20)
	for range 20 {
		go func() {
			_, err := f.Verify(context.Background(), token)
			errs <- err
		}()
	}
	<-started
	close(release)
	for range 20 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	f.asked(t, 1)
}

// One caller who leaves takes nothing from the others.
func TestCallerWhoLeaves(t *testing.T) {
	f := newFixture(t)
	started, release := make(chan struct{}), make(chan struct{})
	f.Serve = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/keys" {
			close(started)
			<-release
		}
		return false
	}
	token := f.Token(f.now, nil)
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error)
	go func() {
		_, err := f.Verify(ctx, token)
		left <- err
	}()
	<-started
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	f.accepted(t, token)
	f.asked(t, 1)
}

func TestIssuersThatFail(t *testing.T) {
	document := func(jwks string) func(*fixture, http.ResponseWriter, *http.Request) bool {
		return func(f *fixture, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/keys" {
				return false
			}
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, f.URL, strings.ReplaceAll(jwks, "URL", f.URL))
			return true
		}
	}
	keys := func(text string) func(*fixture, http.ResponseWriter, *http.Request) bool {
		return func(_ *fixture, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/keys" {
				return false
			}
			fmt.Fprint(w, text)
			return true
		}
	}
	weak, err := json.Marshal(map[string]any{"keys": []any{map[string]string{"kty": "oct", "kid": "first", "k": "c2VjcmV0"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, serve := range map[string]func(*fixture, http.ResponseWriter, *http.Request) bool{
		"not found": func(_ *fixture, w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true },
		"redirects": func(f *fixture, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/elsewhere" {
				fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, f.URL, f.URL+"/keys")
				return true
			}
			if r.URL.Path == "/keys" {
				return false
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return true
		},
		"another's document": func(f *fixture, w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprintf(w, `{"issuer":"https://other.example","jwks_uri":%q}`, f.URL+"/keys")
			return true
		},
		"a huge document": func(f *fixture, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/keys" {
				return false
			}
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"more":%q}`, f.URL, f.URL+"/keys", strings.Repeat("x", 1<<20))
			return true
		},
		"huge keys":                  keys(`{"keys":[],"more":"` + strings.Repeat("x", 1<<20) + `"}`),
		"keys that are no JSON":      keys(`keys`),
		"no keys":                    keys(`{"keys":[]}`),
		"keys that are secrets":      keys(string(weak)),
		"more keys than anybody":     keys(`{"keys":[` + strings.TrimSuffix(strings.Repeat("{},", 101), ",") + `]}`),
		"keys at a private address":  document("http://10.0.0.1/keys"),
		"keys at a metadata service": document("https://169.254.169.254/latest"),
		"keys over plain http":       document("http://keys.example/keys"),
		"keys in a file":             document("file:///etc/passwd"),
		"keys at no address":         document(""),
		"keys that are not there":    document("URL/missing"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.Serve = func(w http.ResponseWriter, r *http.Request) bool { return serve(f, w, r) }
			token := f.Token(f.now, nil)
			f.refused(t, token, oidc.ErrCommunication)
			f.refused(t, token, oidc.ErrCommunication)
			f.asked(t, 1) // it is not asked again at once
			f.Serve = nil
			f.now = f.now.Add(oidc.FetchPause)
			f.accepted(t, token)
		})
	}
}

func TestIssuerThatIsNotThere(t *testing.T) {
	f := newFixture(t)
	token := f.Token(f.now, nil)
	f.Server.Close()
	f.refused(t, token, oidc.ErrCommunication)
}

func TestSlowIssuer(t *testing.T) {
	f := newFixture(t)
	f.Serve = func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done() // until the client gives up
		return true
	}
	f.Verifier = oidc.New(oidc.Options{
		Store: f.store, Now: func() time.Time { return f.now }, AllowHTTP: true,
		Client: oidc.NewClient(oidc.ClientOptions{AllowHTTP: true, AllowedNetworks: loopback, Timeout: 20 * time.Millisecond}),
	})
	f.refused(t, f.Token(f.now, nil), oidc.ErrCommunication)
}

func TestIssuerWithTLS(t *testing.T) {
	f := newFixture(t)
	issuer := oidctest.StartTLS(t)
	register(t, f.store, issuer.Provider())
	trusted := x509.NewCertPool()
	trusted.AddCert(issuer.Server.Certificate())
	for _, tc := range []struct {
		name    string
		options oidc.ClientOptions
		kind    error
	}{
		{"trusted, on a listed network", oidc.ClientOptions{Roots: trusted, AllowedNetworks: loopback}, nil},
		{"trusted, on a network of the machine", oidc.ClientOptions{Roots: trusted}, oidc.ErrCommunication},
		{"trusted, another network listed", oidc.ClientOptions{Roots: trusted, AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, oidc.ErrCommunication},
		{"not trusted", oidc.ClientOptions{Roots: x509.NewCertPool(), AllowedNetworks: loopback}, oidc.ErrCommunication},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := oidc.New(oidc.Options{Store: f.store, Now: func() time.Time { return f.now }, Client: oidc.NewClient(tc.options)})
			_, err := v.Verify(context.Background(), issuer.Token(f.now, nil))
			if tc.kind == nil && err != nil || tc.kind != nil && !errors.Is(err, tc.kind) {
				t.Errorf("got %v, want %v", err, tc.kind)
			}
		})
	}
}

func TestPlainHTTPIsRefusedUnlessAllowed(t *testing.T) {
	f := newFixture(t)
	f.Verifier = oidc.New(oidc.Options{
		Store: f.store, Now: func() time.Time { return f.now },
		Client: oidc.NewClient(oidc.ClientOptions{AllowedNetworks: loopback}),
	})
	f.refused(t, f.Token(f.now, nil), oidc.ErrInvalid)
	f.asked(t, 0)
}
