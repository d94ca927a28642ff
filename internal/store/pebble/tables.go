package pebble

import "github.com/carillon-chat/carillon/internal/store"

// TableBytes is how much of the disk a table takes, about: what was not flushed yet does not count.
func (s *Store) TableBytes(table store.TableID) (uint64, error) {
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if s.closed {
		return 0, store.ErrUnavailable
	}
	lower, upper := bounds(table, store.Range{})
	bytes, err := s.db.EstimateDiskUsage(lower, upper)
	return bytes, damage(err)
}
