package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/sigv4"
)

// Exchange returns credentials of one app instance user and when they expire, as the chat page of dev mode gets
// them: unsigned.
// A lifetime of 0 is the usual one.
func (p Peer) Exchange(ctx context.Context, userID string, lifetime time.Duration) (keys sigv4.Credentials, expires time.Time, err error) {
	in := map[string]any{"UserId": userID}
	if lifetime > 0 {
		in["DurationSeconds"] = int(lifetime / time.Second)
	}
	body, err := json.Marshal(in)
	if err != nil {
		return keys, expires, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Base+"/_carillon/credentials", bytes.NewReader(body))
	if err != nil {
		return keys, expires, err
	}
	r.Header.Set("Content-Type", "application/json")

	var out struct {
		ChimeCredentials struct {
			AccessKeyID     string `json:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      time.Time
		}
	}
	got, err := p.Do(r)
	if err == nil {
		err = got.read(json.Unmarshal, &out)
	}
	if err != nil {
		return keys, expires, err
	}
	c := out.ChimeCredentials
	return sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, c.Expiration, nil
}

// MakeUser makes an IAM user with a policy and returns keys of it.
func (p Peer) MakeUser(ctx context.Context, name, policy string) (keys sigv4.Credentials, err error) {
	var made struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	for _, call := range []struct {
		values url.Values
		out    any
	}{
		{url.Values{"Action": {"CreateUser"}}, nil},
		{url.Values{"Action": {"PutUserPolicy"}, "PolicyName": {"p"}, "PolicyDocument": {policy}}, nil},
		{url.Values{"Action": {"CreateAccessKey"}}, &made},
	} {
		call.values.Set("UserName", name)
		if err := p.iam(ctx, call.values, call.out); err != nil {
			return keys, err
		}
	}
	return sigv4.Credentials{AccessKeyID: made.ID, SecretAccessKey: made.Secret}, nil
}

// AllowWhen is a policy that allows everything of Chime under a condition.
func AllowWhen(condition string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"chime:*","Resource":"*","Condition":` + condition + `}}`
}

// iam makes a call of IAM and reads its answer into out unless that is nil.
func (p Peer) iam(ctx context.Context, values url.Values, out any) error {
	values.Set("Version", "2010-05-08")
	body := values.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Base+"/", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p.Signer.Scope.Service = "iam"
	if err := p.Sign(r, []byte(body)); err != nil {
		return err
	}
	got, err := p.Do(r)
	if err != nil {
		return err
	}
	return got.read(xml.Unmarshal, out)
}

// UserKeys are those of Exchange, for a test.
func (n *Node) UserKeys(t testing.TB, userID string) sigv4.Credentials {
	t.Helper()
	keys, _, err := n.Peer().Exchange(t.Context(), userID, 0)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
