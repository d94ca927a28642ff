package moving_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/carillon-chat/carillon/internal/app/moving"
	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/config"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
	"github.com/carillon-chat/carillon/internal/store/postgres"
)

// TestADatabaseInUse: a database is not moved while the row of a node in it is renewed, and is when that stays the same.
func TestADatabaseInUse(t *testing.T) {
	url := pgtest.NewDatabase(t)
	st, err := postgres.Open(t.Context(), url, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	renew := func(renewals uint64, lease chime.Millis) {
		err := st.Update(t.Context(), "", func(tx store.Tx) error {
			return store.Nodes.Put(tx, store.K("n"), chime.Node{Start: 1, Renewals: renewals, Lease: lease})
		})
		if err != nil {
			t.Error(err)
		}
	}
	run := func() error {
		_, err := moving.Run(t.Context(), moving.Options{
			From: moving.Place{URL: config.NewSecret(url)}, To: moving.Place{Folder: filepath.Join(t.TempDir(), "data")},
		})
		return err
	}

	renew(1, 3_600_000)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for n := uint64(2); ctx.Err() == nil; n++ {
			renew(n, 3_600_000)
		}
	}()
	if err := run(); !errors.Is(err, moving.ErrNodes) {
		t.Errorf("while a node lives: %v", err)
	}
	stop()
	<-stopped

	renew(1, 100)
	if err := run(); err != nil {
		t.Errorf("after a node died: %v", err)
	}
}
