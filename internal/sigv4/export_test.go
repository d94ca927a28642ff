package sigv4

// WithUnsignedToken lets one published vector in; see Options.unsignedToken.
func (o Options) WithUnsignedToken() Options {
	o.unsignedToken = true
	return o
}

// DeriveKey and MAC are compared with crypto/hmac.
func DeriveKey(secret, day string, scope Scope) [32]byte { return deriveKey(secret, day, scope) }

// MAC is the allocation-free HMAC of the package.
func MAC(key [32]byte, message string) [32]byte {
	k := signingKey(key)
	return k.mac(append(make([]byte, blockSize), message...))
}

// CachedKeys gives the number of slots and how many are taken.
func (v *Verifier) CachedKeys() (slots, taken int) {
	for i := range v.cache.slots {
		if v.cache.slots[i].Load() != nil {
			taken++
		}
	}
	return len(v.cache.slots), taken
}

// CanonicalQuery gives the strict canonical form of a query as sent.
func CanonicalQuery(raw string) (string, error) {
	var q query
	if err := q.parse(raw); err != nil {
		return "", err
	}
	return string(q.appendStrict(nil, "")), nil
}
