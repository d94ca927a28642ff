package postgres

import (
	"bytes"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-chat/carillon/internal/store"
)

// Bounds of one statement's rows; a batch has as many statements as it takes.
const (
	chunkRows  = 1000
	chunkBytes = 4 << 20
)

// write sends all that the batch wrote, its number, and the commit, in one round trip.
func (b *batch) write() error {
	b.lost = true
	err := b.send(func(out *pgx.Batch) {
		for _, in := range b.over.cleared {
			queueClear(out, []byte(b.app), in)
		}
		b.queueEntries(out)

		app := []byte(b.app)
		if len(b.events) > 0 || len(b.rewritten) > 0 || b.moved {
			rewrites := b.end.rewrites
			if len(b.rewritten) > 0 {
				rewrites++
			}
			out.Queue(moveLog, app, asPosition(b.position()), asPosition(rewrites))
		}
		out.Queue(noteBatch, app, b.store.writer, b.number)
		out.Queue(commit)
	})
	if isAborted(err) {
		b.lost = false
	}
	return err
}

// queueClear removes a range. Ranges lie in one table, and within what the transaction may write.
func queueClear(out *pgx.Batch, app []byte, in interval) {
	r := relationOf(store.TableID(in.from[0]))
	if !r.ofApps {
		app = []byte{}
	}
	from, _ := r.locate(store.Key(in.from[1:]))
	open := in.to[0] != in.from[0] // up to the next table
	if open {
		out.Queue(r.clear(true), app, r.argument(from.key))
		return
	}
	to, _ := r.locate(store.Key(in.to[1:]))
	out.Queue(r.clear(false), app, r.argument(from.key), r.argument(to.key))
}

// chunk collects rows of one table and app instance.
type chunk struct {
	relation     relation
	app          []byte
	keys, values [][]byte
	gone         [][]byte
	bytes        int
}

// queueEntries writes and deletes what is in the overlay, in the order of tables and keys.
func (b *batch) queueEntries(out *pgx.Batch) {
	var c chunk
	b.over.entries.Scan(func(e entry) bool {
		table := store.TableID(e.path[0])
		if c.relation.id != table {
			b.queue(out, &c)
			c.relation = relationOf(table)
		}
		at, beyond := c.relation.locate(store.Key(e.path[1:]))
		switch {
		case beyond: // no row has this key
			return true
		case !bytes.Equal(c.app, at.app) || len(c.keys)+len(c.gone) >= chunkRows || c.bytes > chunkBytes:
			b.queue(out, &c)
			c.app = at.app
		}
		if c.bytes += len(e.path) + len(e.value); e.deleted {
			c.gone = append(c.gone, notNil(at.key))
		} else {
			c.keys, c.values = append(c.keys, notNil(at.key)), append(c.values, e.value)
		}
		return true
	})
	b.queue(out, &c)
}

// queue sends the rows of a chunk, and empties it.
func (b *batch) queue(out *pgx.Batch, c *chunk) {
	app := notNil(c.app)
	if len(c.gone) > 0 {
		out.Queue(c.relation.remove(), app, c.relation.arguments(c.gone))
	}
	switch {
	case len(c.keys) == 0:
	case c.relation.id == store.TableEvents:
		b.queueEvents(out, app, c)
	default:
		out.Queue(c.relation.put(), app, c.keys, c.values)
	}
	*c = chunk{relation: c.relation, app: c.app}
}

// queueEvents writes events: those that the batch adds with their columns, and the records of those before.
func (b *batch) queueEvents(out *pgx.Batch, app []byte, c *chunk) {
	var old, positions, times []int64
	var types []string
	var channels, rewritten, records [][]byte
	for i, position := range c.relation.arguments(c.keys).([]int64) {
		e := b.fresh(uint64(position))
		if e == nil {
			old, rewritten = append(old, position), append(rewritten, c.values[i])
			continue
		}
		positions, times, records = append(positions, position), append(times, int64(e.Time)), append(records, c.values[i])
		types, channels = append(types, e.Type), append(channels, []byte(e.Channel))
	}
	if len(old) > 0 {
		out.Queue(rewriteEvents, app, old, rewritten)
	}
	if len(positions) > 0 {
		out.Queue(addEvents, app, positions, times, types, channels, records)
	}
}
