package oidc

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/carillon-chat/carillon/internal/outbound/jws"
)

// Own is the service's own issuer. Its tokens are RS256.
type Own struct {
	URL string // of the issuer
	Key func(context.Context) (*rsa.PrivateKey, error)
}

// Claims are the contents of a token of the service.
type Claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience string   `json:"aud"`
	Methods  []string `json:"amr"`
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
}

// Token makes a token for a subject that ends after a while.
func (o *Own) Token(ctx context.Context, subject, audience string, methods []string, now time.Time, life time.Duration) (string, error) {
	key, err := o.Key(ctx)
	if err != nil {
		return "", fmt.Errorf("issuer key: %w", err)
	}

	return jws.Sign(key, keyID(&key.PublicKey), Claims{
		Issuer: o.URL, Subject: subject, Audience: audience, Methods: methods, IssuedAt: now.Unix(), Expires: now.Add(life).Unix(),
	})
}

// verify gives the payload once the service's key verified its signature.
func (o *Own) verify(ctx context.Context, signed *jose.JSONWebSignature) ([]byte, error) {
	key, err := o.Key(ctx)
	if err != nil {
		return nil, fmt.Errorf("issuer key: %w", err)
	}
	if signed.Signatures[0].Protected.Algorithm == string(jose.RS256) {
		if payload, err := signed.Verify(&key.PublicKey); err == nil {
			return payload, nil
		}
	}
	return nil, refuse(ErrInvalid, "the signature of the token is not that of this service")
}

// keyID names a key by its own bytes.
func keyID(key *rsa.PublicKey) string {
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(key))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}
