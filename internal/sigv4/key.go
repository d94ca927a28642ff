package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
)

const blockSize = sha256.BlockSize

// signingKey is the key of one secret for one day and scope. It signs nothing
// beyond them.
type signingKey [sha256.Size]byte

// deriveKey makes a signing key: four HMACs, each keyed by the one before.
func deriveKey(secret, day string, scope Scope) (key signingKey) {
	step := []byte("AWS4" + secret)
	for _, part := range [...]string{day, scope.Region, scope.Service, terminator} {
		mac := hmac.New(sha256.New, step)
		mac.Write([]byte(part))
		step = mac.Sum(nil)
	}
	copy(key[:], step)
	return key
}

// mac is HMAC-SHA256 of message[blockSize:]; the first block of message is
// overwritten. crypto/hmac would allocate on every request.
func (k *signingKey) mac(message []byte) [sha256.Size]byte {
	var outer [blockSize + sha256.Size]byte
	for i := range blockSize {
		var c byte
		if i < len(k) {
			c = k[i]
		}
		message[i] = c ^ 0x36
		outer[i] = c ^ 0x5c
	}
	inner := sha256.Sum256(message)
	copy(outer[blockSize:], inner[:])
	return sha256.Sum256(outer[:])
}

// keyCache keeps derived signing keys. Each key has one slot that the hash of
// its secret chooses, and a newcomer takes the slot over: reading takes no
// lock, the memory is bounded, and a lost slot costs one derivation. Secrets
// are kept as hashes only. Since an entry is found by the secret and never by
// the access key, a revoked or replaced secret needs no invalidation.
type keyCache struct {
	slots []atomic.Pointer[cachedKey] // a power of two
}

type cachedKey struct {
	secret  [sha256.Size]byte
	day     [len(dayLayout)]byte
	scope   int
	signing signingKey
}

func newKeyCache(size int) *keyCache {
	slots := 1
	for slots < size {
		slots *= 2
	}
	return &keyCache{slots: make([]atomic.Pointer[cachedKey], slots)}
}

// get returns the signing key of a secret. index is that of scope among the
// scopes of the verifier.
func (c *keyCache) get(secret, day string, index int, scope Scope) *signingKey {
	var onStack [blockSize]byte // a secret has 40 bytes
	sum := sha256.Sum256(append(onStack[:0], secret...))
	var date [len(dayLayout)]byte
	copy(date[:], day)

	// Yesterday's key and those of other scopes get slots of their own.
	spread := (binary.LittleEndian.Uint32(date[4:]) + uint32(index)) * 0x9e3779b9
	at := (binary.LittleEndian.Uint32(sum[:]) + spread) & uint32(len(c.slots)-1)
	if k := c.slots[at].Load(); k != nil && k.secret == sum && k.day == date && k.scope == index {
		return &k.signing
	}
	k := &cachedKey{secret: sum, day: date, scope: index, signing: deriveKey(secret, day, scope)}
	c.slots[at].Store(k)
	return &k.signing
}
