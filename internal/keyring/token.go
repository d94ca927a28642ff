package keyring

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/carillon-chat/carillon/internal/store"
)

// MaxToken is the length in characters above which a token is refused unread.
const MaxToken = 8192

// ErrToken reports that a token was not made by this keyring, or so long ago that its key is gone.
var ErrToken = errors.New("the session token was not issued by this service")

// tokens are the alphabet of tokens; one token has one spelling.
var tokens = base64.RawURLEncoding.Strict()

const (
	reloadPause   = time.Second // at least, between two looks for an unknown key
	reloadTimeout = 5 * time.Second
)

// SealToken makes a session token, in the alphabet of URLs: the number of the key in one byte, a
// nonce, and AES-256-GCM of plain.
func (k *Keyring) SealToken(plain []byte) (string, error) {
	sessions := k.keys.Load().sessions
	newest := sessions[len(sessions)-1]
	number := []byte{byte(newest.number)}
	token, err := seal(newest.aead, k.random, number, plain, number)
	if err != nil {
		return "", fmt.Errorf("session token: %w", err)
	}
	return tokens.EncodeToString(token), nil
}

// OpenToken returns what SealToken sealed. It returns ErrToken for a token that this keyring did
// not seal.
func (k *Keyring) OpenToken(token string) ([]byte, error) {
	if len(token) > MaxToken {
		return nil, ErrToken
	}
	raw, err := tokens.DecodeString(token)
	if err != nil || len(raw) == 0 {
		return nil, ErrToken
	}

	key := k.keys.Load().session(raw[0])
	if key == nil {
		if key, err = k.findSession(raw[0]); err != nil {
			return nil, err
		}
	}
	plain, err := open(key.aead, raw[1:], raw[:1])
	if err != nil {
		return nil, ErrToken
	}
	return plain, nil
}

// session is the key with the number, modulo 256; nil when there is none.
func (k *keys) session(number byte) *sessionKey {
	for i := range k.sessions {
		if byte(k.sessions[i].number) == number {
			return &k.sessions[i]
		}
	}
	return nil
}

// findSession looks into the store for a key that another node may have made. Any client can cause
// that, so it happens at most once in reloadPause.
func (k *Keyring) findSession(number byte) (*sessionKey, error) {
	k.loading.Lock()
	defer k.loading.Unlock()
	if key := k.keys.Load().session(number); key != nil {
		return key, nil // found while this call waited
	}

	now := k.now()
	if now.Sub(k.tried) < reloadPause {
		return nil, ErrToken
	}
	k.tried = now

	ctx, cancel := context.WithTimeout(context.Background(), reloadTimeout)
	defer cancel()
	var all []entry
	err := k.store.View(ctx, "", func(r store.Reader) (err error) {
		all, _, err = k.read(r)
		return err
	})
	if err == nil {
		err = k.use(all)
	}
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}

	if key := k.keys.Load().session(number); key != nil {
		return key, nil
	}
	return nil, ErrToken
}
