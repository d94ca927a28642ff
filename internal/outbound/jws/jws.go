// Package jws signs the tokens with which a server proves itself to push services: JSON Web Tokens in the
// compact form (RFC 7515, 7518, 7519).
package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
)

// half is the length of each of the two numbers of a signature of ES256, in bytes.
const half = 32

// Sign makes a token of claims, which are a structure or map for JSON: with ES256 by a key on P-256, with RS256
// by one of RSA. The kid names the key; empty: the token has none.
func Sign(key crypto.Signer, kid string, claims any) (string, error) {
	header := struct {
		Alg string `json:"alg"`
		Typ string `json:"typ"`
		Kid string `json:"kid,omitempty"`
	}{"ES256", "JWT", kid}
	if _, is := key.(*rsa.PrivateKey); is {
		header.Alg = "RS256"
	}
	head, err := encode(header)
	if err != nil {
		return "", err
	}
	body, err := encode(claims)
	if err != nil {
		return "", err
	}

	text := head + "." + body
	sum := sha256.Sum256([]byte(text))
	signature, err := sign(key, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func encode(v any) (string, error) {
	text, err := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(text), err
}

func sign(key crypto.Signer, sum []byte) ([]byte, error) {
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, sum)
		if err != nil {
			return nil, err
		}
		signature := make([]byte, 2*half)
		r.FillBytes(signature[:half])
		s.FillBytes(signature[half:])
		return signature, nil
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum)
	}
	return nil, fmt.Errorf("a key of the kind %T does not sign tokens", key)
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
		if key.Curve.Params().BitSize == 8*half {
			return key, nil
		}
	case *rsa.PrivateKey:
		if key.N.BitLen() >= 2048 {
			return key, nil
		}
	}
	return nil, errKey
}
