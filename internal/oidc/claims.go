package oidc

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/carillon-chat/carillon/internal/chime"
)

// claims are the contents of a token, as far as they matter here. Names that differ in case are
// other names, and a name that comes twice makes the token unreadable.
type claims struct {
	Issuer          string   `json:"iss"`
	Subject         string   `json:"sub"`
	Audience        words    `json:"aud"`
	AuthorizedParty string   `json:"azp"`
	Methods         words    `json:"amr"`
	Expires         *seconds `json:"exp"`
	IssuedAt        *seconds `json:"iat"`
	NotBefore       *seconds `json:"nbf"`
	Tags            tags     `json:"https://aws.amazon.com/tags"`
}

// tags are the session tags that an issuer requests.
type tags struct {
	Principal  map[string]words `json:"principal_tags"`
	Transitive []string         `json:"transitive_tag_keys"`
}

func parseClaims(payload []byte) (c claims, err error) {
	err = json.Unmarshal(payload, &c)
	return c, err
}

// words is a text or a list of texts.
type words []string

// UnmarshalJSONFrom reads either.
func (w *words) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		*w = make(words, 1)
		return json.UnmarshalDecode(d, &(*w)[0])
	}
	return json.UnmarshalDecode(d, (*[]string)(w))
}

// seconds is a moment in seconds since 1970, possibly with a fraction.
type seconds float64

const maxSeconds = 1 << 38 // far beyond any clock, and short of where a duration overflows

func (s seconds) time() time.Time {
	whole, fraction := math.Modf(max(0, min(float64(s), maxSeconds)))
	return time.Unix(int64(whole), int64(fraction*1e9))
}

// leeway is how wrong the issuer's clock may be.
const leeway = 5 * time.Minute

const maxSubject = 255 // characters

// check returns what is wrong with the claims at a moment, apart from issuer and audience.
func (c *claims) check(now time.Time) error {
	switch {
	case c.Expires == nil || c.IssuedAt == nil:
		return refuse(ErrInvalid, "the token lacks one of the claims exp and iat")
	case !now.Before(c.Expires.time().Add(leeway)):
		return refuse(ErrExpired, "the token expired at %s", c.Expires.time().UTC().Format(time.RFC3339))
	case c.IssuedAt.time().After(now.Add(leeway)):
		return refuse(ErrRejected, "the token was issued in the future")
	case c.NotBefore != nil && c.NotBefore.time().After(now.Add(leeway)):
		return refuse(ErrRejected, "the token is not valid yet")
	case c.Subject == "" || len(c.Subject) > maxSubject:
		return refuse(ErrRejected, "the claim sub must have 1 to %d characters", maxSubject)
	}
	return nil
}

// audience returns the client that the token is for, if it is one of the clients. As for AWS, the
// authorized party goes before the audience when a token has both.
func (c *claims) audience(clients []string) (string, error) {
	if c.AuthorizedParty != "" {
		if slices.Contains(clients, c.AuthorizedParty) {
			return c.AuthorizedParty, nil
		}
	} else if i := slices.IndexFunc(c.Audience, func(a string) bool { return slices.Contains(clients, a) }); i >= 0 {
		return c.Audience[i], nil
	}
	return "", refuse(ErrInvalid, "the token is for none of the client ids of the provider")
}

// sessionTags are in the order of their keys.
func (c *claims) sessionTags() ([]chime.Tag, error) {
	var list []chime.Tag
	for key, values := range c.Tags.Principal {
		if len(values) != 1 {
			return nil, errors.New("a session tag in the token has not exactly one value")
		}
		list = append(list, chime.Tag{Key: key, Value: values[0]})
	}
	slices.SortFunc(list, func(a, b chime.Tag) int { return strings.Compare(a.Key, b.Key) })
	return list, nil
}
