package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillon-chat/carillon/internal/store"
)

// health is whether the database answers. The zero value says yes.
type health struct{ refusal atomic.Pointer[error] }

// refuse has calls refused from here on.
func (h *health) refuse(log *slog.Logger, cause error) {
	err := fmt.Errorf("%w: %w", store.ErrUnavailable, plain(cause))
	if h.refusal.Swap(&err) == nil {
		log.Error("the database does not answer: the store is not available", "err", cause)
	}
}

// accept ends that.
func (h *health) accept(log *slog.Logger) {
	if h.refusal.Swap(nil) != nil {
		log.Info("the database answers again")
	}
}

// Refusal implements store.Engine.
func (s *Store) Refusal() error {
	if err := s.health.refusal.Load(); err != nil {
		return *err
	}
	return nil
}

// admit lets a call begin. Its caller holds closeMu.
func (s *Store) admit() error {
	if s.closed {
		return store.ErrUnavailable
	}
	return s.Refusal()
}

// isAway reports whether an error is one of the connection or of the database as a whole, and none of a transaction.
func isAway(err error) bool {
	var answered *pgconn.PgError
	if !errors.As(err, &answered) {
		return true
	}
	return !strings.HasPrefix(answered.Code, "40") && answered.Code != lockNotAvailable && answered.Code != queryCanceled
}

// Asking after the database.
const (
	pingEvery = time.Second
	pingLimit = 3 * time.Second
)

// monitor asks after the database: when it does not answer twice, calls are refused until it does.
func (s *Store) monitor() {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for failed := 0; ; {
		select {
		case <-ticker.C:
		case <-s.closing:
			return
		}
		err := s.ping()
		switch {
		case err == nil:
			failed = 0
			s.health.accept(s.log)
		case failed > 0:
			s.health.refuse(s.log, err)
		default:
			failed++
		}
	}
}

// ping asks for an answer on any connection. A pool of which all are in use does not count as away: they have limits.
func (s *Store) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), min(pingLimit, s.limit))
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		if stat := s.pool.Stat(); stat.AcquiredConns() == stat.MaxConns() {
			return nil
		}
		return err
	}
	defer conn.Release()
	_, err = conn.Exec(ctx, ping, pgx.QueryExecModeSimpleProtocol)
	return err
}
