package store

import (
	"fmt"

	"github.com/carillon-chat/carillon/internal/record"
)

// Field is a member of a stored record; see Fields.
type Field = record.Field

// Fields calls f for the members of a stored record, by their keys, without decoding the record. It
// is for readers that need little of many records, without the cost of decoding them.
func Fields(value []byte, f func(key uint64, member Field)) error {
	body, err := recordBody(value)
	if err != nil {
		return err
	}
	if err := record.Fields(body, f); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}
