package move

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// inventory is what a store has: by app instance, empty for the account, and by table.
type inventory map[string]*contents

// contents are what a store has of one app instance.
type contents struct {
	tables map[store.TableID]digest // those with rows
	end    uint64                   // of the log
}

// digest is how many rows there are, and the hash of them.
type digest struct {
	rows uint64
	hash [sha256.Size]byte
}

// reading is an inventory that is taken.
type reading struct {
	inventory
	progress func()

	table store.TableID
	app   string
	rows  uint64
	hash  hash.Hash
}

// take reads all that a store has. The app instances of a known inventory are looked for as well.
func (m *mover) take(ctx context.Context, st store.Store, stage Stage, total uint64, known inventory) (inventory, error) {
	var done uint64
	r := &reading{inventory: inventory{"": {tables: map[store.TableID]digest{}}}, hash: sha256.New(), progress: func() {
		if done++; done%pieceRows == 0 {
			m.Progress(stage, done, total)
		}
	}}
	for app := range known {
		r.of(app)
	}
	for _, t := range store.Titles() {
		if err := r.rowsOf(ctx, st, t); err != nil {
			return nil, err
		}
	}
	if err := r.logs(ctx, st); err != nil {
		return nil, err
	}
	m.Progress(stage, done, total)
	return r.inventory, nil
}

func (i inventory) of(app string) *contents {
	c := i[app]
	if c == nil {
		c = &contents{tables: map[store.TableID]digest{}}
		i[app] = c
	}
	return c
}

// rowsOf reads a table.
func (r *reading) rowsOf(ctx context.Context, st store.Store, t store.Title) error {
	r.table = t.ID
	err := st.View(ctx, "", func(from store.Reader) error {
		return from.Scan(t.ID, store.Range{}, func(key store.Key, value []byte) (bool, error) {
			app := ""
			if t.ID.OfAppInstances() {
				var err error
				if app, err = key.App(); err != nil {
					return false, err
				}
			}
			r.add(app, key, value)
			return true, ctx.Err()
		})
	})
	r.close()
	if err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	return nil
}

// logs reads the events, and where the logs end.
func (r *reading) logs(ctx context.Context, st store.Store) error {
	r.table = store.TableEvents
	err := st.View(ctx, "", func(from store.Reader) error {
		return store.EachEvent(from, func(e *chime.Event) error {
			err := store.EncodeEvents(e.App, []chime.Event{*e}, func(key store.Key, value []byte) error {
				r.add(e.App, key, value)
				return nil
			})
			if err != nil {
				return err
			}
			return ctx.Err()
		})
	})
	r.close()
	if err != nil {
		return err
	}

	// A log that has no events left still has an end.
	for app, c := range r.inventory {
		err := st.View(ctx, app, func(from store.Reader) (err error) {
			c.end, err = from.Position()
			return err
		})
		if err != nil {
			return fmt.Errorf("end of the log of %q: %w", app, err)
		}
	}
	return nil
}

// add adds a row to the digest of its app instance. Those of one app instance follow one another.
func (r *reading) add(app string, key store.Key, value []byte) {
	if app != r.app {
		r.close()
		r.app = app
	}
	var n [16]byte
	binary.BigEndian.PutUint64(n[:8], uint64(len(key)))
	binary.BigEndian.PutUint64(n[8:], uint64(len(value)))
	r.hash.Write(n[:])
	r.hash.Write(key)
	r.hash.Write(value)
	r.rows++
	r.progress()
}

// close completes the digest of an app instance.
func (r *reading) close() {
	if r.rows > 0 {
		d := digest{rows: r.rows}
		r.hash.Sum(d.hash[:0])
		r.of(r.app).tables[r.table] = d
	}
	r.rows, r.app = 0, ""
	r.hash.Reset()
}

// apps are the ids of the app instances, the account's, which is empty, first.
func (i inventory) apps() []string { return slices.Sorted(maps.Keys(i)) }

func (i inventory) has(app string, table store.TableID) bool { return i[app].tables[table].rows > 0 }

// total is how many rows and events there are.
func (i inventory) total() uint64 {
	r := i.report()
	return r.Rows + r.Events
}

func (i inventory) report() Report {
	r := Report{AppInstances: len(i)}
	for _, c := range i {
		for table, d := range c.tables {
			if table == store.TableEvents {
				r.Events += d.rows
			} else {
				r.Rows += d.rows
			}
		}
	}
	return r
}

// fingerprint is the hash of all.
func (i inventory) fingerprint() []byte {
	h := sha256.New()
	for _, app := range i.apps() {
		c := i[app]
		fmt.Fprintf(h, "%q %d\n", app, c.end)
		for _, table := range slices.Sorted(maps.Keys(c.tables)) {
			fmt.Fprintf(h, "%d %d %x\n", table, c.tables[table].rows, c.tables[table].hash)
		}
	}
	return h.Sum(nil)
}

// compare returns ErrDiffers, with where, unless the other has the same.
func (i inventory) compare(other inventory) error {
	titles := append(store.Titles(), store.Title{ID: store.TableEvents, Name: "events"})
	for _, app := range other.apps() {
		if i[app] == nil {
			return fmt.Errorf("%w: it has app instance %q", ErrDiffers, app)
		}
	}
	for _, app := range i.apps() {
		a, b := i[app], other[app]
		for _, t := range titles {
			if want, got := a.tables[t.ID], b.tables[t.ID]; want != got {
				return fmt.Errorf("%w: app instance %q, %s: %d rows with hash %.4x, in the source %d with %.4x",
					ErrDiffers, app, t.Name, got.rows, got.hash, want.rows, want.hash)
			}
		}
		if a.end != b.end {
			return fmt.Errorf("%w: the log of app instance %q ends at %d, in the source at %d", ErrDiffers, app, b.end, a.end)
		}
	}
	return nil
}
