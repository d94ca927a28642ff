package client

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Credentials are an access key. They print without their secrets.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string    // empty for a long-term key
	Expires         time.Time // zero when they do not expire
}

// String names the access key only.
func (c Credentials) String() string { return "access key " + c.AccessKeyID }

// GoString names the access key only.
func (c Credentials) GoString() string { return "client.Credentials{" + c.AccessKeyID + "}" }

// CredentialsProvider supplies credentials. A Client keeps them until a minute before they
// expire, or until the server refuses them, and never calls the provider concurrently.
type CredentialsProvider func(ctx context.Context) (Credentials, error)

// StaticCredentials are always the same.
func StaticCredentials(c Credentials) CredentialsProvider {
	return func(context.Context) (Credentials, error) { return c, nil }
}

// refreshBefore is how long before their end credentials are replaced.
const refreshBefore = time.Minute

// keyCache keeps credentials. Its turn is a mutex that a context can give up on.
type keyCache struct {
	provider CredentialsProvider
	turn     chan struct{}
	kept     Credentials
}

func newKeyCache(p CredentialsProvider) *keyCache {
	return &keyCache{provider: p, turn: make(chan struct{}, 1)}
}

// get gives credentials that are good for a while. While new ones cannot be had, the old ones
// serve until they expire.
func (k *keyCache) get(ctx context.Context) (Credentials, error) {
	if err := k.lock(ctx); err != nil {
		return Credentials{}, err
	}
	defer k.unlock()
	now := time.Now()
	if k.kept.good(now.Add(refreshBefore)) {
		return k.kept, nil
	}
	fresh, err := k.fetch(ctx)
	if err != nil && k.kept.good(now) {
		return k.kept, nil
	}
	return fresh, err
}

// replace fetches other credentials than those that were refused, and reports whether there are
// any.
func (k *keyCache) replace(ctx context.Context, refused Credentials) (bool, error) {
	if err := k.lock(ctx); err != nil {
		return false, err
	}
	defer k.unlock()
	if k.kept != refused && k.kept.AccessKeyID != "" {
		return true, nil // another call was faster
	}
	fresh, err := k.fetch(ctx)
	return err == nil && fresh != refused, err
}

func (k *keyCache) fetch(ctx context.Context) (Credentials, error) {
	fresh, err := k.provider(ctx)
	if err == nil && (fresh.AccessKeyID == "" || fresh.SecretAccessKey == "") {
		err = errors.New("they lack the access key or its secret")
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("client: credentials: %w", err)
	}
	k.kept = fresh
	return fresh, nil
}

func (k *keyCache) lock(ctx context.Context) error {
	select {
	case k.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *keyCache) unlock() { <-k.turn }

// good reports whether they can be used at the time.
func (c Credentials) good(at time.Time) bool {
	return c.AccessKeyID != "" && (c.Expires.IsZero() || at.Before(c.Expires))
}
