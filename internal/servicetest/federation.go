package servicetest

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	iamapi "github.com/carillon-chat/carillon/internal/api/iam"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/iam"
	"github.com/carillon-chat/carillon/internal/keyring"
	"github.com/carillon-chat/carillon/internal/oidc"
	"github.com/carillon-chat/carillon/internal/oidc/oidctest"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/memstore"
	"github.com/carillon-chat/carillon/internal/sts"
)

// Federation is an account that gives out credentials, over a fresh model store.
type Federation struct {
	t        testing.TB
	Store    store.Store
	Site     chime.Site
	Access   *access.Service
	Account  *iam.Service
	Own      *oidc.Own
	Verifier *oidc.Verifier // reaches issuers on this machine
	STS      *sts.Service
	// Changed, when set, is called after each change of the account.
	Changed func()
}

// NewFederation makes an account with the root keys of NewAccess and nothing else.
func NewFederation(t testing.TB, now func() time.Time) *Federation {
	t.Helper()
	f := &Federation{t: t, Store: memstore.New(), Site: chime.Site{Region: "us-east-1", Account: "000000000000"}}
	t.Cleanup(func() { f.Store.Close() })
	ring, err := keyring.Open(context.Background(), keyring.Options{Store: f.Store, RootSecret: RootSecretAccessKey, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	f.Access = NewAccess(t, f.Store, now)
	f.Account = iam.New(iam.Options{
		Store: f.Store, Site: f.Site, Keyring: ring, Limits: iam.DefaultLimits(), Changed: f.forget, Now: now,
	})
	f.Own = &oidc.Own{URL: sts.CognitoURL, Key: ring.IssuerKey}
	f.Verifier = oidc.New(oidc.Options{
		Store: f.Store, Now: now, AllowHTTP: true, Own: f.Own,
		Client: oidc.NewClient(oidc.ClientOptions{AllowHTTP: true, AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
	})
	f.STS = sts.New(sts.Options{Store: f.Store, Site: f.Site, Access: f.Access, Verifier: f.Verifier})
	return f
}

func (f *Federation) forget() {
	f.Access.Forget()
	if f.Changed != nil {
		f.Changed()
	}
}

// Issuer runs an issuer that IAM knows, with the client id client-1.
func (f *Federation) Issuer() *oidctest.Issuer {
	f.t.Helper()
	issuer := oidctest.Start(f.t)
	_, err := f.Account.CreateOpenIDConnectProvider(context.Background(), &iamapi.CreateOpenIDConnectProviderRequest{
		URL: "https://" + issuer.Provider(), ClientIDList: []string{"client-1"},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return issuer
}
