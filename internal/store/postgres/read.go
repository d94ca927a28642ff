package postgres

import (
	"bytes"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-chat/carillon/internal/store"
)

// trip sends the statements that queue asks for in one round trip. It may call queue again.
type trip func(queue func(*pgx.Batch)) error

// row is one of a relation.
type row struct {
	key   store.Key
	value []byte
}

// wanted are lookups of one table and app instance.
type wanted struct {
	relation relation
	app      []byte
	keys     [][]byte
	lookups  []int // in the order of keys
}

// getMany reads the lookups in one round trip.
func getMany(send trip, lookups []store.Lookup) error {
	groups := group(lookups)
	if len(groups) == 0 {
		return nil
	}
	return send(func(b *pgx.Batch) {
		for _, g := range groups {
			b.Queue(g.relation.get(), g.app, g.relation.arguments(g.keys)).Query(func(rows pgx.Rows) error { return g.take(rows, lookups) })
		}
	})
}

// group puts the lookups together that a single statement can answer, and clears their values.
func group(lookups []store.Lookup) (groups []*wanted) {
next:
	for i := range lookups {
		l := &lookups[i]
		l.Value = nil
		r := relationOf(l.Table)
		at, beyond := r.locate(l.Key)
		if beyond || r.name == "" {
			continue
		}
		for _, g := range groups {
			if g.relation.id == r.id && bytes.Equal(g.app, at.app) {
				g.keys, g.lookups = append(g.keys, notNil(at.key)), append(g.lookups, i)
				continue next
			}
		}
		groups = append(groups, &wanted{r, at.app, [][]byte{notNil(at.key)}, []int{i}})
	}
	return groups
}

// take gives the lookups the values that were found.
func (g *wanted) take(rows pgx.Rows, lookups []store.Lookup) error {
	for rows.Next() {
		found, err := g.relation.read(rows)
		if err != nil {
			return err
		}
		for at, key := range g.keys {
			if bytes.Equal(key, found.key) {
				lookups[g.lookups[at]].Value = found.value
			}
		}
	}
	return rows.Err()
}

// read reads a row: the columns before its key, the key, as the relation has it, and the value.
func (r *relation) read(rows pgx.Rows, before ...any) (found row, err error) {
	if r.id == store.TableEvents {
		var position int64
		err = rows.Scan(append(before, &position, &found.value)...)
		found.key = eventKey(position)
	} else {
		err = rows.Scan(append(before, (*[]byte)(&found.key), &found.value)...)
	}
	found.value = notNil(found.value)
	return found, err
}

// Rows of a page: the first is enough for most lists, and the others bound what is in memory.
const (
	firstPage = 64
	laterPage = 256
)

// pages reads a range in pages, which end each round trip, so that the caller may do others in between.
type pages struct {
	send     trip
	relation relation
	reverse  bool

	from, to place
	open     bool // without to
	done     bool
	limit    int
}

// newPages begins at the start of the range.
func newPages(send trip, table store.TableID, rng store.Range) *pages {
	p := &pages{send: send, relation: relationOf(table), reverse: rng.Reverse, limit: firstPage, open: len(rng.To) == 0}
	var beyond bool
	p.from, beyond = p.relation.locate(rng.From)
	p.done = p.relation.name == "" || beyond || !p.open && bytes.Compare(rng.From, rng.To) >= 0
	if !p.open {
		p.to, p.open = p.relation.locate(rng.To)
	}
	return p
}

// skip goes on from a key on, or in reverse before it, unless that was passed.
func (p *pages) skip(key store.Key) {
	at, beyond := p.relation.locate(key)
	switch {
	case p.reverse:
		if !beyond && (p.open || before(at, p.to)) {
			p.to, p.open = at, false
		}
	case beyond:
		p.done = true
	case before(p.from, at):
		p.from = at
	}
}

func before(a, b place) bool {
	order := bytes.Compare(a.app, b.app)
	return order < 0 || order == 0 && bytes.Compare(a.key, b.key) < 0
}

// next reads the next page; it is the last when done is set.
func (p *pages) next() (page []row, err error) {
	if p.done {
		return nil, nil
	}
	r, limit := &p.relation, p.limit

	// The places between which the page lies.
	single := !p.open && bytes.Equal(p.from.app, p.to.app) || !r.ofApps
	args := []any{notNil(p.from.app), r.argument(p.from.key)}
	switch {
	case p.open:
	case single:
		args = append(args, r.argument(p.to.key))
	default:
		args = append(args, notNil(p.to.app), r.argument(p.to.key))
	}

	// Its rows.
	last := place{}
	err = p.send(func(b *pgx.Batch) {
		b.Queue(r.scan(!single, p.open, p.reverse), append(args, limit)...).Query(func(rows pgx.Rows) error {
			page = make([]row, 0, limit)
			for rows.Next() {
				found, err := r.read(rows, &last.app)
				if err != nil {
					return err
				}
				last.key = found.key
				page = append(page, row{r.storeKey(last), found.value})
			}
			return rows.Err()
		})
	})
	if err != nil {
		return nil, err
	}

	// Where the next one begins.
	p.limit = laterPage
	switch {
	case len(page) < limit:
		p.done = true
	case p.reverse:
		p.to, p.open = last, false
	default:
		p.from = place{last.app, append(bytes.Clone(last.key), 0)} // the next place
	}
	return page, nil
}

// asPosition is a position as a column has it.
func asPosition(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
