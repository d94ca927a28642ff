package oidc_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/oidc"
	"github.com/carillon-chat/carillon/internal/oidc/oidctest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a verifier that knows one issuer, with the client ids client-1 and client-2.
type fixture struct {
	*oidc.Verifier
	*oidctest.Issuer
	store store.Store
	now   time.Time
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{Issuer: oidctest.Start(t), store: memstore.New(), now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	t.Cleanup(func() { f.store.Close() })
	register(t, f.store, f.Provider())
	f.Verifier = oidc.New(oidc.Options{
		Store: f.store, Now: func() time.Time { return f.now }, AllowHTTP: true,
		Client: oidc.NewClient(oidc.ClientOptions{AllowHTTP: true, AllowedNetworks: loopback}),
	})
	return f
}

func register(t *testing.T, st store.Store, provider string) {
	t.Helper()
	err := st.Update(context.Background(), "", func(tx store.Tx) error {
		return store.OIDCProviders.Put(tx, store.K(provider), chime.OIDCProvider{URL: provider, ClientIDs: []string{"client-1", "client-2"}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks that a token is refused with the kind.
func (f *fixture) refused(t *testing.T, token string, kind error) {
	t.Helper()
	got, err := f.Verify(context.Background(), token)
	if got != nil || !errors.Is(err, kind) {
		t.Errorf("got %v, %v; want the refusal: %v", got, err, kind)
	}
}

func (f *fixture) accepted(t *testing.T, token string) *oidc.Identity {
	t.Helper()
	got, err := f.Verify(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAcceptedToken(t *testing.T) {
	f := newFixture(t)
	got := f.accepted(t, f.Token(f.now, map[string]any{
		"aud": []string{"other", "client-2"}, "amr": []string{"pwd", "otp"},
		"https://aws.amazon.com/tags": map[string]any{
			"principal_tags": map[string]any{"Team": []string{"blue"}, "City": "Bern"}, "transitive_tag_keys": []string{"Team"},
		},
	}))
	if got.Provider != f.Provider() || got.Subject != "subject-1" || got.Audience != "client-2" || !slices.Equal(got.Methods, []string{"pwd", "otp"}) ||
		!slices.Equal(got.Tags, []chime.Tag{{Key: "City", Value: "Bern"}, {Key: "Team", Value: "blue"}}) || !slices.Equal(got.TransitiveTags, []string{"Team"}) {
		t.Errorf("got %+v", got)
	}
}

func TestClaims(t *testing.T) {
	f := newFixture(t)
	at := func(d time.Duration) int64 { return f.now.Add(d).Unix() }
	for _, tc := range []struct {
		name   string
		claims map[string]any
		kind   error // nil: accepted
	}{
		{"as issued", nil, nil},
		{"one audience in a list", map[string]any{"aud": []string{"client-1"}}, nil},
		{"another audience", map[string]any{"aud": "client-3"}, oidc.ErrInvalid},
		{"audience in other case", map[string]any{"aud": "Client-1"}, oidc.ErrInvalid},
		{"no audience", map[string]any{"aud": nil}, oidc.ErrInvalid},
		{"empty audience", map[string]any{"aud": ""}, oidc.ErrInvalid},
		{"audience of another type", map[string]any{"aud": map[string]any{"client-1": 1}}, oidc.ErrInvalid},
		{"the authorized party is registered", map[string]any{"aud": "api", "azp": "client-1"}, nil},
		{"the authorized party is not registered", map[string]any{"aud": "client-1", "azp": "other"}, oidc.ErrInvalid},
		{"expired within the leeway", map[string]any{"exp": at(-5*time.Minute + time.Second)}, nil},
		{"expired", map[string]any{"exp": at(-5 * time.Minute)}, oidc.ErrExpired},
		{"long expired", map[string]any{"exp": -1e300}, oidc.ErrExpired},
		{"never expires", map[string]any{"exp": nil}, oidc.ErrInvalid},
		{"expires at the end of time", map[string]any{"exp": 1e300}, nil},
		{"expires at a text", map[string]any{"exp": "tomorrow"}, oidc.ErrInvalid},
		{"no time of issue", map[string]any{"iat": nil}, oidc.ErrInvalid},
		{"issued within the leeway", map[string]any{"iat": at(5 * time.Minute)}, nil},
		{"issued in the future", map[string]any{"iat": at(5*time.Minute + time.Second)}, oidc.ErrRejected},
		{"valid within the leeway", map[string]any{"nbf": at(5 * time.Minute)}, nil},
		{"valid in the future", map[string]any{"nbf": at(5*time.Minute + time.Second)}, oidc.ErrRejected},
		{"no subject", map[string]any{"sub": nil}, oidc.ErrRejected},
		{"a subject of great length", map[string]any{"sub": strings.Repeat("s", 256)}, oidc.ErrRejected},
		{"a tag with two values", map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"k": []string{"a", "b"}}}}, oidc.ErrRejected},
		{"an unknown claim", map[string]any{"groups": []any{1, nil, map[string]any{}}}, nil},
		{"an issuer with a slash too many", map[string]any{"iss": f.URL + "/"}, oidc.ErrInvalid},
		{"an issuer in capitals", map[string]any{"iss": strings.ToUpper(f.URL)}, oidc.ErrInvalid},
		{"an issuer with a query", map[string]any{"iss": f.URL + "?x"}, oidc.ErrInvalid},
		{"an issuer with a user", map[string]any{"iss": strings.Replace(f.URL, "://", "://u@", 1)}, oidc.ErrInvalid},
		{"an issuer that is not registered", map[string]any{"iss": "https://other.example"}, oidc.ErrInvalid},
		{"no issuer", map[string]any{"iss": nil}, oidc.ErrInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if token := f.Token(f.now, tc.claims); tc.kind != nil {
				f.refused(t, token, tc.kind)
			} else {
				f.accepted(t, token)
			}
		})
	}
}

func TestForgedSignatures(t *testing.T) {
	f := newFixture(t)
	good := f.Token(f.now, nil)
	parts := strings.Split(good, ".")
	claims := map[string]any{"iss": f.URL, "sub": "mallory", "aud": "client-1", "iat": f.now.Unix(), "exp": f.now.Add(time.Hour).Unix()}
	header := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	key := f.Key()
	rsaKey, public := key.Key, key.Public()
	publicDER, err := x509.MarshalPKIXPublicKey(public.Key)
	if err != nil {
		t.Fatal(err)
	}
	own := oidctest.RSAKey(t)
	ownPublic := jose.JSONWebKey{Key: own.Public(), KeyID: "first"}
	encrypter, err := jose.NewEncrypter(jose.A128GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: public.Key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := encrypter.Encrypt([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	encrypted, err := sealed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(good, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	kid := map[string]any{"kid": "first"}
	for name, token := range map[string]string{
		"empty":                          "",
		"no token":                       "abc",
		"none":                           header(`{"alg":"none"}`) + "." + parts[1] + ".",
		"none in other case":             header(`{"alg":"nOnE","kid":"first"}`) + "." + parts[1] + ".",
		"none with the signature":        header(`{"alg":"none","kid":"first"}`) + "." + parts[1] + "." + parts[2],
		"no algorithm":                   header(`{"kid":"first"}`) + "." + parts[1] + "." + parts[2],
		"no signature":                   parts[0] + "." + parts[1] + ".",
		"other claims":                   parts[0] + "." + header(`{"iss":"`+f.URL+`","sub":"mallory","aud":"client-1","iat":1,"exp":9999999999}`) + "." + parts[2],
		"HS256 with the public key":      oidctest.Sign(t, jose.HS256, publicDER, claims, kid),
		"HS256 with the modulus":         oidctest.Sign(t, jose.HS256, []byte(header(string(publicDER))), claims, kid),
		"another key with the key's id":  oidctest.Sign(t, jose.RS256, jose.JSONWebKey{Key: own, KeyID: "first"}, claims, nil),
		"another key without id":         oidctest.Sign(t, jose.RS256, own, claims, nil),
		"a curve's key with the id":      oidctest.Sign(t, jose.ES256, jose.JSONWebKey{Key: oidctest.ECKey(t), KeyID: "first"}, claims, nil),
		"the header brings the key":      oidctest.Sign(t, jose.RS256, own, claims, map[string]any{"kid": "first", "jwk": ownPublic}),
		"the header says where keys are": oidctest.Sign(t, jose.RS256, own, claims, map[string]any{"kid": "first", "jku": "https://127.0.0.1:1/keys", "x5u": "https://127.0.0.1:1/x"}),
		"a critical header":              oidctest.Sign(t, jose.RS256, rsaKey, claims, map[string]any{"kid": "first", "crit": []string{"exp"}, "exp": 1}),
		"a token within a token":         oidctest.Sign(t, jose.RS256, rsaKey, claims, map[string]any{"kid": "first", "cty": "JWT"}),
		"encrypted":                      encrypted,
		"the JSON form":                  signed.FullSerialize(),
		"with a space":                   " " + good,
		"of great size":                  good + strings.Repeat("A", oidc.MaxToken),
		"no claims":                      oidctest.Sign(t, jose.RS256, rsaKey, "text", kid),
	} {
		t.Run(name, func(t *testing.T) { f.refused(t, token, oidc.ErrInvalid) })
	}
	f.accepted(t, good)
}

// A name that comes twice could be read in two ways by two readers.
func TestClaimsThatComeTwice(t *testing.T) {
	f := newFixture(t)
	payload := `{"iss":"` + f.URL + `","sub":"ann","sub":"bob","aud":"client-1","iat":1,"exp":9999999999}`
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: f.Key()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	f.refused(t, token, oidc.ErrInvalid)
}

func TestAlgorithms(t *testing.T) {
	f := newFixture(t)
	rsaKey := f.Key()
	f.AddKey("curve", oidctest.ECKey(t))
	ecKey := f.Key()
	claims := map[string]any{"iss": f.URL, "sub": "s", "aud": "client-1", "iat": f.now.Unix(), "exp": f.now.Add(time.Hour).Unix()}
	for _, algorithm := range []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512} {
		f.accepted(t, oidctest.Sign(t, algorithm, rsaKey, claims, nil))
	}
	f.accepted(t, oidctest.Sign(t, jose.ES256, ecKey, claims, nil))
	// Without a key id, every key of the algorithm's type is tried.
	f.accepted(t, oidctest.Sign(t, jose.RS256, rsaKey.Key, claims, nil))
	f.accepted(t, oidctest.Sign(t, jose.ES256, ecKey.Key, claims, nil))
}

// A key verifies nothing that its issuer did not make it for.
func TestKeysThatDoNotFit(t *testing.T) {
	f := newFixture(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	key := oidctest.RSAKey(t)
	for _, k := range []jose.JSONWebKey{
		{Key: key, KeyID: "to encrypt", Use: "enc"}, {Key: key, KeyID: "for another algorithm", Algorithm: "RS512"}, {Key: weak, KeyID: "weak"},
	} {
		f.Publish(k)
	}
	claims := map[string]any{"iss": f.URL, "sub": "s", "aud": "client-1", "iat": f.now.Unix(), "exp": f.now.Add(time.Hour).Unix()}
	for id, private := range map[string]any{"to encrypt": key, "for another algorithm": key, "weak": weak} {
		t.Run(id, func(t *testing.T) {
			f.refused(t, oidctest.Sign(t, jose.RS256, private, claims, map[string]any{"kid": id}), oidc.ErrInvalid)
			f.refused(t, oidctest.Sign(t, jose.RS256, private, claims, nil), oidc.ErrInvalid)
		})
	}
	f.accepted(t, oidctest.Sign(t, jose.RS512, key, claims, map[string]any{"kid": "for another algorithm"}))
}

func TestOwnIssuer(t *testing.T) {
	f := newFixture(t)
	key := oidctest.RSAKey(t)
	own := &oidc.Own{URL: "https://own.example", Key: keyFunc(key)}
	v := oidc.New(oidc.Options{Store: f.store, Now: func() time.Time { return f.now }, Own: own})
	token, err := own.Token(context.Background(), "us-east-1:x", "us-east-1:pool", []string{"authenticated"}, f.now, 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Verify(context.Background(), token)
	if err != nil || got.Provider != "own.example" || got.Subject != "us-east-1:x" || got.Audience != "us-east-1:pool" || !slices.Equal(got.Methods, []string{"authenticated"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	forged := &oidc.Own{URL: own.URL, Key: keyFunc(oidctest.RSAKey(t))}
	if token, err = forged.Token(context.Background(), "us-east-1:x", "us-east-1:pool", nil, f.now, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err = v.Verify(context.Background(), token); !errors.Is(err, oidc.ErrInvalid) {
		t.Errorf("a forged token: %v", err)
	}
}
