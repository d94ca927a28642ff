// Package jws signs the tokens with which the server proves itself: JSON Web Tokens in the compact form (RFC 7515,
// 7518, 7519).
package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

// Sign makes a token of claims, which are a structure or map for JSON: with ES256 by a key on P-256, with RS256
// by one of RSA. The kid names the key; empty: the token has none.
func Sign(key crypto.Signer, kid string, claims any) (string, error) {
	algorithm := jose.ES256
	if _, is := key.(*rsa.PrivateKey); is {
		algorithm = jose.RS256
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}

	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	return signed.CompactSerialize()
}

// errKey says nothing of what was read, which is secret.
var errKey = errors.New("it has no private key in PEM of PKCS #8, with P-256 or RSA")

// ParseKey reads a private key in PEM of PKCS #8, as Apple and Google hand them out. An RSA key has 2048 bits at
// least.
func ParseKey(text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errKey
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errKey
	}
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P256() {
			return key, nil
		}
	case *rsa.PrivateKey:
		if key.N.BitLen() >= 2048 {
			return key, nil
		}
	}
	return nil, errKey
}
