package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-chat/carillon/internal/store"
)

// View implements store.Store. Its transaction begins with the first read.
func (s *Store) View(ctx context.Context, app string, f func(store.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if err := s.admit(); err != nil {
		return err
	}
	v := &view{store: s, ctx: ctx, app: app}
	defer v.end()
	return f(v)
}

// view is the Reader of one moment.
type view struct {
	store *Store
	ctx   context.Context
	app   string

	conn     *pgxpool.Conn // nil before the first read
	position uint64
	known    bool // of the position
}

// end gives back the connection, without the caller waiting for it.
func (v *view) end() {
	if v.conn == nil {
		return
	}
	conn := v.conn
	v.store.background.Go(func() { v.store.giveBack(conn) })
}

// send implements trip. The first one begins the transaction, and is tried again while the database has a passing fault:
// nothing was read yet.
func (v *view) send(queue func(*pgx.Batch)) error {
	if err := v.ctx.Err(); err != nil {
		return err
	}
	if v.conn != nil {
		return explain(v.store.send(v.conn, queue))
	}
	return explain(v.store.persist(v.ctx, func() error {
		conn, err := v.store.acquire(v.ctx)
		if err != nil {
			return err
		}
		err = v.store.send(conn, func(b *pgx.Batch) {
			b.Queue(beginView)
			queue(b)
		})
		if err != nil {
			v.store.giveBack(conn)
			return err
		}
		v.conn = conn
		return nil
	}))
}

// Get implements store.Reader.
func (v *view) Get(table store.TableID, key store.Key) ([]byte, error) {
	one := [1]store.Lookup{{Table: table, Key: key}}
	err := v.GetMany(one[:])
	return one[0].Value, err
}

// GetMany implements store.Reader.
func (v *view) GetMany(lookups []store.Lookup) error { return getMany(v.send, lookups) }

// Scan implements store.Reader.
func (v *view) Scan(table store.TableID, rng store.Range, f func(store.Key, []byte) (bool, error)) error {
	for p := newPages(v.send, table, rng); !p.done; {
		page, err := p.next()
		if err != nil {
			return err
		}
		for _, row := range page {
			if more, err := f(row.key, row.value); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// Position implements store.Reader.
func (v *view) Position() (uint64, error) {
	if v.known {
		return v.position, nil
	}
	end, err := readEnd(v.send, v.app)
	if err == nil {
		v.position, v.known = end.position, true
	}
	return v.position, err
}

// logEnd is what the row of a log says.
type logEnd struct{ position, rewrites uint64 }

// readEnd reads the row of a log; one that was never written to has none.
func readEnd(send trip, app string) (end logEnd, err error) {
	err = send(func(b *pgx.Batch) {
		b.Queue(readLogEnd, []byte(app)).Query(func(rows pgx.Rows) (err error) {
			end, _, err = scanEnd(rows)
			return err
		})
	})
	if err != nil {
		return logEnd{}, fmt.Errorf("end of the log: %w", err)
	}
	return end, nil
}

// scanEnd reads the row of a log, if there is one.
func scanEnd(rows pgx.Rows) (end logEnd, found bool, err error) {
	var position, rewrites int64
	_, err = pgx.ForEachRow(rows, []any{&position, &rewrites}, func() error {
		found = true
		return nil
	})
	return logEnd{uint64(position), uint64(rewrites)}, found, err
}
