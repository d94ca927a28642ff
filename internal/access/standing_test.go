package access_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/sigv4"
	"github.com/carillon-chat/carillon/internal/store"
)

// connection is what a connect request as ann is entitled to.
func (f *fixture) connection(t *testing.T, c access.Credentials, from access.Source) access.Connection {
	t.Helper()
	query := url.Values{"userArn": {app + "/user/ann"}, "sessionId": {"1"}}
	found, err := f.Connect(t.Context(), f.connectRequest(t, c, query, nil), from)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// send asks whether the connection may send as ann.
func (f *fixture) send(st access.Standing) error {
	return f.AuthorizeStanding(context.Background(), st, operation("chime", "SendChannelMessage"),
		&messaging.SendChannelMessageRequest{ChimeBearer: app + "/user/ann", ChannelARN: app + "/channel/c"})
}

// An open connection may do what a new request of the same credentials may, by the account as it is.
func TestAConnectionAndARequestAgree(t *testing.T) {
	const everything = `"*"`
	deny := strings.Replace(allow(everything, everything), "Allow", "Deny", 1)
	for _, test := range []struct {
		name string
		take func(f *fixture, user, role access.Credentials)
		user bool // the user's connection goes on
		role bool // the role session's does
	}{
		{"nothing", func(*fixture, access.Credentials, access.Credentials) {}, true, true},
		{"key inactive", func(f *fixture, user, _ access.Credentials) { f.key(t, user, "ann", false) }, false, true},
		{"key deleted", func(f *fixture, user, _ access.Credentials) {
			f.update(t, func(tx store.Tx) error { return store.AccessKeys.Delete(tx, store.K(user.AccessKeyID)) })
		}, false, true},
		{"user deleted", func(f *fixture, _, _ access.Credentials) {
			f.update(t, func(tx store.Tx) error { return store.AccountUsers.Delete(tx, store.K("ann")) })
		}, false, true},
		{"deny on the user", func(f *fixture, _, _ access.Credentials) { f.inline(t, "user", "ann", "stop", deny) }, false, true},
		{"deny on the role", func(f *fixture, _, _ access.Credentials) { f.inline(t, "role", "chat", "stop", deny) }, true, false},
		{"role deleted", func(f *fixture, _, _ access.Credentials) {
			f.update(t, func(tx store.Tx) error { return store.Roles.Delete(tx, store.K("chat")) })
		}, true, false},
		{"role made again", func(f *fixture, _, _ access.Credentials) {
			f.role(t, "chat", allow(everything, everything), func(r *chime.Role) { r.ID = "AROAOTHER" })
		}, true, false},
		{"time", func(f *fixture, _, _ access.Credentials) { f.now = f.now.Add(24 * time.Hour) }, true, true}, // its owner ends it
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			user := f.user(t, "ann", allow(everything, everything))
			f.role(t, "chat", allow(everything, everything))
			role := f.session(t, "chat", access.SessionRequest{SessionName: "s"})
			from := access.Source{Remote: "192.0.2.1:1000", UserAgent: "browser"}
			byUser, byRole := f.connection(t, user, from).Standing, f.connection(t, role, from).Standing
			test.take(f, user, role)
			for _, one := range []struct {
				who      string
				standing access.Standing
				keys     access.Credentials
				goesOn   bool
			}{{"user", byUser, user, test.user}, {"role session", byRole, role, test.role}} {
				_, err := f.Reconnect(t.Context(), one.standing, "A", "user/ann")
				if (err == nil) != one.goesOn {
					t.Errorf("the connection of the %s: %v", one.who, err)
				}
				sends := f.send(one.standing)
				_, _, known := f.SecretKey(t.Context(), one.keys.AccessKeyID, one.keys.SessionToken)
				if expired := errors.Is(known, sigv4.ErrExpiredToken); (sends == nil) != (one.goesOn && !expired) {
					t.Errorf("a call by the connection of the %s: %v", one.who, sends)
				}
			}
		})
	}
}

func TestAConnectionKeepsItsPlace(t *testing.T) {
	f := newFixture(t)
	user := f.user(t, "ann", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"chime:*","Resource":"*",
		"Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"},"StringEquals":{"aws:UserAgent":"browser"}}}]}`)
	c := f.connection(t, user, access.Source{Remote: "192.0.2.1:1000", UserAgent: "browser"})
	if c.Steady {
		t.Error("a decision by the address is said to be steady")
	}
	if _, err := f.Reconnect(t.Context(), c.Standing, "A", "user/ann"); err != nil {
		t.Error(err)
	}
	if again := f.connection(t, user, access.Source{Remote: "192.0.2.1:2000", UserAgent: "browser"}); again.Standing != c.Standing {
		t.Error("two connections of one client share nothing")
	}
	other := f.connection(t, user, access.Source{Remote: "192.0.2.2:1000", UserAgent: "browser"})
	if other.Standing == c.Standing {
		t.Error("connections from two addresses share a standing")
	}
	f.inline(t, "user", "ann", "p", strings.Replace(allow(`"*"`, `"*"`), "Allow", "Deny", 1))
	if _, err := f.Reconnect(t.Context(), c.Standing, "A", "user/ann"); err == nil {
		t.Error("a deny changes nothing")
	}
	if _, err := f.Reconnect(t.Context(), access.Standing{}, "A", "user/ann"); err == nil {
		t.Error("a connection without credentials goes on")
	}
}
