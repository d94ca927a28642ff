package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// ErrScope reports that a transaction wrote a record or event that does not belong to its app
// instance, or to the account. It is a fault of the program.
var ErrScope = errors.New("the transaction writes outside of its app instance")

// Scope is what a transaction may write: the records and events of the app instance with this id, or
// those of the account when it is empty. Engines check every write with it.
type Scope string

// owner is what the records of a table belong to.
type owner uint8

const (
	ofAccount owner = iota // the account
	ofColumn               // the app instance that the first column of the key names; empty or absent: the account
	ofAny                  // the transaction that writes it
)

// firstFreeTable begins the tables that tests of engines use. Any transaction may write to them.
const firstFreeTable TableID = 200

// owners has the owner of each table.
var owners = func() (all [256]owner) {
	for _, table := range UnderAppInstance {
		all[table] = ofColumn
	}
	for _, table := range [...]TableID{
		TableEvents, TableTraces, TableLogs, AppInstances.ID, Tasks.ID, Removals.ID, LogMarks.ID, Moves.ID,
	} {
		all[table] = ofColumn
	}
	all[Replies.ID] = ofAny
	for table := int(firstFreeTable); table < len(all); table++ {
		all[table] = ofAny
	}
	return all
}()

// OfAppInstances reports whether the first column of each key of the table names the app instance that has the
// record, and is empty for the account's.
func (t TableID) OfAppInstances() bool { return owners[t] == ofColumn }

// CheckKey returns ErrScope unless the key of the table belongs to the scope.
func (s Scope) CheckKey(table TableID, key Key) error {
	if s.has(owners[table], key) {
		return nil
	}
	return s.refuse(table)
}

// CheckRange returns ErrScope unless every key in the range of the table belongs to the scope.
func (s Scope) CheckRange(table TableID, rng Range) error {
	owner := owners[table]
	if owner != ofColumn {
		return s.CheckKey(table, nil)
	}
	if own := Prefix(K(string(s))); s.has(owner, rng.From) && len(rng.To) > 0 && bytes.Compare(rng.To, own.To) <= 0 {
		return nil
	}
	return s.refuse(table)
}

// CheckEvent returns ErrScope unless an event about the app instance, empty for the account, belongs to
// the scope.
func (s Scope) CheckEvent(app string) error {
	if app == string(s) {
		return nil
	}
	return fmt.Errorf("%w %q: an event of %q", ErrScope, string(s), app)
}

func (s Scope) has(owner owner, key Key) bool {
	switch owner {
	case ofAccount:
		return s == ""
	case ofAny:
		return true
	}
	return key.begins(string(s)) || s == "" && len(key) == 0
}

func (s Scope) refuse(table TableID) error {
	return fmt.Errorf("%w %q: table %d", ErrScope, string(s), table)
}

// begins reports whether the first column of the key is the text.
func (k Key) begins(column string) bool {
	if strings.IndexByte(column, 0) >= 0 { // written otherwise than it is
		return bytes.HasPrefix(k, K(column))
	}
	end := 1 + len(column)
	return len(k) >= end+2 && k[0] == tagString && string(k[1:end]) == column && k[end] == 0x00 && k[end+1] == 0x01
}
