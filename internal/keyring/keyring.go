// Package keyring keeps the keys that seal what is kept or handed out. It promises:
//
//   - The keys are random. They are in the store, each sealed with AES-256-GCM under a key that is
//     derived from the root secret, so the data folder alone opens nothing.
//   - The root secret can change: with the former one at hand, Open seals the stored keys anew.
//   - Session tokens need no table. Their key changes periodically, and a former one is kept for
//     longer than any token made with it lives.
//   - Nodes on one store agree: a key made by one is found by the others.
//   - Sealing and opening touch no disk and take no lock, but for a token whose key is not known.
package keyring

import (
	"context"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// DefaultRotate is how long one key seals session tokens.
const DefaultRotate = 30 * 24 * time.Hour

// Keep is how long a key for session tokens is kept after another replaced it: the 36 hours that
// a session may last, and half a day for nodes that learn late of the new key.
const Keep = 48 * time.Hour

// minRotate keeps the keys that are in use at a time fewer than the numbers of a byte.
const minRotate = time.Hour

// ErrRootSecret reports that the stored keys were sealed under another root secret.
var ErrRootSecret = errors.New("the root secret access key is not the one that the stored keys are sealed under; " +
	"if it was changed, set root-secret-access-key-previous to the former one as well")

// Options of a Keyring.
type Options struct {
	Store store.Store
	// RootSecret seals the stored keys.
	RootSecret string
	// Previous is the root secret before it was changed; empty when it was not. One that is no
	// longer needed does no harm.
	Previous string
	// Clock measures how old keys are. Without one, and for keys from before it was kept, the time
	// of day does.
	Clock *store.Clock
	// Now is the time of day; nil means time.Now.
	Now func() time.Time
	// Random makes keys and nonces and is safe for concurrent use; nil means crypto/rand.
	Random io.Reader
	// Rotate is how long one key seals session tokens, an hour at least; zero means
	// DefaultRotate.
	Rotate time.Duration
}

// Keyring seals and opens. It is safe for concurrent use.
type Keyring struct {
	store  store.Store
	wrap   cipher.AEAD // seals the stored keys
	former cipher.AEAD // sealed them before the root secret was changed; nil: it was not
	clock  *store.Clock
	now    func() time.Time
	random io.Reader
	rotate time.Duration

	keys   atomic.Pointer[keys]
	issuer atomic.Pointer[rsa.PrivateKey]

	loading sync.Mutex // taken while keys are read from the store
	tried   time.Time  // when an unknown key was last looked for
}

// Open reads the keys, and makes those that are missing. It returns ErrRootSecret when neither
// root secret opens them.
func Open(ctx context.Context, o Options) (*Keyring, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Rotate == 0 {
		o.Rotate = DefaultRotate
	}
	if o.Rotate < minRotate {
		return nil, fmt.Errorf("keyring: keys must be used for %v at least", minRotate)
	}

	wrap, err := wrapping(o.RootSecret)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	k := &Keyring{store: o.Store, wrap: wrap, clock: o.Clock, now: o.Now, random: o.Random, rotate: o.Rotate}
	if o.Previous != "" {
		if k.former, err = wrapping(o.Previous); err != nil {
			return nil, fmt.Errorf("keyring: %w", err)
		}
	}

	// A store that holds no keys yet gets them here.
	all, err := k.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return k, k.use(all)
}

// open reads the keys, and writes only what has to be: missing keys, and those that the
// former root secret sealed. Those can wait for Rotate while the store is read-only.
func (k *Keyring) open(ctx context.Context) (all []entry, err error) {
	stale := false
	err = k.store.View(ctx, "", func(r store.Reader) (err error) {
		all, stale, err = k.read(r)
		return err
	})
	if err != nil || !stale && !incomplete(all) {
		return all, err
	}

	// Read again in the transaction, since another node may have written them.
	var written []entry
	err = k.store.Update(ctx, "", func(tx store.Tx) (err error) {
		if written, stale, err = k.read(tx); err != nil {
			return err
		}
		if stale {
			if err = k.reseal(tx, written); err != nil {
				return err
			}
		}
		written, err = k.complete(tx, written)
		return err
	})
	if err != nil && !incomplete(all) && (errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnavailable)) {
		return all, nil
	}
	return written, err
}

// read reads the stored keys. They are stale when only the former root secret opens them.
func (k *Keyring) read(r store.Reader) (all []entry, stale bool, err error) {
	all, err = read(r, k.wrap)
	if errors.Is(err, ErrRootSecret) && k.former != nil {
		all, err = read(r, k.former)
		return all, true, err
	}
	return all, false, err
}

// reseal seals the stored keys under the root secret.
func (k *Keyring) reseal(tx store.Tx, all []entry) error {
	for _, e := range all {
		if err := k.put(tx, e); err != nil {
			return err
		}
	}
	return nil
}

// everyStore are the uses of which every store has a key.
var everyStore = [...]string{useVault, useSecret, useSession}

// incomplete reports whether one of them is missing.
func incomplete(all []entry) bool {
	for _, use := range everyStore {
		if last(all, use) == nil {
			return true
		}
	}
	return false
}

// complete makes the keys that every store has.
func (k *Keyring) complete(tx store.Tx, all []entry) ([]entry, error) {
	for _, use := range everyStore {
		if last(all, use) != nil {
			continue
		}
		e, err := k.make(tx, use, 1)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// Rotate takes over the keys that other nodes made, begins a new key for session tokens when the
// present one has had its time, and forgets those that no living token needs. It is to be called
// every few minutes.
func (k *Keyring) Rotate(ctx context.Context) error {
	k.loading.Lock()
	defer k.loading.Unlock()
	var all []entry
	stale := false
	err := k.store.View(ctx, "", func(r store.Reader) (err error) {
		all, stale, err = k.read(r)
		return err
	})

	if err == nil && (stale || k.due(all)) {
		err = k.store.Update(ctx, "", func(tx store.Tx) (err error) {
			if all, stale, err = k.read(tx); err != nil {
				return err
			}
			if stale {
				if err = k.reseal(tx, all); err != nil {
					return err
				}
			}
			all, err = k.renew(tx, all)
			return err
		})
	}

	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return k.use(all)
}

// due reports whether renew would change anything.
func (k *Keyring) due(all []entry) bool {
	newest := last(all, useSession)
	return newest == nil || k.age(newest) >= k.rotate || len(k.spent(all)) > 0
}

// age is for how long a key has been there.
func (k *Keyring) age(e *entry) time.Duration {
	if k.clock == nil || e.since == 0 {
		return k.now().Sub(e.created.Time())
	}
	return k.clock.Now() - e.since
}

func (k *Keyring) renew(tx store.Tx, all []entry) ([]entry, error) {
	number := uint64(1)
	if newest := last(all, useSession); newest != nil {
		number = newest.number + 1
		if k.age(newest) < k.rotate {
			number = 0 // another node was faster
		}
	}

	for _, old := range k.spent(all) {
		if err := store.Keyring.Delete(tx, store.K(useSession).Num(old)); err != nil {
			return nil, err
		}
		all = without(all, useSession, old)
	}

	if number == 0 {
		return all, nil
	}
	e, err := k.make(tx, useSession, number)
	return append(all, e), err
}

// spent are the numbers of the session keys that were replaced so long ago that no token made
// with them is alive.
func (k *Keyring) spent(all []entry) (numbers []uint64) {
	var before *entry
	for i := range all {
		if all[i].use != useSession {
			continue
		}
		if before != nil && k.age(&all[i]) >= Keep {
			numbers = append(numbers, before.number)
		}
		before = &all[i]
	}
	return numbers
}

// Seal encrypts what is to be kept at rest. Only Unseal with the same context opens it, so what
// was sealed for one record is of no use in another.
func (k *Keyring) Seal(plain, context []byte) ([]byte, error) {
	return seal(k.keys.Load().vault, k.random, []byte{vaultFormat}, plain, context)
}

// Unseal opens what Seal made.
func (k *Keyring) Unseal(sealed, context []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != vaultFormat {
		return nil, errSealed
	}
	return open(k.keys.Load().vault, sealed[1:], context)
}

const vaultFormat byte = 1

const secretLen = 40 // characters, as AWS's secrets have

// Secret is the secret access key that belongs to a temporary access key id.
func (k *Keyring) Secret(accessKeyID string) string {
	mac := hmac.New(sha256.New, k.keys.Load().secret)
	mac.Write([]byte(accessKeyID))
	return base64.RawStdEncoding.EncodeToString(mac.Sum(nil))[:secretLen]
}

// MAC vouches for data that is handed out and comes back: only this keyring makes the same bytes
// for the use and the data. Its key is never replaced.
func (k *Keyring) MAC(use string, data []byte) [sha256.Size]byte {
	mac := hmac.New(sha256.New, k.keys.Load().secret)
	mac.Write([]byte("carillon mac\x00" + use + "\x00")) // no access key id begins like this
	mac.Write(data)
	return [sha256.Size]byte(mac.Sum(nil))
}

// keys are those in use. They are replaced together and never changed.
type keys struct {
	vault    cipher.AEAD
	secret   []byte
	sessions []sessionKey // oldest first
}

type sessionKey struct {
	number uint64
	aead   cipher.AEAD
}

// use puts the keys into force.
func (k *Keyring) use(all []entry) error {
	next := new(keys)

	for _, e := range all {
		var err error
		switch e.use {
		case useVault:
			next.vault, err = newAEAD(e.key)
		case useSecret:
			next.secret = e.key
		case useSession:
			var aead cipher.AEAD
			aead, err = newAEAD(e.key)
			next.sessions = append(next.sessions, sessionKey{e.number, aead})
		}
		if err != nil {
			return fmt.Errorf("keyring: %w", err)
		}
	}

	if next.vault == nil || next.secret == nil || next.sessions == nil {
		return fmt.Errorf("keyring: %w: a key is missing", store.ErrCorrupt)
	}
	k.keys.Store(next)
	return nil
}

// make puts a new random key into the store.
func (k *Keyring) make(tx store.Tx, use string, number uint64) (entry, error) {
	e := k.entry(use, number, make([]byte, keyLen))
	if _, err := io.ReadFull(k.random, e.key); err != nil {
		return entry{}, err
	}
	return e, k.put(tx, e)
}

// entry is a key that is made now.
func (k *Keyring) entry(use string, number uint64, key []byte) entry {
	e := entry{use: use, number: number, created: chime.At(k.now()), key: key}
	if k.clock != nil {
		e.since = max(k.clock.Now(), time.Millisecond)
	}
	return e
}
