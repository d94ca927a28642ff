package store

import "slices"

// Drain deletes up to most records of a range, in order, and calls f for each, until f reports that the
// transaction has enough to do. It returns the key of the first that is left, nil when there is none: a
// removal of many goes on from there, as a scan from the beginning would step over all that is deleted.
func (t Table[V]) Drain(tx Tx, rng Range, most int, f func(V) (more bool, err error)) (next Key, err error) {
	var keys []Key
	var records []V
	err = t.Each(tx, rng, func(key Key, record V) (bool, error) {
		keys, records = append(keys, slices.Clone(key)), append(records, record)
		return len(keys) <= most, nil
	})
	if len(keys) > most {
		next = keys[most]
	}

	more := true
	for i := 0; i < min(len(keys), most) && err == nil; i++ {
		if !more {
			return keys[i], nil
		}
		if err = t.Delete(tx, keys[i]); err == nil {
			more, err = f(records[i])
		}
	}
	return next, err
}
