package nats_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/carillon-chat/carillon/internal/bus/bustest"
	"github.com/carillon-chat/carillon/internal/bus/nats"
	"github.com/carillon-chat/carillon/internal/bus/nats/natstest"
)

// TestAuthentication: a node gets in by what the server knows, and not by anything else.
func TestAuthentication(t *testing.T) {
	folder := t.TempDir()
	user := natstest.Must(nkeys.CreateUser())(t)
	operator, credentials := decentralised(t, folder)
	for name, test := range map[string]struct {
		server       server.Options
		right, wrong func(*nats.Options)
	}{
		"user": {server.Options{Username: "node", Password: "a secret"},
			func(o *nats.Options) { o.User, o.Password = "node", "a secret" },
			func(o *nats.Options) { o.User, o.Password = "node", "another" }},
		"token": {server.Options{Authorization: "a secret"},
			func(o *nats.Options) { o.Token = "a secret" }, func(o *nats.Options) { o.Token = "another" }},
		"nkey": {server.Options{Nkeys: []*server.NkeyUser{{Nkey: natstest.Must(user.PublicKey())(t)}}},
			func(o *nats.Options) {
				o.NkeyFile = natstest.Write(t, folder, "right.nk", natstest.Must(user.Seed())(t))
			},
			func(o *nats.Options) {
				o.NkeyFile = natstest.Write(t, folder, "wrong.nk", natstest.Must(natstest.Must(nkeys.CreateUser())(t).Seed())(t))
			}},
		"credentials": {operator,
			func(o *nats.Options) { o.CredentialsFile = credentials }, func(*nats.Options) {}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, test.server)
			right, wrong := at(s), at(s)
			test.right(&right)
			test.wrong(&wrong)
			one, two := open(t, right), open(t, right)
			bustest.Reach(t, one, app, two.Subscribe(app))

			b := begin(t, wrong)
			natstest.Await(t, "the refusal", func() bool {
				return strings.Contains(strings.ToLower(b.Degraded().Error()), "authorization")
			})
			if err := b.Degraded(); strings.Contains(err.Error(), "another") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

// TestRefusedUntilTheCredentialsAreRight: a node that is refused gets in when its file was mended.
func TestRefusedUntilTheCredentialsAreRight(t *testing.T) {
	folder := t.TempDir()
	operator, right := decentralised(t, folder)
	_, stranger := decentralised(t, t.TempDir())
	s := serve(t, operator)
	o := at(s)
	o.CredentialsFile = natstest.Write(t, folder, "node.creds", natstest.Must(os.ReadFile(stranger))(t))
	b := begin(t, o)
	natstest.Await(t, "the refusal", func() bool { return strings.Contains(strings.ToLower(b.Degraded().Error()), "authorization") })
	natstest.Write(t, folder, "node.creds", natstest.Must(os.ReadFile(right))(t))
	natstest.Await(t, "the connection", func() bool { return b.Degraded() == nil })
}

// decentralised makes the options of a server that trusts an operator, and a file of credentials of a user.
func decentralised(t *testing.T, folder string) (o server.Options, credentials string) {
	t.Helper()
	operator, account, user := natstest.Must(nkeys.CreateOperator())(t), natstest.Must(nkeys.CreateAccount())(t), natstest.Must(nkeys.CreateUser())(t)
	public := func(k nkeys.KeyPair) string { return natstest.Must(k.PublicKey())(t) }

	accountClaims := jwt.NewAccountClaims(public(account))
	userClaims := jwt.NewUserClaims(public(user))
	resolver := &server.MemAccResolver{}
	if err := resolver.Store(public(account), natstest.Must(accountClaims.Encode(operator))(t)); err != nil {
		t.Fatal(err)
	}
	text := natstest.Must(jwt.FormatUserConfig(natstest.Must(userClaims.Encode(account))(t), natstest.Must(user.Seed())(t)))(t)
	return server.Options{TrustedKeys: []string{public(operator)}, AccountResolver: resolver}, natstest.Write(t, folder, "right.creds", text)
}

// TestTLS: server and node show certificates, and a node that has none, or believes in another CA, is not let in.
func TestTLS(t *testing.T) {
	folder := t.TempDir()
	ca, other := natstest.NewAuthority(t, folder, "ca"), natstest.NewAuthority(t, folder, "other")
	serverCert, serverKey := ca.Sign(t, "server")
	clientCert, clientKey := ca.Sign(t, "client")
	pair := natstest.Must(tls.LoadX509KeyPair(serverCert, serverKey))(t)
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate)
	s := serve(t, server.Options{TLS: true, TLSVerify: true, TLSTimeout: 10, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}})

	right := at(s)
	right.URLs = []string{strings.Replace(s.ClientURL(), "nats://", "tls://", 1)}
	right.CAFile, right.CertFile, right.KeyFile = ca.File, clientCert, clientKey
	one, two := open(t, right), open(t, right)
	bustest.Reach(t, one, app, two.Subscribe(app))

	for name, o := range map[string]nats.Options{
		"without a certificate": {CAFile: ca.File},
		"another CA":            {CAFile: other.File, CertFile: clientCert, KeyFile: clientKey},
	} {
		o.URLs = right.URLs
		b := begin(t, o)
		natstest.Await(t, "the refusal "+name, func() bool {
			err := b.Degraded()
			return err != nil && (strings.Contains(err.Error(), "certificate") || strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "reset"))
		})
	}

	// A server without TLS is not spoken to when TLS is wanted.
	plain := serve(t, server.Options{})
	o := right
	o.URLs = []string{plain.ClientURL()}
	b := begin(t, o)
	natstest.Await(t, "the refusal of plain text", func() bool { err := b.Degraded(); return err != nil && strings.Contains(err.Error(), "secure") })
}
