package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// batch is a transaction of the database with the Updates that run in it.
type batch struct {
	store   *Store
	line    *line
	app     string
	number  int64 // of the batch among those of this writer
	members []*request

	lost bool // a commit was sent and not answered

	conn     *pgxpool.Conn
	end      logEnd // of the log as the database has it
	over     overlay
	seen     map[string][]byte // what was read, by path; nil for no row
	seenSize int
	wanted   []store.Lookup // by functions that were left
	fault    error          // of the database, that a function met

	events    []chime.Event
	rewritten []*chime.Event
	trimmed   uint64
	restored  []chime.Event
	moved     bool // the log was restored, and ends at end since
	wrote     int  // transactions
}

// seenBytes bounds what a batch remembers of its reads.
const seenBytes = 16 << 20

// commit runs the batch, and runs it again while the database has a passing fault.
func (b *batch) commit() error {
	began := time.Now()
	err := b.store.persist(context.Background(), b.attempt)
	b.store.stats.batch(b, time.Since(began), err)
	if err != nil && b.lost { // it may be found later
		return fmt.Errorf("%w: %w", store.ErrUnavailable, plain(err))
	}
	return explain(err)
}

// attempt runs the batch once.
func (b *batch) attempt() (err error) {
	if b.conn, err = b.store.acquire(context.Background()); err != nil {
		return err
	}
	defer func() { b.store.giveBack(b.conn) }()

	b.fault = nil
	number, err := b.lock()
	if err != nil {
		return err
	}
	if b.lost && number == b.number {
		return nil // the commit took place, and only its answer was lost
	}

	// Those that came while the lock was waited for are part of it.
	b.lost = false
	b.members = append(b.members, b.line.take(maxMembers-len(b.members))...)
	b.over, b.seen, b.seenSize, b.fault = newOverlay(), make(map[string][]byte), 0, nil
	b.events, b.rewritten, b.trimmed, b.wrote = nil, nil, 0, 0
	b.restored, b.moved = nil, false
	b.run()
	if b.fault != nil || b.wrote == 0 {
		return b.fault
	}
	return b.write()
}

// lock begins the transaction and takes the lock of the log, whose row it makes when there is none. After a lost
// commit it reads the number of the latest batch that this writer committed.
func (b *batch) lock() (number int64, err error) {
	found := false
	locked := func(rows pgx.Rows) (err error) {
		b.end, found, err = scanEnd(rows)
		return err
	}
	noted := func(rows pgx.Rows) (err error) {
		_, err = pgx.ForEachRow(rows, []any{&number}, func() error { return nil })
		return err
	}

	err = b.send(func(out *pgx.Batch) {
		out.Queue(beginUpdate)
		out.Queue(lockLog, []byte(b.app)).Query(locked)
		if b.lost {
			out.Queue(readBatch, []byte(b.app), b.store.writer).Query(noted)
		}
	})
	if err != nil || found {
		return number, err
	}

	return number, b.send(func(out *pgx.Batch) {
		out.Queue(makeLog, []byte(b.app))
		out.Queue(lockLog, []byte(b.app)).Query(locked)
	})
}

// send implements trip. A fault ends the batch, whatever the function that met it makes of it.
func (b *batch) send(queue func(*pgx.Batch)) error {
	if b.fault != nil {
		return b.fault
	}
	b.fault = b.store.send(b.conn, queue)
	return b.fault
}

// position is where the log ends with what the batch appended.
func (b *batch) position() uint64 { return b.end.position + uint64(len(b.events)) }

// publish hands what was committed to the cursors, of this node and of others.
func (b *batch) publish() {
	if b.wrote == 0 {
		return
	}
	feeds := b.store.feeds
	feeds.Rewrite(b.app, b.rewritten)
	feeds.Publish(b.app, b.events)
	if b.trimmed > 0 {
		feeds.Trim(b.app, b.trimmed)
	}
	if announce := b.store.announce; announce != nil && len(b.events) > 0 {
		announce(b.app, b.events)
	}
}
