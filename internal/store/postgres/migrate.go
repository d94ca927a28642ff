package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/carillon-chat/carillon/internal/store"
)

// migrations make the tables. None is ever removed or changed.
//
//go:embed migrations/*.sql
var migrations embed.FS

// Tables of the migrations, beside those that they make.
const (
	versionTable = "schema_versions"
	leaseTable   = "schema_lease"
)

// migrate brings the tables up to date. Nodes that start at once take turns by a lease, which one that dies
// leaves behind for half a minute.
func migrate(ctx context.Context, config *pgx.ConnConfig, log *slog.Logger) (err error) {
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := newProvider(db, log)
	if err != nil {
		return err
	}

	// Most starts find them so, and need no right to change them.
	current, target, err := provider.GetVersions(ctx)
	switch {
	case err != nil:
		return err
	case current > target:
		return fmt.Errorf("%w: they have version %d, this version knows %d", store.ErrNewer, current, target)
	case current == target:
		return nil
	}
	results, err := provider.Up(ctx)
	for _, r := range results {
		log.Info("changed the tables of the database", "migration", r.Source.Path, "took", r.Duration.Round(time.Millisecond))
	}
	return err
}

func newProvider(db *sql.DB, log *slog.Logger) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	const pause, attempts = 250 * time.Millisecond, 4 * 60 * 10 // ten minutes
	lease, err := lock.NewPostgresTableLocker(lock.WithTableName(leaseTable), lock.WithTableLockTimeout(pause, attempts))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files, goose.WithLocker(lease), goose.WithTableName(versionTable),
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(log))
}
