package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"

	"github.com/carillon-chat/carillon/internal/chime"
)

// claims are what a session token says. They are sealed: nobody without the key can read or
// make them, so no table of sessions is needed.
type claims struct {
	AccessKeyID string       `cbor:"1,keyasint"`
	UserARN     string       `cbor:"2,keyasint"`
	Issued      chime.Millis `cbor:"3,keyasint"`
	Expires     chime.Millis `cbor:"4,keyasint"`
}

var errToken = errors.New("the session token was not issued by this service")

// sealer makes and opens session tokens: a format byte, a nonce, and AES-256-GCM of the claims.
type sealer struct {
	aead      cipher.AEAD
	secretKey []byte // makes the secret of an access key id, so that tokens need not carry it
}

const tokenFormat byte = 1

const maxTokenSize = 2048 // characters

// newSealer derives the keys from the root secret: every node that knows it opens every token,
// and changing it ends every session.
func newSealer(rootSecret string) (*sealer, error) {
	derive := func(use string) ([]byte, error) {
		return hkdf.Key(sha256.New, []byte(rootSecret), nil, "carillon "+use, 32)
	}
	seal, err := derive("session token")
	if err != nil {
		return nil, err
	}
	secret, err := derive("session secret")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(seal)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &sealer{aead: aead, secretKey: secret}, nil
}

func (s *sealer) seal(c claims, random io.Reader) (string, error) {
	plain, err := cbor.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("session token: %w", err)
	}
	token := make([]byte, 1+s.aead.NonceSize(), 1+s.aead.NonceSize()+len(plain)+s.aead.Overhead())
	token[0] = tokenFormat
	nonce := token[1:]
	if _, err := io.ReadFull(random, nonce); err != nil {
		return "", fmt.Errorf("session token: %w", err)
	}
	token = s.aead.Seal(token, nonce, plain, token[:1])
	return base64.RawURLEncoding.EncodeToString(token), nil
}

func (s *sealer) open(token string) (c claims, err error) {
	if len(token) > maxTokenSize {
		return c, errToken
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < 1+s.aead.NonceSize() || raw[0] != tokenFormat {
		return c, errToken
	}
	nonce, sealed := raw[1:1+s.aead.NonceSize()], raw[1+s.aead.NonceSize():]
	plain, err := s.aead.Open(nil, nonce, sealed, raw[:1])
	if err != nil {
		return c, errToken
	}
	if err := cbor.Unmarshal(plain, &c); err != nil {
		return c, errToken
	}
	return c, nil
}

// secret is the secret access key that belongs to a temporary access key id.
func (s *sealer) secret(accessKeyID string) string {
	mac := hmac.New(sha256.New, s.secretKey)
	mac.Write([]byte(accessKeyID))
	return base64.RawStdEncoding.EncodeToString(mac.Sum(nil))[:40]
}
