package keyring

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"github.com/carillon-chat/carillon/internal/store"
)

const issuerBits = 2048

// IssuerKey returns the RSA key that signs the JWTs of Cognito identities. It is made at the first
// call, and every node has the same one.
func (k *Keyring) IssuerKey(ctx context.Context) (*rsa.PrivateKey, error) {
	if key := k.issuer.Load(); key != nil {
		return key, nil
	}

	// The lock serves callers that come while the key is read or made.
	k.loading.Lock()
	defer k.loading.Unlock()
	if key := k.issuer.Load(); key != nil {
		return key, nil
	}

	key, err := signing(ctx, k, useIssuer, func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, issuerBits) })
	if err != nil {
		return nil, err
	}
	k.issuer.Store(key)
	return key, nil
}

// WebPushKey returns the key on P-256 that names the service to the push services of browsers. It is made at the
// first call, and every node has the same one.
func (k *Keyring) WebPushKey(ctx context.Context) (*ecdsa.PrivateKey, error) {
	return signing(ctx, k, useWebPush, func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
}

// signing reads the key of a use that signs, or makes and keeps it.
func signing[K *rsa.PrivateKey | *ecdsa.PrivateKey](ctx context.Context, k *Keyring, use string, generate func() (K, error)) (key K, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keyring: %s: %w", use, err)
		}
	}()
	text, err := k.storedSigning(ctx, use)
	if err == nil && text == nil {
		text, err = k.makeSigning(ctx, use, func() (any, error) { return generate() })
	}
	if err != nil {
		return nil, err
	}

	parsed, err := x509.ParsePKCS8PrivateKey(text)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(K)
	if !ok {
		return nil, fmt.Errorf("%w: it is a %T", store.ErrCorrupt, parsed)
	}
	return key, nil
}

func (k *Keyring) storedSigning(ctx context.Context, use string) (text []byte, err error) {
	err = k.store.View(ctx, "", func(r store.Reader) error {
		text, err = k.readSigning(r, use)
		return err
	})
	return text, err
}

// readSigning answers nil when there is no key.
func (k *Keyring) readSigning(r store.Reader, use string) ([]byte, error) {
	all, _, err := k.read(r)
	if err != nil {
		return nil, err
	}
	if e := last(all, use); e != nil {
		return e.key, nil
	}
	return nil, nil
}

// makeSigning makes a key, unless another node is faster.
func (k *Keyring) makeSigning(ctx context.Context, use string, generate func() (any, error)) (text []byte, err error) {
	made, err := generate()
	if err != nil {
		return nil, err
	}
	fresh, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		return nil, err
	}
	err = k.store.Update(ctx, "", func(tx store.Tx) (err error) {
		if text, err = k.readSigning(tx, use); err != nil || text != nil {
			return err
		}
		text = fresh
		return k.put(tx, k.entry(use, 1, fresh))
	})
	return text, err
}
