package apns

import (
	"crypto"
	"sync"
	"time"

	"github.com/carillon-chat/carillon/internal/outbound/jws"
)

// Apple refuses a token that is older than an hour, and a server that makes them more often than every 20
// minutes.
const (
	tokenAge    = 50 * time.Minute
	minTokenAge = 20 * time.Minute
)

// Tokens makes the tokens by which a server proves itself. It is safe for concurrent use.
type Tokens struct {
	key         crypto.Signer
	kid, issuer string

	mu    sync.Mutex
	last  string
	made  time.Time
	stale bool // Apple says that it is too old
}

// NewTokens makes Tokens of a key in the form of Apple's .p8 files, the id of the key, and that of the team.
func NewTokens(key []byte, kid, team string) (*Tokens, error) {
	parsed, err := jws.ParseKey(key)
	if err != nil {
		return nil, err
	}
	return &Tokens{key: parsed, kid: kid, issuer: team}, nil
}

// token is one that Apple accepts.
func (t *Tokens) token(now time.Time) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	age := now.Sub(t.made)
	if t.last != "" && age >= 0 && (age < minTokenAge || age < tokenAge && !t.stale) {
		return t.last, nil
	}
	text, err := jws.Sign(t.key, t.kid, map[string]any{"iss": t.issuer, "iat": now.Unix()})
	if err != nil {
		return "", err
	}
	t.last, t.made, t.stale = text, now, false
	return text, nil
}

// drop notes that Apple finds a token too old.
func (t *Tokens) drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if token == t.last {
		t.stale = true
	}
}
