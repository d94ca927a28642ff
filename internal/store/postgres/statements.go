package postgres

import (
	"fmt"
	"sync"
)

// Statements that are the same for all tables.
const (
	beginUpdate = "BEGIN ISOLATION LEVEL READ COMMITTED"
	beginView   = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
	commit      = "COMMIT"
	rollback    = "ROLLBACK"

	lockLog     = "SELECT position, rewrites FROM logs WHERE app = $1 FOR UPDATE"
	makeLog     = "INSERT INTO logs (app, position, rewrites) VALUES ($1, 0, 0) ON CONFLICT (app) DO NOTHING"
	moveLog     = "UPDATE logs SET position = $2, rewrites = $3 WHERE app = $1"
	readLogEnd  = "SELECT position, rewrites FROM logs WHERE app = $1"
	readLogEnds = "SELECT app, position, rewrites FROM logs WHERE app = ANY($1)"

	readBatch  = "SELECT number FROM batches WHERE app = $1 AND writer = $2"
	noteBatch  = "INSERT INTO batches (app, writer, number, written) VALUES ($1, $2, $3, now()) ON CONFLICT (app, writer) DO UPDATE SET number = excluded.number, written = excluded.written"
	dropWriter = "DELETE FROM batches WHERE written < now() - INTERVAL '1 day' AND writer <> $1"

	addEvents     = "INSERT INTO events (app, position, time, type, channel, record) SELECT $1, x.p, x.t, x.y, x.c, x.r FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[]) AS x(p, t, y, c, r)"
	rewriteEvents = "UPDATE events SET record = x.r FROM unnest($2::bigint[], $3::bytea[]) AS x(p, r) WHERE events.app = $1 AND events.position = x.p"

	ping = "SELECT 1"
)

// texts keeps the statements that were made, one for each table and form.
var texts sync.Map

// form is a kind of statement about a relation.
type form struct {
	table string
	verb  string
	span  bool // over several app instances
	open  bool // without an upper end
	down  bool // in reverse
}

// text is the statement of the form, made once.
func (r *relation) text(f form, write func() string) string {
	f.table = r.name
	if known, ok := texts.Load(f); ok {
		return known.(string)
	}
	text := write()
	texts.Store(f, text)
	return text
}

// get reads the rows of some keys of an app instance: $1 app, $2 keys.
func (r *relation) get() string {
	return r.text(form{verb: "get"}, func() string {
		return fmt.Sprintf("SELECT %s, %s FROM %s WHERE app = $1 AND %[1]s = ANY($2::%[4]s[])", r.key, r.value, r.name, r.keyType)
	})
}

// put writes rows of an app instance: $1 app, $2 keys, $3 values.
func (r *relation) put() string {
	return r.text(form{verb: "put"}, func() string {
		return fmt.Sprintf("INSERT INTO %s (app, key, value) SELECT $1, x.k, x.v FROM unnest($2::bytea[], $3::bytea[]) AS x(k, v) ON CONFLICT (app, key) DO UPDATE SET value = excluded.value", r.name)
	})
}

// remove deletes rows of an app instance: $1 app, $2 keys.
func (r *relation) remove() string {
	return r.text(form{verb: "remove"}, func() string {
		return fmt.Sprintf("DELETE FROM %s WHERE app = $1 AND %s = ANY($2::%s[])", r.name, r.key, r.keyType)
	})
}

// clear deletes the rows of a range of an app instance: $1 app, $2 from, $3 to.
func (r *relation) clear(open bool) string {
	return r.text(form{verb: "clear", open: open}, func() string {
		text := fmt.Sprintf("DELETE FROM %s WHERE app = $1 AND %s >= $2", r.name, r.key)
		if !open {
			text += fmt.Sprintf(" AND %s < $3", r.key)
		}
		return text
	})
}

// scan reads a page of a range, in the order of keys.
func (r *relation) scan(span, open, down bool) string {
	return r.text(form{"", "scan", span, open, down}, func() string {
		text := fmt.Sprintf("SELECT app, %s, %s FROM %s WHERE ", r.key, r.value, r.name)
		next := 3 // number of the next argument
		if span {
			text += fmt.Sprintf("(app, %s) >= ($1, $2)", r.key)
		} else {
			text += fmt.Sprintf("app = $1 AND %s >= $2", r.key)
		}
		switch {
		case span && !open:
			text += fmt.Sprintf(" AND (app, %s) < ($3, $4)", r.key)
			next = 5
		case !open:
			text += fmt.Sprintf(" AND %s < $3", r.key)
			next = 4
		}

		order := ""
		if down {
			order = " DESC"
		}
		return text + fmt.Sprintf(" ORDER BY app%s, %s%[1]s LIMIT $%[3]d", order, r.key, next)
	})
}
