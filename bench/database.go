//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// rowsJob is one round of the rows of sends, for the role "rows".
type rowsJob struct {
	URL     string
	Seconds float64
	Single  bool // one INSERT for a send, as a team would begin; otherwise all that wait go in one transaction
}

// database measures a node with a PostgreSQL database against programs that do nothing but write the same rows
// to a database of the same server.
func (b *bench) database(ctx context.Context) error {
	versions, err := pgtest.Find()
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		fmt.Fprintln(os.Stderr, "NOT MEASURED: a node with a database, because PostgreSQL is not installed")
		return nil
	}
	server, err := versions[len(versions)-1].Start("shared_buffers = 256MB", "max_wal_size = 2GB")
	if err != nil {
		return err
	}
	defer server.Remove()
	url, err := server.Database(ctx)
	if err != nil {
		return err
	}
	raw, err := server.Database(ctx)
	if err != nil {
		return err
	}

	// The three in turns, so that the machine is the same for all.
	s, err := b.onDatabase(ctx, url)
	if err != nil {
		return err
	}
	defer s.Stop()
	job := s.job(b.seconds, 1, 20_000)
	var sends, batched, single, cpu []float64
	for range b.rounds {
		measured, err := ask[loadResult](ctx, "load", job)
		if err != nil {
			return err
		}
		sends, cpu = append(sends, measured.sendsPerSecond()), append(cpu, measured.cpuPerSend())
		for _, one := range []struct {
			single  bool
			figures *[]float64
		}{{false, &batched}, {true, &single}} {
			result, err := ask[storeResult](ctx, "rows", rowsJob{URL: raw, Seconds: b.seconds, Single: one.single})
			if err != nil {
				return err
			}
			*one.figures = append(*one.figures, result.perSecond())
		}
	}
	b.add(figure("database", "signed durable sends, 1 member online", "/s", sends).
		against("the same rows, all that wait in one transaction", batched).aims(ratioAtLeast(0.8)),
		figure("database", "signed durable sends beside one INSERT for each", "/s", sends).
			against("one INSERT for a send, 16 connections", single).aims(ratioAtLeast(1)),
		figure("database", "node's CPU of a send", "us", cpu))
	return nil
}

// onDatabase starts a node whose store is the database, with one user in a channel.
func (b *bench) onDatabase(ctx context.Context, url string) (s scene, err error) {
	const setting = "CARILLON_DATABASE_URL"
	if err := os.Setenv(setting, url); err != nil { // of the node alone: it is started from here
		return s, err
	}
	defer os.Unsetenv(setting)
	return b.stageOf(ctx, b.program, filepath.Join("database", "node"), 1, 1)
}

// The rows of a send: message, event, trace, client request token and activity of the channel.
const (
	makeRows = `CREATE TABLE IF NOT EXISTS %s (key bytea PRIMARY KEY, value bytea NOT NULL)`
	putRows  = `INSERT INTO %s (key, value) SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT (key) DO UPDATE SET value = excluded.value`
)

var rowTables = [...]struct {
	name  string
	value int
}{{"messages", 260}, {"events", 120}, {"traces", 1}, {"tokens", 40}, {"activity", 60}}

// runRows is the role "rows".
func runRows(ctx context.Context, job rowsJob) (result storeResult, err error) {
	config, err := pgxpool.ParseConfig(job.URL)
	if err != nil {
		return result, err
	}
	config.MaxConns = 16
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return result, err
	}
	defer pool.Close()
	for _, t := range rowTables {
		if _, err := pool.Exec(ctx, fmt.Sprintf(makeRows, t.name)); err != nil {
			return result, err
		}
	}
	if _, err := pool.Exec(ctx, "CREATE TABLE IF NOT EXISTS logs (app int PRIMARY KEY, position bigint NOT NULL); INSERT INTO logs VALUES (1, 0) ON CONFLICT DO NOTHING", pgx.QueryExecModeSimpleProtocol); err != nil {
		return result, err
	}

	value := make([]byte, 1024)
	for i := range value {
		value[i] = byte('a' + i%23)
	}
	if job.Single {
		insert := fmt.Sprintf("INSERT INTO %s (key, value) VALUES ($1, $2)", rowTables[0].name)
		return hammer(job.Seconds, func(caller, i int) error {
			_, err := pool.Exec(ctx, insert, rowKey(caller, i), value[:260])
			return err
		})
	}
	w := &rowWriter{pool: pool, value: value}
	return hammer(job.Seconds, func(caller, i int) error { return w.add(ctx, rowKey(caller, i)) })
}

func rowKey(caller, i int) []byte { return fmt.Appendf(nil, "%d %034d %040d", os.Getpid(), caller, i) }

// rowWriter writes what waits in one transaction: the first to come starts at once, and while it commits the next gather.
type rowWriter struct {
	pool  *pgxpool.Pool
	value []byte

	mu      sync.Mutex
	writing bool
	pending *rowGroup
}

// rowGroup is what one transaction writes.
type rowGroup struct {
	keys [][]byte
	turn chan struct{} // given to the first when it may write
	done chan struct{}
	err  error
}

// add returns when the rows are committed.
func (w *rowWriter) add(ctx context.Context, key []byte) error {
	w.mu.Lock()
	if w.pending == nil {
		w.pending = &rowGroup{turn: make(chan struct{}, 1), done: make(chan struct{})}
	}
	g, first := w.pending, len(w.pending.keys) == 0
	g.keys = append(g.keys, key)
	if first && !w.writing {
		w.writing = true
		g.turn <- struct{}{}
	}
	w.mu.Unlock()
	if !first {
		<-g.done
		return g.err
	}

	<-g.turn
	w.mu.Lock()
	w.pending = nil
	w.mu.Unlock()
	g.err = w.write(ctx, g.keys)
	close(g.done)

	// The next, if any came.
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writing = w.pending != nil; w.writing {
		w.pending.turn <- struct{}{}
	}
	return g.err
}

// write is two round trips: the lock; the rows and the commit.
func (w *rowWriter) write(ctx context.Context, keys [][]byte) error {
	conn, err := w.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	var begin, rows pgx.Batch
	begin.Queue("BEGIN")
	begin.Queue("UPDATE logs SET position = position + $1 WHERE app = 1 RETURNING position", len(keys))
	if err := conn.SendBatch(ctx, &begin).Close(); err != nil {
		return err
	}
	for _, t := range rowTables {
		keys, values := keys, make([][]byte, len(keys))
		for i := range values {
			values[i] = w.value[:t.value]
		}
		if t.name == "activity" {
			keys, values = keys[:1], values[:1] // one channel
		}
		rows.Queue(fmt.Sprintf(putRows, t.name), keys, values)
	}
	rows.Queue("COMMIT")
	return conn.SendBatch(ctx, &rows).Close()
}
