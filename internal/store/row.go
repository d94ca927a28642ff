package store

import "github.com/carillon-chat/carillon/internal/api"

// Row is a part of what one thing has in the store: its record, a place on a list, a count. A service
// names the rows of a thing in one function; Insert and Remove both take them from there.
type Row interface {
	insert(tx Tx) error
	remove(tx Tx) error
}

// Insert writes the rows. It stops at the first error.
func Insert(tx Tx, rows ...Row) error {
	for _, row := range rows {
		if err := row.insert(tx); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes the rows that Insert wrote, found by their keys. It stops at the first error.
func Remove(tx Tx, rows ...Row) error {
	for _, row := range rows {
		if err := row.remove(tx); err != nil {
			return err
		}
	}
	return nil
}

// Row is the record under the key.
func (t Table[V]) Row(key Key, record V) Row { return row[V]{t, key, record} }

type row[V any] struct {
	table  Table[V]
	key    Key
	record V
}

func (r row[V]) insert(tx Tx) error { return r.table.Put(tx, r.key, r.record) }
func (r row[V]) remove(tx Tx) error { return r.table.Delete(tx, r.key) }

// Counter is the number of things of one kind, kept so that a limit costs one read however many there
// are. Insert counts one more, or is refused with ResourceLimitExceededException; Remove counts one less.
type Counter struct {
	Key   Key
	Limit int    // zero is no limit
	What  string // is counted, in the words of the refusal
}

// Fits refuses, as Insert does, when n more are too many.
func (c Counter) Fits(r Reader, n int) error {
	sum, _, err := Counts.Get(r, c.Key)
	if err != nil {
		return err
	}
	return c.within(sum + uint64(n))
}

func (c Counter) insert(tx Tx) error {
	sum, err := AddCount(tx, c.Key, 1)
	if err != nil {
		return err
	}
	return c.within(sum)
}

func (c Counter) remove(tx Tx) error {
	_, err := AddCount(tx, c.Key, -1)
	return err
}

func (c Counter) within(sum uint64) error {
	if c.Limit > 0 && sum > uint64(c.Limit) {
		return api.ResourceLimitExceeded("the limit of %d %s is reached", c.Limit, c.What)
	}
	return nil
}
