package awshttp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"io"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/store"
)

// PageKey seals page tokens.
type PageKey [32]byte

// pages seals the page tokens of lists on their way to clients and opens them when they come back.
// A token holds a key of the store, and with it ids and positions that are internal to the
// server; the list and the parameters that it belongs to are checked by the store.
type pages struct {
	aead   cipher.AEAD
	random io.Reader // of nonces, safe for concurrent use
}

func newPages(key PageKey, random io.Reader) (pages, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return pages{}, fmt.Errorf("awshttp: page tokens: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return pages{}, fmt.Errorf("awshttp: page tokens: %w", err)
	}
	return pages{aead, random}, nil
}

// pageTokens are their alphabet; one token has one spelling.
var pageTokens = base64.RawURLEncoding.Strict()

// open puts the store's token into a request in place of the client's.
func (p *pages) open(op *api.Operation, req api.Request) error {
	paged, ok := req.(api.PagedRequest)
	if !ok || *paged.PageToken() == nil || **paged.PageToken() == "" {
		return nil

	}
	raw, err := pageTokens.DecodeString(**paged.PageToken())
	if err != nil || len(raw) < p.aead.NonceSize() {
		return store.ErrPageToken
	}

	nonce := raw[:p.aead.NonceSize()]
	plain, err := p.aead.Open(nil, nonce, raw[len(nonce):], []byte(op.Name))
	if err != nil {
		return store.ErrPageToken
	}
	token := string(plain)
	*paged.PageToken() = &token
	return nil
}

// seal puts a sealed token into an answer in place of the store's.
func (p *pages) seal(op *api.Operation, resp api.Response) error {
	paged, ok := resp.(api.PagedResponse)
	if !ok || *paged.PageToken() == "" {
		return nil
	}

	plain := *paged.PageToken()
	sealed := make([]byte, p.aead.NonceSize(), p.aead.NonceSize()+len(plain)+p.aead.Overhead())
	if _, err := io.ReadFull(p.random, sealed); err != nil {
		return fmt.Errorf("page token: %w", err)
	}
	sealed = p.aead.Seal(sealed, sealed, []byte(plain), []byte(op.Name))
	*paged.PageToken() = pageTokens.EncodeToString(sealed)
	return nil
}
