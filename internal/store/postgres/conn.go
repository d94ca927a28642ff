package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-chat/carillon/internal/store"
)

// acquire takes a connection of the pool. The end of ctx ends the wait.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	conn, err := s.pool.Acquire(limited)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return conn, err
}

// giveBack ends the transaction of a connection, if there is one, and gives it back.
func (s *Store) giveBack(conn *pgxpool.Conn) {
	const idle = 'I'
	if c := conn.Conn(); !c.IsClosed() && c.PgConn().TxStatus() != idle {
		ctx, cancel := context.WithTimeout(context.Background(), s.limit)
		defer cancel()
		_, _ = conn.Exec(ctx, rollback) // the pool closes a connection on which it fails
	}
	conn.Release()
}

// send does a round trip. No context of a caller ends it, because that would end the connection.
func (s *Store) send(conn *pgxpool.Conn, queue func(*pgx.Batch)) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.limit)
	defer cancel()
	var b pgx.Batch
	queue(&b)
	s.stats.trips.Add(1)
	return conn.SendBatch(ctx, &b).Close()
}

// Pauses between attempts. A conflict of transactions is over sooner than a fault of the database.
const (
	firstPause    = 5 * time.Millisecond
	mostPause     = 500 * time.Millisecond
	conflictPause = 20 * time.Millisecond
)

// persist calls f again while the database has a passing fault, until its patience or ctx ends or the store is closed.
func (s *Store) persist(ctx context.Context, f func() error) error {
	var until time.Time
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		err := f()
		if err == nil || !isPassing(err) || ctx.Err() != nil {
			return err
		}

		now := time.Now()
		if until.IsZero() {
			until = now.Add(s.patience)
		}
		if now.After(until) {
			if isAway(err) {
				s.health.refuse(s.log, err)
			}
			return err
		}
		s.stats.retries.Add(1)
		if !isAway(err) {
			pause = min(pause, conflictPause)
		}
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), err)
		case <-s.closing:
			timer.Stop()
			return errors.Join(store.ErrUnavailable, err)
		}
	}
}
