// Package store is the contract of durable state: ordered tables of records, changed in
// transactions, and logs of events in commit order: one for each app instance and one for the account.
//
// What every engine promises, and storetest shows:
//
//   - Update is serializable and all or nothing. When it returns nil, what it wrote is on disk,
//     and what it read is on disk too: an answer never rests on data that a crash could take.
//   - View reads one moment. What it saw is on disk when it returns.
//   - Update writes what belongs to its app instance, or to the account, and nothing else.
//   - Every event appended by an Update has the next position of the log of its app instance, or of
//     the account; two logs have nothing to do with each other. Cursors hand the events of a log out
//     in that order, each once, only after their commit is on disk, and in the process that appended
//     them before the Update returns.
//
// Services use the typed Table over it and never know the engine.
package store

import (
	"context"
	"errors"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Errors that engines answer. They wrap the cause.
var (
	// ErrInUse reports that another process has the data folder open.
	ErrInUse = errors.New("the data folder is in use by another process")
	// ErrCorrupt reports that a file of the data folder does not hold what was written.
	ErrCorrupt = errors.New("the data folder is damaged")
	// ErrFull reports that the disk has no space left. Nothing was written.
	ErrFull = errors.New("the disk is full")
	// ErrUnavailable reports that the engine cannot accept changes any more; reads may still work.
	ErrUnavailable = errors.New("the store is not available")
	// ErrNewer reports that the data folder was written by a newer version of the program.
	ErrNewer = errors.New("the data folder was written by a newer version")
)

// Store is one engine with its data. It is safe for concurrent use.
type Store interface {
	// View runs f on one consistent moment of an app instance; an empty app is the account. What f
	// reads elsewhere is, for each app instance and the account, as of some moment. f must not call
	// the store itself.
	View(ctx context.Context, app string, f func(Reader) error) error

	// Update runs f as one serializable transaction of an app instance, or of the account when app
	// is empty, and makes it durable. It writes what belongs to that alone, else ErrScope: see the
	// tables for what belongs to which. An error of f is returned as it is and nothing is written.
	// f may run more than once, so it must have no effect but what it does with the Tx and
	// variables it sets anew each time; it must not call the store itself. After an error other
	// than f's or ctx's, ErrUnavailable for example, what f wrote may or may not be found when the
	// store is opened again, unless the error is ErrFull.
	Update(ctx context.Context, app string, f func(Tx) error) error

	// Follow opens a cursor over the events of an app instance, or of the account, after the given
	// position. ErrTrimmed says that the log no longer reaches back that far.
	Follow(app string, after uint64) (Cursor, error)

	// Close waits for what runs and stops the engine; every later call, and every cursor,
	// answers ErrUnavailable. Nothing acknowledged is lost if it is never called.
	Close() error
}

// Reader reads one moment.
type Reader interface {
	// Get returns the value under the key, nil when there is none. The bytes may be kept but
	// not changed.
	Get(table TableID, key Key) ([]byte, error)
	// GetMany sets the Value of each lookup to what Get returns, in one trip to the store. An engine
	// far away answers it as fast as one Get.
	GetMany(lookups []Lookup) error
	// Scan calls f for each entry of the range in key order, or in reverse, until f returns
	// false or an error, which is returned as it is. Key and value are only valid during the
	// call. f may write: the scan goes on over the entries as they were when it began.
	Scan(table TableID, r Range, f func(key Key, value []byte) (more bool, err error)) error
	// Position is the position of the latest event in the log of the app instance or account; in
	// an Update, of the latest event including those appended so far. It is zero when there never
	// was one.
	Position() (uint64, error)
}

// Lookup is a key of a table and, after Reader.GetMany, the value under it, nil when there is none.
type Lookup struct {
	Table TableID
	Key   Key
	Value []byte
}

// Tx reads and writes. It sees its own writes.
type Tx interface {
	Reader
	// Put sets the value under the key; a nil value is an empty one. Both may be used for
	// something else afterwards.
	Put(table TableID, key Key, value []byte) error
	Delete(table TableID, key Key) error
	// DeleteRange removes every entry of the range; Reverse has no meaning.
	DeleteRange(table TableID, r Range) error
	// Append puts an event of the app instance or account at the end of its log and returns its
	// position. Positions start at 1 and have no gaps; an aborted transaction uses up none.
	Append(event chime.Event) (uint64, error)
	// TrimEvents has the log forget the events up to and including the position.
	TrimEvents(upTo uint64) error
	// RewriteEvents replaces events that the log has after one position, up to and including another, and
	// that were there when the transaction began: f changes its argument and reports whether it did. An event
	// keeps its position and its traces. Whatever reads the log after the commit finds the new one; what a
	// cursor has handed out stays as it was.
	RewriteEvents(after, upTo uint64, f func(*chime.Event) (changed bool, err error)) error
}

// Restorer is a Tx that can make a log as it is in another store. The transactions of engines are, so that what they keep can
// be moved from any to any other.
type Restorer interface {
	// Restore puts events behind the latest event of the log, at the positions that they have, which rise and may
	// have gaps. It makes no traces, and cursors of the log do not see them: it is for a store that is not in use. The
	// log then ends at its latest event, or where its record (TableLogs) says. Nothing was appended in the same
	// transaction before.
	Restore(events []chime.Event) error
}

// Range is a half-open range of keys, From <= key < To. An empty To has no upper end.
type Range struct {
	From, To Key
	Reverse  bool
}

// Prefix is the range of all keys that begin with the columns of k.
func Prefix(k Key) Range { return Range{From: k, To: k.successor()} }

// ErrTrimmed reports that events after the position are no longer in the log.
var ErrTrimmed = errors.New("the log no longer holds events from that position")

// Cursor hands out the events of a log in order. It belongs to one goroutine.
type Cursor interface {
	// Next waits for the next events and returns at least one, or ctx's error, or ErrTrimmed
	// when the log was trimmed past the cursor. What is there is returned even when ctx has
	// ended. Do not change the events: they are shared.
	Next(ctx context.Context) ([]*chime.Event, error)
	// Poll returns the events that are there, at least one, or else a channel that is closed when
	// there may be more. Its error is ErrTrimmed or that of the store.
	Poll() (events []*chime.Event, wake <-chan struct{}, err error)
	// Close lets go of the log. It may be called again.
	Close()
}
