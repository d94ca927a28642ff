package iam

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/store"
)

// defaultPage is how many items a page has when the request names no number.
const defaultPage = 100

const scopeHashLen = 8

// page collects one page of items that are added in the order of their keys. A marker is the key
// of the last item, so pages are exact however the list changes meanwhile.
type page[T any] struct {
	scope     string
	after     string
	limit     int
	items     []T
	last      string
	truncated bool
}

// newPage reads MaxItems and Marker of a request. The scope is the operation and the parameters
// that shape its list; a marker is good for that list alone.
func newPage[T any](scope string, marker *string, maxItems *int) (*page[T], error) {
	p := &page[T]{scope: scope, limit: valueOr(maxItems, defaultPage)}
	if marker == nil {
		return p, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*marker)
	if err != nil || len(raw) <= scopeHashLen || string(raw[:scopeHashLen]) != p.scopeHash() {
		return nil, errMarker
	}
	p.after = string(raw[scopeHashLen:])
	return p, nil
}

var errMarker error = api.ValidationError.Errorf("Marker was not given by this list")

func (p *page[T]) scopeHash() string {
	sum := sha256.Sum256([]byte(p.scope))
	return string(sum[:scopeHashLen])
}

// from is the part of the table under the prefix where the page may begin: column is the last of
// its keys, equal to those of the items.
func (p *page[T]) from(prefix store.Key) store.Range {
	r := store.Prefix(prefix)
	if p.after != "" {
		r.From = prefix.Str(p.after)
	}
	return r
}

// add takes the next item if it belongs to the page, and reports whether there is space for more.
func (p *page[T]) add(key string, item T) (more bool) {
	if p.after != "" && key <= p.after {
		return true
	}
	if len(p.items) == p.limit {
		p.truncated = true
		return false
	}
	p.items, p.last = append(p.items, item), key
	return true
}

// marker names the page after this one; empty when this is the last.
func (p *page[T]) marker() string {
	if !p.truncated {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(p.scopeHash() + p.last))
}

// addAll takes items that are in memory, in the order of their keys.
func (p *page[T]) addAll(items []T, key func(T) string) {
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(short(key(a)), short(key(b))) })
	for _, item := range items {
		if !p.add(short(key(item)), item) {
			return
		}
	}
}

// maxShort keeps markers below the 320 characters that a request may give.
const maxShort = 160

// short returns a key that fits into a marker and sorts as the whole key does, but for those whose
// beginnings are equal.
func short(key string) string {
	if len(key) <= maxShort {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return key[:maxShort] + string(sum[:scopeHashLen])
}
