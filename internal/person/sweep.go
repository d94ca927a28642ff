package person

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/message"
	"github.com/carillon-chat/carillon/internal/store"
)

const (
	// readAtOnce is how many entries one view reads, and changedAtOnce how many a transaction changes, which is
	// about a millisecond of work that all other transactions wait for.
	readAtOnce    = 2000
	changedAtOnce = 25
	// savedEach is how many views without anything to change pass before what they read is noted.
	savedEach = 50
)

// piece is what a view has found.
type piece struct {
	table store.TableID
	keys  []store.Key // of entries that name the user
	last  store.Key   // that was read
	ended bool        // nothing follows in the range
	read  int
}

// look reads a range, behind a key, until it has found or read enough.
func (r *run) look(reader store.Reader, table store.TableID, rng store.Range, after store.Key, room int) (p piece, err error) {
	p = piece{table: table, ended: true}
	if bytes.Compare(after, rng.From) >= 0 {
		rng.From = append(slices.Clone(after), 0)
	}
	err = reader.Scan(table, rng, func(key store.Key, value []byte) (bool, error) {
		p.read++
		p.last = append(p.last[:0], key...)
		if r.mayName(value) || r.isInKey(key) {
			p.keys = append(p.keys, slices.Clone(key))
		}
		p.ended = p.read < room && len(p.keys) < changedAtOnce
		return p.ended, nil
	})
	return p, err
}

// renameRecord changes an entry that names the user: a record that has the user in its key goes.
func (r *run) renameRecord(tx store.Tx, table store.TableID, key store.Key) (changed bool, err error) {
	value, err := tx.Get(table, key)
	if err != nil || value == nil {
		return false, err
	}
	if r.isInKey(key) {
		return true, tx.Delete(table, key)
	}

	named := false
	renamed, err := store.RewriteRecord(value, func(text []byte) []byte {
		text, left := r.rename(text)
		named = named || left
		return text
	})
	switch {
	case err != nil:
		return false, err
	case named:
		return false, fmt.Errorf("%w, in table %d", errNamed, table)
	case bytes.Equal(renamed, value):
		return false, nil
	}
	return true, tx.Put(table, key, renamed)
}

// eraseRecords changes all records but those of messages.
func (r *run) eraseRecords(ctx context.Context) error {
	for _, table := range sweptTables() {
		if chime.TableNumber(table) < r.e.Table {
			continue
		}
		after := store.Key(nil)
		if chime.TableNumber(table) == r.e.Table {
			after = r.e.At
		}
		if err := r.sweep(ctx, table, after); err != nil {
			return err
		}
	}

	// From here on no event that is appended names the user. What was made of former records and is kept for
	// later is made anew.
	return r.update(ctx, func(tx store.Tx, e *chime.Erasure) (err error) {
		e.Begin(chime.EraseLog)
		e.UpTo, err = tx.Append(chime.Event{
			Type: chime.EventEraseUser, Time: r.now(), Topic: chime.Topic{App: r.app}, Subject: r.pseudonym, Object: string(r.pseudonym),
		})
		return err
	})
}

// sweep changes the records of a table behind a key.
func (r *run) sweep(ctx context.Context, table store.TableID, after store.Key) error {
	for views := 1; ; views++ {
		var p piece
		err := r.o.Store.View(ctx, r.app, func(reader store.Reader) (err error) {
			p, err = r.look(reader, table, store.Prefix(store.K(r.app)), after, readAtOnce)
			return err
		})
		if err != nil {
			return err
		}

		if len(p.keys) > 0 || views%savedEach == 0 && !p.ended {
			err = r.update(ctx, func(tx store.Tx, e *chime.Erasure) error {
				e.Table, e.At = chime.TableNumber(table), p.last
				return r.renameRecords(tx, e, p)
			})
			if err != nil {
				return err
			}
		}
		if p.ended {
			return nil
		}
		after = p.last
	}
}

func (r *run) renameRecords(tx store.Tx, e *chime.Erasure, p piece) error {
	for _, key := range p.keys {
		if p.table == store.Erasures.ID && bytes.Equal(key, store.K(r.app, e.ID)) { // it is written with the rest
			continue
		}
		changed, err := r.renameRecord(tx, p.table, key)
		if err != nil {
			return err
		}
		if changed {
			e.Records++
		}
	}
	return nil
}

// messageTables have what is said in channels. Messages come first: what waits for a flow goes with its message.
var messageTables = [...]store.TableID{store.Messages.ID, store.Processings.ID}

// spoken is a piece of a channel.
type spoken struct {
	piece
	channel chime.ChannelEntry // without a sub-channel
}

// eraseMessages goes through the messages of all channels, in the order of their ids. A channel that is made
// meanwhile has none of the user.
func (r *run) eraseMessages(ctx context.Context) error {
	at := spoken{piece: piece{table: store.TableID(r.e.Table), last: r.e.At}, channel: chime.ChannelEntry{ChannelID: r.e.Channel}}
	for views := 1; ; views++ {
		p, done, err := r.lookAtMessages(ctx, at)
		if err != nil {
			return err
		}
		if len(p.keys) > 0 || views%savedEach == 0 {
			if err := r.eraseSpoken(ctx, p); err != nil {
				return err
			}
		}
		if done {
			return r.next(ctx)
		}
		at = p
	}
}

// lookAtMessages finds the next messages that name the user, behind what was looked at before. done reports that
// nothing follows.
func (r *run) lookAtMessages(ctx context.Context, before spoken) (p spoken, done bool, err error) {
	err = r.o.Store.View(ctx, r.app, func(reader store.Reader) error {
		p, done = spoken{}, true
		room := readAtOnce
		channels := store.Range{From: store.K(r.app, before.channel.ChannelID), To: store.Prefix(store.K(r.app)).To}
		return store.Channels.Each(reader, channels, func(_ store.Key, c chime.Channel) (bool, error) {
			p.channel = chime.ChannelEntry{ChannelID: c.ID, UID: c.UID}
			for _, table := range messageTables {
				after := store.Key(nil)
				switch {
				case c.ID != before.channel.ChannelID:
				case table == before.table:
					after = before.last
				case before.table == store.Processings.ID: // the messages are done
					continue
				}
				found, err := r.look(reader, table, store.Prefix(store.K(r.app, c.UID)), after, max(room, 1))
				if err != nil {
					return false, err
				}
				room -= found.read + seekCost
				if p.piece = found; len(found.keys) > 0 || !found.ended {
					done = false
					return false, nil
				}
			}
			done = room > 0
			return done, nil
		})
	})
	return p, done, err
}

// seekCost is how many entries take as long to read as to find the first of a range.
const seekCost = 20

// eraseSpoken changes what a view has found, and notes how far it was.
func (r *run) eraseSpoken(ctx context.Context, p spoken) error {
	var touched []chime.ChannelEntry
	err := r.update(ctx, func(tx store.Tx, e *chime.Erasure) error {
		touched = nil
		e.Channel, e.Table, e.At = p.channel.ChannelID, chime.TableNumber(p.table), p.last
		for _, key := range p.keys {
			at, id, err := place(p.channel, key)
			if err != nil {
				return err
			}
			if err := r.eraseOne(tx, e, p.table, key, at, id); err != nil {
				return err
			}
			touched = append(touched, at)
		}
		if len(p.keys) == 0 {
			return nil
		}
		return store.MarkRemoved(tx, r.app, p.channel.UID)
	})
	for _, at := range touched {
		r.o.Messages.Forget(at)
	}
	return err
}

// eraseOne erases a message of the user, or the user's id in another one.
func (r *run) eraseOne(tx store.Tx, e *chime.Erasure, table store.TableID, key store.Key, at chime.ChannelEntry, id string) error {
	if table == store.Messages.ID {
		done, err := r.o.Messages.Erase(tx, message.Erasing{App: r.app, Sender: r.user, As: r.pseudonym, Delete: e.Delete}, at, id)
		if err != nil {
			return err
		}
		if done {
			e.Messages++
			return nil
		}
	}
	changed, err := r.renameRecord(tx, table, key)
	if changed {
		e.Records++
	}
	return err
}

// place takes the sub-channel and the id of a message from its key.
func place(channel chime.ChannelEntry, key store.Key) (at chime.ChannelEntry, id string, err error) {
	columns, err := key.Columns()
	if err != nil {
		return at, "", err
	}
	names := make([]string, len(columns)) // app instance, UID, perhaps a sub-channel, id
	for i, column := range columns {
		names[i], _ = column.(string)
	}
	if len(names) < 3 {
		return at, "", fmt.Errorf("%w: the key of a message", store.ErrCorrupt)
	}
	if len(names) > 3 {
		channel.Sub = names[2]
	}
	return channel, names[len(names)-1], nil
}
