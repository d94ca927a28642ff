package access

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/keyring"
	"github.com/carillon-chat/carillon/internal/policy"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
)

// Options of a Service.
type Options struct {
	Store               store.Store
	Keyring             *keyring.Keyring
	Site                chime.Site
	RootAccessKeyID     string
	RootSecretAccessKey string
	// Clock ends sessions also when the time of day is set back; nil leaves that to the time of day.
	Clock  *store.Clock
	Now    func() time.Time
	Random io.Reader
	// PresignGrace is how long after its end a presigned URL still opens (zero: one minute).
	PresignGrace time.Duration
	// Confirmed reports whether what is remembered of the account may be decided by; nil stands for always, which
	// is so where Forget is called for every change. While it is false, all is read again for each request, so
	// that nothing is decided while the store is away.
	Confirmed func() bool
	// PublicHosts are names of this server that clients sign though a proxy passes another Host on.
	PublicHosts []string
	// Explain adds to the refusal of a signature what the server computed, and to an explanation
	// the text of the statement that denied.
	Explain bool
}

// Service verifies and authorises. It is safe for concurrent use.
type Service struct {
	store      store.Store
	keyring    *keyring.Keyring
	site       chime.Site
	root       *Principal
	rootSecret string
	rootMark   string // of the root secret: sessions of the root die with it
	clock      *store.Clock
	now        func() time.Time
	random     io.Reader
	verifier   *sigv4.Verifier
	explain    bool
	confirmed  func() bool // nil: always

	generation atomic.Uint64 // of what the account holds; Forget begins a new one
	serial     atomic.Uint64 // of the latest principal
	known      cache[known]
	entities   cache[entity]
	granted    cache[granted]
	chatPolicy []policy.Policy
}

// New returns a Service, or an error that names what the options lack.
func New(o Options) (*Service, error) {
	switch {
	case o.RootAccessKeyID == "" || o.RootSecretAccessKey == "":
		return nil, errors.New("access: the root access key is not set")
	case o.Store == nil || o.Keyring == nil:
		return nil, errors.New("access: options have no store or no keyring")
	}

	scopes := sigv4.Scopes(o.Site.Region, "chime", "sts", "iam", "cognito-identity")
	if o.Site.Region != "us-east-1" { // IAM and the global STS endpoint sign for it everywhere
		scopes = append(scopes, sigv4.Scopes("us-east-1", "iam", "sts")...)
	}
	verifier, err := sigv4.New(sigv4.Options{Scopes: scopes, Now: o.Now, Grace: o.PresignGrace, PublicHosts: o.PublicHosts, Explain: o.Explain})
	if err != nil {
		return nil, err
	}

	s := &Service{
		store: o.Store, keyring: o.Keyring, site: o.Site, rootSecret: o.RootSecretAccessKey,
		clock: o.Clock, now: o.Now, random: o.Random, verifier: verifier, explain: o.Explain, confirmed: o.Confirmed,
		known: newCache[known](knownSets), entities: newCache[entity](entitySets), granted: newCache[granted](grantedSets),
	}

	// Policies and principals that the settings decide, made once.
	if s.chatPolicy, err = chatPolicy(o.Site); err != nil {
		return nil, err
	}
	if s.rootMark, err = markOf(o.RootSecretAccessKey); err != nil {
		return nil, err
	}

	s.root = s.rootPrincipal()
	s.root.AccessKeyID = o.RootAccessKeyID
	return s, nil
}

// markOf returns a mark that distinguishes root secrets and reveals nothing of them.
func markOf(rootSecret string) (string, error) {
	mark, err := hkdf.Key(sha256.New, []byte(rootSecret), nil, "carillon root sessions", 12)
	if err != nil {
		return "", fmt.Errorf("access: %w", err)
	}
	return base64.RawStdEncoding.EncodeToString(mark), nil
}

// Forget drops what is remembered of principals, so that the next request of each sees the account
// as it is now. A change of users, keys, roles or policies calls it after the commit and before the
// answer.
func (s *Service) Forget() { s.generation.Add(1) }

// Screen refuses a request by what is known without its body: form, scope and clock of the
// signature, what is signed, an access key that is not known, a session token that does not open or
// has expired. A refusal is a *sigv4.Error whose Step distinguishes these. What Screen accepts is
// not verified: only Verify proves its signer.
func (s *Service) Screen(ctx context.Context, r *sigv4.Request) error {
	return s.verifier.Screen(ctx, r, s)
}

// Verify finds the principal that signed the request, and for which service. A refusal is a
// *sigv4.Error.
func (s *Service) Verify(ctx context.Context, r *sigv4.Request) (p *Principal, service string, err error) {
	result, err := s.verifier.Verify(ctx, r, s)
	if err != nil {
		return nil, "", err
	}
	return result.Principal.(*Principal), result.Scope.Service, nil
}

// SecretKey looks up the secret of an access key; it makes the Service a sigv4.Keys.
func (s *Service) SecretKey(ctx context.Context, accessKeyID, sessionToken string) (string, any, error) {
	if sessionToken == "" && subtle.ConstantTimeCompare([]byte(accessKeyID), []byte(s.root.AccessKeyID)) == 1 {
		return s.rootSecret, s.root, nil
	}
	if s.confirmed != nil && !s.confirmed() {
		s.Forget()
	}

	name, temporary := sessionToken, true
	if sessionToken == "" {
		name, temporary = accessKeyID, false
	}

	// Looked up once for each generation of the account.
	hash, generation := s.known.hash(name), s.generation.Load()
	k := s.known.find(hash, func(k *known) bool {
		return k.generation == generation && k.temporary == temporary && k.name == name
	})
	if k == nil {
		k = &known{name: strings.Clone(name), temporary: temporary, generation: generation}
		var err error
		if temporary {
			err = s.lookUpSession(ctx, k, accessKeyID)
		} else {
			err = s.lookUpKey(ctx, k)
		}
		if err != nil {
			return "", nil, err
		}
		if k.principal.Kind != ChatSession { // which ends with its user, whose end calls no Forget
			s.known.put(hash, k)
		}
	}

	if k.principal.AccessKeyID != accessKeyID {
		return "", nil, fmt.Errorf("%w: it belongs to another access key", sigv4.ErrInvalidToken)
	}
	if temporary && s.isOver(k.principal.Expires, k.until) {
		return "", nil, sigv4.ErrExpiredToken
	}
	return k.secret, k.principal, nil
}

// lookUpSession completes what is known of a session token.
func (s *Service) lookUpSession(ctx context.Context, k *known, accessKeyID string) error {
	c, err := s.openToken(k.name)
	if err != nil {
		return err
	}
	if c.AccessKeyID != accessKeyID {
		return fmt.Errorf("%w: it belongs to another access key", sigv4.ErrInvalidToken)
	}

	if k.until = c.Until; s.isOver(c.Expires.Time(), c.Until) {
		return sigv4.ErrExpiredToken
	}
	k.secret = s.keyring.Secret(c.AccessKeyID)
	if k.principal, err = s.sessionPrincipal(ctx, k.generation, c); err != nil {
		return err
	}
	k.principal.token = k.name
	return nil
}

// lookUpKey completes what is known of a long-term access key.
func (s *Service) lookUpKey(ctx context.Context, k *known) error {
	var key chime.AccessKey
	var found bool
	err := s.store.View(ctx, "", func(r store.Reader) (err error) {
		key, found, err = store.AccessKeys.Get(r, store.K(k.name))
		return err
	})
	if err != nil {
		return err
	}
	if !found || !key.Active {
		return sigv4.ErrUnknownKey
	}

	user, err := s.entity(ctx, k.generation, chime.EntityUser, key.User)
	if err != nil {
		return err
	}
	if user == nil {
		return sigv4.ErrUnknownKey
	}

	secret, err := s.keyring.Unseal(key.Secret, []byte(key.ID))
	if err != nil {
		return fmt.Errorf("secret of access key %s: %w", key.ID, err)
	}
	k.secret, k.principal = string(secret), s.userPrincipal(user)
	k.principal.AccessKeyID = key.ID
	return nil
}
