package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

// The parts of an encrypted body: salt, length of a record, the server's key with its length, and one record
// that ends with a mark and the tag of AES-GCM.
const (
	saltLen   = 16
	keyLen    = 65 // of a public key
	headLen   = saltLen + 4 + 1 + keyLen
	lastMark  = 2 // behind the text of the last record
	tagLen    = 16
	recordLen = 4096

	// maxBody is what every push service has to take, and maxText what of it is left for the text.
	maxBody = 4096
	maxText = maxBody - headLen - 1 - tagLen
)

// encrypt encrypts a text of maxText bytes at most for a subscription, with a key and a salt that are used for
// nothing else.
func encrypt(to subscription, own *ecdh.PrivateKey, salt, text []byte) ([]byte, error) {
	shared, err := own.ECDH(to.key)
	if err != nil {
		return nil, err
	}
	ours, theirs := own.PublicKey().Bytes(), to.key.Bytes()

	// RFC 8291, section 3.4.
	material, err := hkdf.Key(sha256.New, shared, to.secret, "WebPush: info\x00"+string(theirs)+string(ours), 32)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, material, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, material, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}

	// RFC 8188, section 2.
	body := make([]byte, 0, headLen+len(text)+1+tagLen)
	body = append(body, salt...)
	body = binary.BigEndian.AppendUint32(body, recordLen)
	body = append(append(body, keyLen), ours...)
	return aead.Seal(body, nonce, append(text[:len(text):len(text)], lastMark), nil), nil
}
