package access

import (
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam/grants"
	"github.com/carillon-chat/carillon/internal/keyring"
	"github.com/carillon-chat/carillon/internal/sigv4"
)

// MaxToken is how many characters a session token may have: it travels in URLs.
const MaxToken = 4096

// claims are the contents of a session token. They are sealed: without the key they can neither be
// read nor made, so no table of sessions is needed.
type claims struct {
	AccessKeyID string              `cbor:"1,keyasint"`
	Kind        Kind                `cbor:"2,keyasint"`
	Name        string              `cbor:"3,keyasint,omitempty"` // of the role or user; of a chat session, the user's ARN
	ID          string              `cbor:"4,keyasint,omitempty"` // of the role or user; the mark of the root secret; of a chat session, the user's order of creation
	SessionName string              `cbor:"5,keyasint,omitempty"`
	Issued      chime.Millis        `cbor:"6,keyasint"`
	Expires     chime.Millis        `cbor:"7,keyasint"`
	Tags        []chime.Tag         `cbor:"8,keyasint,omitempty"`
	Transitive  []string            `cbor:"9,keyasint,omitempty"`
	Policies    []string            `cbor:"10,keyasint,omitempty"` // documents, or ARNs of managed policies
	Provider    string              `cbor:"11,keyasint,omitempty"`
	Federated   map[string][]string `cbor:"12,keyasint,omitempty"`
	PolicyIDs   []string            `cbor:"13,keyasint,omitempty"` // of Policies, empty for documents; tokens of older versions have none
	// Until is the end in milliseconds of store time, zero in tokens from before that was kept.
	Until int64 `cbor:"14,keyasint,omitempty"`
}

// SessionRequest names the principal that Issue makes temporary credentials for, and what they
// carry. The caller has made sure that they may be given.
type SessionRequest struct {
	// Role is assumed by a role session. Its name and id suffice.
	Role *chime.Role
	// User gets a user session; nil, without Role, is the root.
	User *chime.AccountUser

	SessionName string // of a role session
	Duration    time.Duration
	Tags        []chime.Tag // of the session
	Transitive  []string    // keys of Tags that chained sessions keep

	// Policies are the session policies. They only narrow.
	Policies []SessionPolicy

	// Provider is the value of aws:FederatedProvider: the ARN of an OIDC provider, or
	// cognito-identity.amazonaws.com.
	Provider string
	// Claims are the values of condition keys that a federated login has, by their names in
	// lower case: "cognito-identity.amazonaws.com:sub".
	Claims map[string][]string
}

// SessionPolicy is a document that was parsed before, or a managed policy, which the session follows as
// it changes, until it is deleted.
type SessionPolicy struct {
	Document string
	ARN, ID  string
}

// Credentials are temporary keys as clients take them.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time

	ARN string // of the principal that they make: arn:aws:sts::...:assumed-role/NAME/SESSION
	ID  string // AROA...:SESSION
	// Packed is how much of the space for policies and tags is used, in percent, at least 1 when
	// there are any.
	Packed int
}

// PackedTooLargeError reports that policies and tags need more space than a session token has.
type PackedTooLargeError struct {
	Percent int // of the room
}

func (e *PackedTooLargeError) Error() string {
	return fmt.Sprintf("the session policies and tags use %d%% of the room of a session token", e.Percent)
}

// Issue makes temporary credentials. It returns a *PackedTooLargeError when policies and tags do
// not fit into a session token.
func (s *Service) Issue(_ context.Context, r SessionRequest) (Credentials, error) {
	c := claims{
		Kind: UserSession, SessionName: r.SessionName, Tags: r.Tags, Transitive: r.Transitive,
		Provider: r.Provider, Federated: r.Claims,
	}
	for _, policy := range r.Policies {
		c.Policies, c.PolicyIDs = append(c.Policies, cmp.Or(policy.ARN, policy.Document)), append(c.PolicyIDs, policy.ID)
	}

	// The token names its holder by name and id, so that it ends with the holder.
	result := Credentials{ARN: s.root.ARN, ID: s.root.ID}
	switch {
	case r.Role != nil:
		c.Kind, c.Name, c.ID = RoleSession, r.Role.Name, r.Role.ID
		result.ARN, result.ID = s.assumedARN(c.Name, c.SessionName), c.ID+":"+c.SessionName
	case r.User != nil:
		c.Name, c.ID = r.User.Name, r.User.ID
		result.ARN, result.ID = grants.UserARN(s.site, *r.User), c.ID
	default:
		c.ID = s.rootMark
	}
	return s.issue(c, r.Duration, result)
}

// issue completes the claims and seals them.
func (s *Service) issue(c claims, duration time.Duration, result Credentials) (Credentials, error) {
	var err error
	if c.AccessKeyID, err = s.newAccessKeyID(); err != nil {
		return Credentials{}, err
	}

	now := s.now()
	c.Issued, c.Expires = chime.At(now), chime.At(now.Add(duration).Truncate(time.Second))
	c.Until = (s.clock.Now() + duration).Milliseconds()

	// What a token without policies and tags needs is not counted against them.
	bare := c
	bare.Tags, bare.Transitive, bare.Policies, bare.PolicyIDs = nil, nil, nil, nil
	least, err := s.sealToken(bare)
	if err != nil {
		return Credentials{}, err
	}
	if result.SessionToken, err = s.sealToken(c); err != nil {
		return Credentials{}, err
	}

	if used := len(result.SessionToken) - len(least); used > 0 {
		room := max(MaxToken-len(least), 1)
		result.Packed = max(used*100/room, 1)
	}
	if len(result.SessionToken) > MaxToken {
		return Credentials{}, &PackedTooLargeError{max(result.Packed, 101)}
	}

	result.AccessKeyID, result.SecretAccessKey = c.AccessKeyID, s.keyring.Secret(c.AccessKeyID)
	result.Expiration = c.Expires.Time()
	return result, nil
}

// isOver reports whether a session has ended: by the time of day, which its holder knows, or by store
// time, so that a session lives no longer than it was given when the time of day is set back.
func (s *Service) isOver(expires time.Time, until int64) bool {
	return !s.now().Before(expires) || until != 0 && s.clock.Now().Milliseconds() >= until
}

// newAccessKeyID makes an id of the form of AWS's temporary ones.
func (s *Service) newAccessKeyID() (string, error) {
	var raw [10]byte
	if _, err := io.ReadFull(s.random, raw[:]); err != nil {
		return "", fmt.Errorf("access key: %w", err)
	}
	return "ASIA" + base32.StdEncoding.EncodeToString(raw[:]), nil
}

// Forms of sealed claims, in their first byte.
const (
	plainClaims    byte = 1 // CBOR
	deflatedClaims byte = 2 // deflated CBOR, where that is shorter
)

// maxClaims bounds what a token unpacks to, in bytes.
const maxClaims = 1 << 20

func (s *Service) sealToken(c claims) (string, error) {
	text, err := cbor.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("session token: %w", err)
	}

	packed := bytes.NewBuffer([]byte{deflatedClaims})
	w, err := flate.NewWriter(packed, flate.BestCompression)
	if err != nil {
		return "", fmt.Errorf("session token: %w", err)
	}
	if _, err = w.Write(text); err == nil {
		err = w.Close()
	}
	if err != nil {
		return "", fmt.Errorf("session token: %w", err)
	}

	if packed.Len() > len(text) {
		return s.keyring.SealToken(append([]byte{plainClaims}, text...))
	}
	return s.keyring.SealToken(packed.Bytes())
}

// openToken reads the claims of a session token; for one that this service did not make it returns
// sigv4.ErrInvalidToken.
func (s *Service) openToken(token string) (c claims, err error) {
	if len(token) > MaxToken {
		return c, fmt.Errorf("%w: it is too long", sigv4.ErrInvalidToken)
	}
	text, err := s.keyring.OpenToken(token)
	if errors.Is(err, keyring.ErrToken) {
		return c, fmt.Errorf("%w: %w", sigv4.ErrInvalidToken, err)
	}
	if err != nil {
		return c, err
	}

	// The first byte names the form; the limit holds while the claims are inflated.
	if len(text) > 0 && text[0] == deflatedClaims {
		unpacked, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(text[1:])), maxClaims))
		if err != nil {
			return c, fmt.Errorf("%w: %w", sigv4.ErrInvalidToken, err)
		}
		text = append([]byte{plainClaims}, unpacked...)
	}
	if len(text) == 0 || text[0] != plainClaims {
		return c, fmt.Errorf("%w: it has an unknown form", sigv4.ErrInvalidToken)
	}

	if err := cbor.Unmarshal(text[1:], &c); err != nil {
		return c, fmt.Errorf("%w: %w", sigv4.ErrInvalidToken, err)
	}
	return c, nil
}
