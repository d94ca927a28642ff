package keyring_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carillon-chat/carillon/internal/keyring"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/faulty"
	"github.com/carillon-chat/carillon/internal/store/memstore"
)

// cluster is a store with nodes on it, and their clock.
type cluster struct {
	t     *testing.T
	store store.Store
	now   time.Time
}

func newCluster(t *testing.T) *cluster {
	st := memstore.New()
	t.Cleanup(func() { st.Close() })
	return &cluster{t, st, time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
}

func (c *cluster) open(secret, previous string) (*keyring.Keyring, error) {
	return keyring.Open(c.t.Context(), keyring.Options{
		Store: c.store, RootSecret: secret, Previous: previous, Now: func() time.Time { return c.now },
	})
}

func (c *cluster) node() *keyring.Keyring {
	c.t.Helper()
	k, err := c.open("root-secret", "")
	if err != nil {
		c.t.Fatal(err)
	}
	return k
}

func (c *cluster) token(k *keyring.Keyring, text string) string {
	c.t.Helper()
	token, err := k.SealToken([]byte(text))
	if err != nil {
		c.t.Fatal(err)
	}
	return token
}

// opens reports whether the node opens the token; any failure but ErrToken ends the test.
func (c *cluster) opens(k *keyring.Keyring, token, want string) bool {
	c.t.Helper()
	plain, err := k.OpenToken(token)
	if err != nil {
		if !errors.Is(err, keyring.ErrToken) {
			c.t.Fatal(err)
		}
		return false
	}
	if string(plain) != want {
		c.t.Fatalf("the token holds %q, want %q", plain, want)
	}
	return true
}

// number is that of the key that made the token.
func number(t *testing.T, token string) byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	return raw[0]
}

func (c *cluster) rotate(k *keyring.Keyring) {
	c.t.Helper()
	if err := k.Rotate(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

func TestSecretsAtRest(t *testing.T) {
	c := newCluster(t)
	k := c.node()
	sealed, err := k.Seal([]byte("a secret"), []byte("AKIA1"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), "secret") {
		t.Error("the sealed bytes show the secret")
	}
	for name, node := range map[string]*keyring.Keyring{"the same": k, "after a restart": c.node()} {
		if plain, err := node.Unseal(sealed, []byte("AKIA1")); err != nil || string(plain) != "a secret" {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
	for i := range sealed {
		changed := append([]byte{}, sealed...)
		changed[i] ^= 1
		if _, err := k.Unseal(changed, []byte("AKIA1")); err == nil {
			t.Errorf("opened with byte %d changed", i)
		}
		if _, err := k.Unseal(sealed[:i], []byte("AKIA1")); err == nil {
			t.Errorf("opened when cut to %d bytes", i)
		}
	}
	if _, err := k.Unseal(sealed, []byte("AKIA2")); err == nil {
		t.Error("a secret of one record opens in another")
	}
	if _, err := newCluster(t).node().Unseal(sealed, []byte("AKIA1")); err == nil {
		t.Error("another store with the same root secret opens it")
	}
}

func TestTokens(t *testing.T) {
	c := newCluster(t)
	k := c.node()
	token := c.token(k, "claims")
	if strings.ContainsAny(token, "+/=%") {
		t.Errorf("the token %q needs escaping in a URL", token)
	}
	if !c.opens(k, token, "claims") || !c.opens(c.node(), token, "claims") {
		t.Error("the token does not open")
	}
	if c.token(k, "claims") == token {
		t.Error("two tokens are equal")
	}
	for name, bad := range map[string]string{
		"empty": "", "short": "AA", "other alphabet": "*" + token[1:], "cut": token[:len(token)-2],
		"longer": token + "AAAA", "padded": token + "=", "huge": strings.Repeat("A", 1<<20),
	} {
		if c.opens(k, bad, "") {
			t.Errorf("%s: opened", name)
		}
	}
	for i := range token {
		c.now = c.now.Add(time.Hour) // so that looking for an unknown key is not what refuses
		if bad := token[:i] + map[bool]string{true: "A", false: "B"}[token[i] != 'A'] + token[i+1:]; c.opens(k, bad, "claims") {
			t.Errorf("opened with character %d changed", i)
		}
	}
	if c.opens(newCluster(t).node(), token, "claims") {
		t.Error("another store with the same root secret opens it")
	}
}

func TestSecretsOfTemporaryKeys(t *testing.T) {
	c := newCluster(t)
	k := c.node()
	a, b := k.Secret("ASIA1"), k.Secret("ASIA2")
	if len(a) != 40 || a == b {
		t.Errorf("%q, %q", a, b)
	}
	c.now = c.now.Add(keyring.DefaultRotate)
	c.rotate(k)
	if k.Secret("ASIA1") != a || c.node().Secret("ASIA1") != a {
		t.Error("the secret of a temporary key changed")
	}
}

// A key is in use for 30 days; a token opens for two days after another replaced its key.
func TestRotation(t *testing.T) {
	c := newCluster(t)
	k := c.node()
	first := c.token(k, "first")
	c.now = c.now.Add(keyring.DefaultRotate - time.Second)
	c.rotate(k)
	last := c.token(k, "last of the first key")
	if number(t, first) != number(t, last) {
		t.Error("the key was replaced early")
	}
	c.now = c.now.Add(time.Second)
	c.rotate(k)
	second := c.token(k, "second")
	if number(t, second) == number(t, first) {
		t.Error("the key was not replaced")
	}
	c.now = c.now.Add(keyring.Keep - time.Second)
	c.rotate(k)
	for _, node := range []*keyring.Keyring{k, c.node()} {
		if !c.opens(node, last, "last of the first key") || !c.opens(node, second, "second") {
			t.Error("a token of a replaced key does not open while it may live")
		}
	}
	c.now = c.now.Add(time.Second)
	c.rotate(k)
	for _, node := range []*keyring.Keyring{k, c.node()} {
		if c.opens(node, last, "last of the first key") {
			t.Error("the first key was kept")
		}
		if !c.opens(node, second, "second") {
			t.Error("the second key is gone")
		}
	}
}

// Numbers of keys are written as one byte: the 257th key has the number of the first.
func TestManyRotations(t *testing.T) {
	c := newCluster(t)
	k := c.node()
	for range 300 {
		c.now = c.now.Add(keyring.DefaultRotate)
		c.rotate(k)
		if token := c.token(k, "text"); !c.opens(k, token, "text") {
			t.Fatal("the token does not open")
		}
	}
}

func TestNodesAgree(t *testing.T) {
	c := newCluster(t)
	a, b := c.node(), c.node()
	if !c.opens(b, c.token(a, "text"), "text") {
		t.Error("nodes that started together disagree")
	}
	c.now = c.now.Add(keyring.DefaultRotate)
	c.rotate(a)
	token := c.token(a, "text")
	if !c.opens(b, token, "text") {
		t.Error("a key of another node is not found")
	}
	c.rotate(b)
	if number(t, c.token(b, "text")) != number(t, token) {
		t.Error("each node made a key of its own")
	}
}

// Tokens of strangers must not make the store work.
func TestUnknownKeysAreLookedForNowAndThen(t *testing.T) {
	c := newCluster(t)
	var views atomic.Int32
	c.store = faulty.New(c.store, func(call faulty.Call) error {
		if call.Op == faulty.View {
			views.Add(1)
		}
		return nil
	})
	k := c.node()
	views.Store(0)
	stranger := "_" + c.token(k, "text")[1:]
	for range 100 {
		c.opens(k, stranger, "")
	}
	if n := views.Load(); n != 1 {
		t.Errorf("100 tokens with an unknown key read the store %d times", n)
	}
	c.now = c.now.Add(time.Second)
	c.opens(k, stranger, "")
	if n := views.Load(); n != 2 {
		t.Errorf("the store was read %d times after a second", n)
	}
}

func TestChangedRootSecret(t *testing.T) {
	c := newCluster(t)
	before := c.node()
	issuer, err := before.IssuerKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := before.Seal([]byte("a secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	token := c.token(before, "text")
	for _, previous := range []string{"", "another"} {
		if _, err := c.open("new-secret", previous); !errors.Is(err, keyring.ErrRootSecret) ||
			!strings.Contains(err.Error(), "root-secret-access-key-previous") {
			t.Errorf("previous %q: %v", previous, err)
		}
	}
	for _, secrets := range [][2]string{{"root-secret", "unused"}, {"new-secret", "root-secret"}, {"new-secret", "root-secret"}, {"new-secret", ""}} {
		k, err := c.open(secrets[0], secrets[1])
		if err != nil {
			t.Fatal(secrets, err)
		}
		if plain, err := k.Unseal(sealed, nil); err != nil || string(plain) != "a secret" {
			t.Errorf("%v: the sealed secret is %q, %v", secrets, plain, err)
		}
		if !c.opens(k, token, "text") || k.Secret("ASIA1") != before.Secret("ASIA1") {
			t.Errorf("%v: sessions are lost", secrets)
		}
		if key, err := k.IssuerKey(t.Context()); err != nil || !key.Equal(issuer) {
			t.Errorf("%v: the issuer's key is lost: %v", secrets, err)
		}
	}
	if _, err := c.open("root-secret", ""); !errors.Is(err, keyring.ErrRootSecret) {
		t.Errorf("the former secret still opens: %v", err)
	}
}

// Keys are replaced and forgotten by their age, whatever the clock of the machine does: sessions of a
// day and a half outlive a clock that was wrong for a moment, and keys do not stay for ever.
func TestTheClockOfTheMachineForgetsNoKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		clock, err := store.OpenClock(t.Context(), c.store)
		if err != nil {
			t.Fatal(err)
		}
		k, err := keyring.Open(t.Context(), keyring.Options{
			Store: c.store, Clock: clock, RootSecret: "root-secret", Now: func() time.Time { return c.now }, Rotate: 24 * time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		first := c.token(k, "text")
		pass := func(d time.Duration) {
			time.Sleep(d)
			c.rotate(k)
		}
		pass(25 * time.Hour)
		second := c.token(k, "text")
		if number(t, first) == number(t, second) {
			t.Error("a key is not replaced after its time, while the clock of the machine stood still")
		}
		for _, set := range []time.Duration{72 * time.Hour, -1000 * time.Hour} {
			c.now = c.now.Add(set)
			pass(time.Minute)
			if number(t, c.token(k, "text")) != number(t, second) || !c.opens(k, first, "text") {
				t.Errorf("set by %v: a key was replaced or forgotten before its time", set)
			}
		}
		pass(keyring.Keep)
		if c.opens(k, first, "text") {
			t.Error("a key is kept after its time")
		}
	})
}

func TestIssuerKeyIsOne(t *testing.T) {
	c := newCluster(t)
	a, b := c.node(), c.node()
	first, err := a.IssuerKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*keyring.Keyring{"again": a, "another node": b, "after a restart": c.node()} {
		if key, err := k.IssuerKey(t.Context()); err != nil || !key.Equal(first) {
			t.Errorf("%s: another key, %v", name, err)
		}
	}
}

func TestWebPushKeyIsOne(t *testing.T) {
	c := newCluster(t)
	a, b := c.node(), c.node()
	first, err := a.WebPushKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*keyring.Keyring{"again": a, "another node": b, "after a restart": c.node()} {
		if key, err := k.WebPushKey(t.Context()); err != nil || !key.Equal(first) {
			t.Errorf("%s: another key, %v", name, err)
		}
	}
	if key, err := a.IssuerKey(t.Context()); err != nil || key.N.BitLen() != 2048 {
		t.Errorf("the key of the issuer: %v", err)
	}
}

func TestFailingStore(t *testing.T) {
	c := newCluster(t)
	var failing atomic.Bool
	lost := errors.New("lost")
	c.store = faulty.New(c.store, func(faulty.Call) error {
		if failing.Load() {
			return lost
		}
		return nil
	})
	k := c.node()
	token := c.token(k, "text")
	failing.Store(true)
	if err := k.Rotate(t.Context()); !errors.Is(err, lost) {
		t.Errorf("Rotate: %v", err)
	}
	if _, err := k.IssuerKey(t.Context()); !errors.Is(err, lost) {
		t.Errorf("IssuerKey: %v", err)
	}
	if _, err := c.open("root-secret", ""); !errors.Is(err, lost) {
		t.Errorf("Open: %v", err)
	}
	if !c.opens(k, token, "text") {
		t.Error("the keys in force are lost")
	}
}

// A keyring opens while the store is read-only, unless there is no key yet; what it would write
// waits for Rotate.
func TestOpenOnAFullDisk(t *testing.T) {
	c := newCluster(t)
	var full atomic.Bool
	c.store = faulty.New(c.store, func(call faulty.Call) error {
		if full.Load() && call.Op == faulty.Update {
			return store.ErrFull
		}
		return nil
	})
	full.Store(true)
	if _, err := c.open("root-secret", ""); !errors.Is(err, store.ErrFull) {
		t.Errorf("without keys: %v", err)
	}
	full.Store(false)
	token := c.token(c.node(), "text")
	full.Store(true)
	if !c.opens(c.node(), token, "text") {
		t.Error("the keys are lost")
	}
	changed, err := c.open("new-secret", "root-secret")
	if err != nil {
		t.Fatal(err)
	}
	if !c.opens(changed, token, "text") {
		t.Error("sessions are lost with another root secret")
	}
	if err := changed.Rotate(t.Context()); !errors.Is(err, store.ErrFull) {
		t.Errorf("Rotate: %v", err)
	}
	full.Store(false)
	c.rotate(changed)
	for secret, want := range map[string]error{"new-secret": nil, "root-secret": keyring.ErrRootSecret} {
		if _, err := c.open(secret, ""); !errors.Is(err, want) {
			t.Errorf("with %s afterwards: %v", secret, err)
		}
	}
}

func TestRotationIsNotTooFast(t *testing.T) {
	st := memstore.New()
	defer st.Close()
	if _, err := keyring.Open(context.Background(), keyring.Options{Store: st, RootSecret: "s", Rotate: time.Minute}); err == nil {
		t.Error("more keys than numbers are allowed")
	}
}

// Nodes that rotate at the same time agree in the end, and each opens what it sealed.
func TestNodesAtTheSameTime(t *testing.T) {
	c := newCluster(t)
	var hours atomic.Int64
	node := func() *keyring.Keyring {
		k, err := keyring.Open(t.Context(), keyring.Options{
			Store: c.store, RootSecret: "root-secret", Rotate: time.Hour,
			Now: func() time.Time { return c.now.Add(time.Duration(hours.Load()) * time.Hour) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	nodes := []*keyring.Keyring{node(), node(), node()}
	var running sync.WaitGroup
	for i, k := range nodes {
		running.Go(func() {
			for range 20 {
				hours.Add(1)
				if err := k.Rotate(t.Context()); err != nil {
					t.Error(err)
				}
				token, err := k.SealToken([]byte("text"))
				if err != nil {
					t.Error(err)
				}
				if _, err := nodes[(i+1)%len(nodes)].OpenToken(token); err != nil && !errors.Is(err, keyring.ErrToken) {
					t.Error(err) // ErrToken: the other looked a moment ago and must wait
				}
				if _, err := k.OpenToken(token); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	for _, k := range nodes {
		c.rotate(k)
	}
	for _, k := range nodes {
		for _, other := range nodes {
			if !c.opens(other, c.token(k, "text"), "text") {
				t.Error("nodes disagree")
			}
		}
	}
}
