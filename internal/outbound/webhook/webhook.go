// Package webhook posts calls, and signs them as Standard Webhooks says (https://www.standardwebhooks.com), so that a
// receiver can verify with a published library of its language that a call comes from this server, is
// recent, and was not changed.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed call.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

const (
	secretPrefix       = "whsec_"
	minSecret          = 24 // bytes, as the standard recommends
	maxSecret          = 64
	signatureVersion   = "v1,"
	signatureSeparator = " "
)

// Signer signs with each of its secrets, so that a receiver that knows one of them accepts a call: while
// a secret is replaced there are the new one and the old one. A Signer is safe for concurrent use.
type Signer struct {
	secrets [][]byte
}

// NewSecret makes a secret of the longest kind that libraries of receivers are sure to take.
func NewSecret(random io.Reader) (string, error) {
	var secret [32]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return "", err
	}
	return secretPrefix + base64.StdEncoding.EncodeToString(secret[:]), nil
}

// NewSigner makes a Signer of one or more secrets, each whsec_ and 24 to 64 bytes of base64. Errors name
// the place of a secret on the list and nothing of it.
func NewSigner(secrets ...string) (*Signer, error) {
	if len(secrets) == 0 {
		return nil, errors.New("there is no secret")
	}
	s := new(Signer)
	for i, text := range secrets {
		encoded, found := strings.CutPrefix(text, secretPrefix)
		secret, err := base64.StdEncoding.DecodeString(encoded)
		if !found || err != nil || len(secret) < minSecret || len(secret) > maxSecret {
			return nil, fmt.Errorf("secret %d is not %s and %d to %d bytes of base64", i+1, secretPrefix, minSecret, maxSecret)
		}
		s.secrets = append(s.secrets, secret)
	}
	return s, nil
}

// Sign sets the headers that sign a call. The id names what is sent and is the same each time that it is
// sent again, so that the receiver can drop what it has; it has no full stop. The time is the one of this
// attempt: receivers refuse one that is minutes away.
func (s *Signer) Sign(header http.Header, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]string, len(s.secrets))
	for i, secret := range s.secrets {
		mac := hmac.New(sha256.New, secret)
		for _, part := range []string{id, ".", timestamp, "."} {
			mac.Write([]byte(part))
		}
		mac.Write(body)
		signatures[i] = signatureVersion + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}

	header.Set(HeaderID, id)
	header.Set(HeaderTimestamp, timestamp)
	header.Set(HeaderSignature, strings.Join(signatures, signatureSeparator))
}
