package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// The purposes of keys. The names are stored.
const (
	useVault   = "vault"   // seals secrets at rest
	useSession = "session" // seals session tokens; replaced periodically
	useSecret  = "secret"  // makes the secrets of temporary access keys
	useIssuer  = "issuer"  // signs the JWTs of Cognito identities
	useWebPush = "webpush" // names the service to the push services of browsers
)

const keyLen = 32 // bytes: AES-256

// entry is one stored key. key is the plain key; those that sign are PKCS #8.
type entry struct {
	use     string
	number  uint64
	created chime.Millis
	since   time.Duration // store time when it was made; zero: not known
	key     []byte
}

// read reads and opens every stored key, in the order of their numbers.
func read(r store.Reader, wrap cipher.AEAD) (all []entry, err error) {
	err = store.Keyring.Each(r, store.Prefix(store.K()), func(key store.Key, record chime.SealedKey) (bool, error) {
		columns, err := key.Columns()
		if err != nil {
			return false, err
		}
		if len(columns) != 2 {
			return false, fmt.Errorf("%w: a key of the keyring", store.ErrCorrupt)
		}

		e := entry{created: record.Created, since: time.Duration(record.Since) * time.Millisecond}
		e.use, _ = columns[0].(string)
		e.number, _ = columns[1].(uint64)
		if e.key, err = open(wrap, record.Sealed, key); err != nil {
			return false, ErrRootSecret
		}
		all = append(all, e)
		return true, nil
	})
	return all, err
}

// put seals and writes a key. It is bound to its key in the table.
func (k *Keyring) put(tx store.Tx, e entry) error {
	key := store.K(e.use).Num(e.number)
	sealed, err := seal(k.wrap, k.random, nil, e.key, key)
	if err != nil {
		return err
	}
	return store.Keyring.Put(tx, key, chime.SealedKey{Sealed: sealed, Created: e.created, Since: e.since.Milliseconds()})
}

// last is the entry of the use with the highest number, nil when there is none.
func last(all []entry, use string) *entry {
	for i := range slices.Backward(all) {
		if all[i].use == use {
			return &all[i]
		}
	}
	return nil
}

func without(all []entry, use string, number uint64) []entry {
	return slices.DeleteFunc(all, func(e entry) bool { return e.use == use && e.number == number })
}

// wrapping is the cipher for stored keys that a root secret makes.
func wrapping(rootSecret string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(rootSecret), nil, "carillon keyring", keyLen)
	if err != nil {
		return nil, err
	}
	return newAEAD(key)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

var errSealed = errors.New("it was not sealed with this key and context")

// seal appends a random nonce and the ciphertext to the head.
func seal(aead cipher.AEAD, random io.Reader, head, plain, context []byte) ([]byte, error) {
	begin := len(head)
	out := make([]byte, begin+aead.NonceSize(), begin+aead.NonceSize()+len(plain)+aead.Overhead())
	copy(out, head)
	nonce := out[begin:]
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, err
	}
	return aead.Seal(out, nonce, plain, context), nil
}

// open opens a nonce and the ciphertext after it.
func open(aead cipher.AEAD, sealed, context []byte) ([]byte, error) {
	if len(sealed) < aead.NonceSize() {
		return nil, errSealed
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], context)
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}
