package keyring

import (
	"context"
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

	text, err := k.storedIssuer(ctx)
	if err == nil && text == nil {
		text, err = k.makeIssuer(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("keyring: issuer: %w", err)
	}

	parsed, err := x509.ParsePKCS8PrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("keyring: issuer: %w", err)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("keyring: issuer: %w: it is no RSA key", store.ErrCorrupt)
	}
	k.issuer.Store(key)
	return key, nil
}

func (k *Keyring) storedIssuer(ctx context.Context) (text []byte, err error) {
	err = k.store.View(ctx, "", func(r store.Reader) error {
		text, err = k.readIssuer(r)
		return err
	})
	return text, err
}

// readIssuer answers nil when there is no key.
func (k *Keyring) readIssuer(r store.Reader) ([]byte, error) {
	all, _, err := k.read(r)
	if err != nil {
		return nil, err
	}
	if e := last(all, useIssuer); e != nil {
		return e.key, nil
	}
	return nil, nil
}

// makeIssuer makes the key, unless another node is faster.
func (k *Keyring) makeIssuer(ctx context.Context) (text []byte, err error) {
	made, err := rsa.GenerateKey(rand.Reader, issuerBits)
	if err != nil {
		return nil, err
	}
	fresh, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		return nil, err
	}
	err = k.store.Update(ctx, "", func(tx store.Tx) (err error) {
		if text, err = k.readIssuer(tx); err != nil || text != nil {
			return err
		}
		text = fresh
		return k.put(tx, k.entry(useIssuer, 1, fresh))
	})
	return text, err
}
