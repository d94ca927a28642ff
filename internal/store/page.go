package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
)

// ErrPageToken reports that a page token was not made by this list with these parameters.
var ErrPageToken = errors.New("the page token does not belong to this list")

// Page is one page of a list.
type Page struct {
	// Scope is the operation and every parameter that shapes the list; a token works with the
	// scope it was made for and no other.
	Scope string
	// Token is where the page before ended; empty for the first page.
	Token string
	// Limit is the most items of a page, at least 1.
	Limit int
	// Floor, when set, is the first key that still exists. It may move between pages: what lies
	// below is left out, and a token that leads there is valid all the same.
	Floor Key
}

// DefaultPage is how many items a page has when the request names no number (spec 12.1).
const DefaultPage = 50

// NewPage is the page that a request's MaxResults and NextToken describe.
func NewPage(scope string, maxResults *int, nextToken *string) Page {
	p := Page{Scope: scope, Limit: DefaultPage}
	if maxResults != nil {
		p.Limit = *maxResults
	}
	if nextToken != nil {
		p.Token = *nextToken
	}
	return p
}

const scopeHashLen = 8

// List reads one page of a range. keep turns an entry into an item, or leaves it out; entries
// left out do not shorten a page. next is empty when nothing follows, so that a client never
// fetches an empty page. Paging is exact: entries added or removed meanwhile never make another
// entry appear twice or not at all.
func List[V, T any](r Reader, t Table[V], rng Range, p Page, keep func(V) (item T, ok bool, err error)) (items []T, next string, err error) {
	var record V // one for all: keep gets a copy
	next, err = ListStored(r, t, rng, p, func(value []byte) (bool, error) {
		if err := t.Decode(value, &record); err != nil {
			return false, err
		}
		item, ok, err := keep(record)
		if err == nil && ok && len(items) < p.Limit {
			items = append(items, item)
		}
		return ok, err
	})
	return items, next, err
}

// ListStored is List for callers that read the stored forms of the records themselves. keep reports whether an
// entry is part of the page; the one after the last of the page is given to it, too. The value is only valid
// during the call.
func ListStored[V any](r Reader, t Table[V], rng Range, p Page, keep func(value []byte) (ok bool, err error)) (next string, err error) {
	rng, err = p.resume(rng)
	if err != nil {
		return "", err
	}
	if bytes.Compare(rng.From, p.Floor) < 0 {
		if rng.From = p.Floor; len(rng.To) > 0 && bytes.Compare(rng.From, rng.To) >= 0 {
			return "", nil
		}
	}

	// One entry more than the page shows that something follows.
	var own error
	var last Key
	kept := 0
	err = r.Scan(t.ID, rng, func(key Key, value []byte) (bool, error) {
		ok, err := keep(value)
		if own = err; err != nil || !ok {
			return err == nil, err
		}
		if kept == p.Limit {
			next = p.token(last)
			return false, nil
		}
		kept++
		last = append(last[:0], key...)
		return true, nil
	})
	if own != nil {
		return "", own
	}
	return next, t.failed(err)
}

// resume narrows the range to what comes after the token. A token never widens it, whatever
// key it holds.
func (p Page) resume(rng Range) (Range, error) {
	if p.Token == "" {
		return rng, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Token)
	if err != nil || len(raw) <= scopeHashLen || !bytes.Equal(raw[:scopeHashLen], p.scopeHash()) {
		return rng, ErrPageToken
	}
	key := Key(raw[scopeHashLen:])
	if bytes.Compare(key, rng.From) < 0 || len(rng.To) > 0 && bytes.Compare(key, rng.To) >= 0 {
		return rng, ErrPageToken
	}
	if rng.Reverse {
		rng.To = key
	} else {
		rng.From = key.after()
	}
	return rng, nil
}

func (p Page) token(last Key) string {
	return base64.RawURLEncoding.EncodeToString(append(p.scopeHash(), last...))
}

func (p Page) scopeHash() []byte {
	sum := sha256.Sum256([]byte(p.Scope))
	return sum[:scopeHashLen]
}
