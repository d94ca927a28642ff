package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillon-chat/carillon/internal/store"
)

var _ store.Engine = (*Store)(nil)

// Backup implements store.Engine: a database has better means.
func (s *Store) Backup(string) error {
	return fmt.Errorf("%w: take a backup of the database itself, with pg_basebackup or pg_dump", errors.ErrUnsupported)
}

// Erase implements store.Engine: it vacuums the table, so that no statement can find the rows again and their room is used
// anew. It does not overwrite what pages have between rows, nor what is in the write-ahead log and its archive.
func (s *Store) Erase(ctx context.Context, table store.TableID, _ ...store.Range) error {
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if err := s.admit(); err != nil {
		return err
	}
	r := relationOf(table)
	if r.name == "" {
		return nil
	}
	conn, err := s.acquire(ctx)
	if err != nil {
		return explain(err)
	}
	defer conn.Release()
	c := conn.Conn()
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }() // its settings are others; the pool opens a new one

	// It takes as long as it takes, and databases that clean up by themselves do not know it.
	if _, err := c.Exec(ctx, "SET statement_timeout = 0", pgx.QueryExecModeSimpleProtocol); err != nil {
		return explain(err)
	}
	_, err = c.Exec(ctx, "VACUUM "+r.name, pgx.QueryExecModeSimpleProtocol)
	var answered *pgconn.PgError
	if errors.As(err, &answered) && (answered.Code == "0A000" || answered.Code == "42601") {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return explain(err)
}

// EraseKeys implements store.Engine. Indexes were vacuumed with their tables.
func (s *Store) EraseKeys(context.Context) error { return nil }
