package oidc

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are those that a token may be signed with: none of them has a secret that the
// verifier shares.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512,
}

const (
	maxKeys    = 100
	minRSABits = 2048
)

// keys are an issuer's public keys for signatures.
type keys []jose.JSONWebKey

// parseKeys reads a JWK Set and leaves out what verifies no signature of a token: keys of other
// types, for other uses, or too weak.
func parseKeys(text []byte) (keys, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("keys: the issuer has %d, more than %d", len(set.Keys), maxKeys)
	}

	var list keys
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if err := json.Unmarshal(raw, &key); err != nil {
			continue // of a type that is not known here
		}
		if slices.ContainsFunc(algorithms, func(a jose.SignatureAlgorithm) bool { return fits(key, string(a)) }) {
			list = append(list, key)
		}
	}

	if len(list) == 0 {
		return nil, errors.New("keys: the issuer has none that verifies a signature")
	}
	return list, nil
}

// fits reports whether signatures of the algorithm may be verified with the key.
func fits(key jose.JSONWebKey, algorithm string) bool {
	if key.Use != "" && key.Use != "sig" || key.Algorithm != "" && key.Algorithm != algorithm {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return (algorithm[0] == 'R' || algorithm[0] == 'P') && public.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey:
		return algorithm == curveAlgorithms[public.Curve.Params().Name]
	}
	return false
}

var curveAlgorithms = map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

// of gives the keys that may verify what has the header: those of its key id, or all when it
// has none.
func (k keys) of(header jose.Header) keys {
	var list keys
	for _, key := range k {
		if (header.KeyID == "" || key.KeyID == header.KeyID) && fits(key, header.Algorithm) {
			list = append(list, key)
		}
	}
	return list
}
