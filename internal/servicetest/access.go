package servicetest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/access"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/keyring"
	"github.com/carillon-chat/carillon/internal/store"
)

// The root keys of NewAccess.
const (
	RootAccessKeyID     = "AKIDROOT"
	RootSecretAccessKey = "root-secret"
)

// NewAccess makes the access service over a store, with the root keys above. It explains refused
// signatures. change adapts the options.
func NewAccess(t testing.TB, st store.Store, now func() time.Time, change ...func(*access.Options)) *access.Service {
	t.Helper()
	keys, err := keyring.Open(context.Background(), keyring.Options{Store: st, RootSecret: RootSecretAccessKey, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	o := access.Options{
		Store: st, Keyring: keys, Site: chime.Site{Region: "us-east-1", Account: "000000000000"},
		RootAccessKeyID: RootAccessKeyID, RootSecretAccessKey: RootSecretAccessKey,
		Now: now, Random: rand.Reader, Explain: true,
	}
	for _, apply := range change {
		apply(&o)
	}
	s, err := access.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
