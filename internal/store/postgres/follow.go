package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// How often the ends of logs with cursors are looked up: often after one has moved, and less while they rest.
const (
	pollOften  = 100 * time.Millisecond
	pollSeldom = time.Second
)

// caughtUp is how many events of other nodes are read into memory at once; cursors read older ones by themselves.
const caughtUp = 512

// Announced takes events that another Store of the database has committed to a log and that follow one another, which
// cursors get without asking the database. It keeps them. What is missing before them is read from the log.
func (s *Store) Announced(app string, events []chime.Event) { s.feeds.Publish(app, events) }

// Behind has the ends of logs looked up at once, since one may have more than was announced.
func (s *Store) Behind(string) { s.wake() }

func (s *Store) wake() {
	select {
	case s.followed <- struct{}{}:
	default:
	}
}

// poll finds what other nodes appended, until the store is closed.
func (s *Store) poll() {
	pause := pollOften
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.followed:
		case <-s.closing:
			return
		}
		moved, err := s.look()
		if err != nil {
			s.log.Debug("looking for events of other nodes", "err", err)
		}
		if pause = min(pause*3/2, pollSeldom); moved {
			pause = pollOften
		}
		timer.Reset(pause)
	}
}

// look publishes what other nodes appended to logs with cursors, and reports whether there was anything.
func (s *Store) look() (moved bool, err error) {
	followed := s.feeds.Ends()
	if len(followed) == 0 {
		return false, nil
	}
	apps := make([][]byte, 0, len(followed))
	for app := range followed {
		apps = append(apps, []byte(app))
	}
	ends, err := s.ends(apps)
	if err != nil {
		return false, err
	}

	s.forgetOthers(followed)
	for app, end := range ends {
		if s.noteRewrites(app, end.rewrites) { // a node replaced events that may be in memory here
			s.feeds.Forget(app)
		}
		last := followed[app]
		if end.position <= last {
			continue
		}
		moved = true
		events, failed := s.readLog(app, max(last, end.position-min(end.position, caughtUp)), caughtUp)
		if failed != nil && !errors.Is(failed, store.ErrTrimmed) {
			err = failed
			continue
		}
		s.feeds.Publish(app, values(events))
	}
	return moved, err
}

// ends reads where logs end.
func (s *Store) ends(apps [][]byte) (ends map[string]logEnd, err error) {
	s.closeMu.RLock()
	defer s.closeMu.RUnlock()
	if err := s.admit(); err != nil {
		return nil, err
	}
	conn, err := s.acquire(context.Background())
	if err != nil {
		return nil, err
	}
	defer s.giveBack(conn)
	err = s.send(conn, func(b *pgx.Batch) {
		b.Queue(readLogEnds, apps).Query(func(rows pgx.Rows) error {
			ends = make(map[string]logEnd, len(apps))
			var app []byte
			var position, rewrites int64
			_, err := pgx.ForEachRow(rows, []any{&app, &position, &rewrites}, func() error {
				ends[string(app)] = logEnd{uint64(position), uint64(rewrites)}
				return nil
			})
			return err
		})
	})
	return ends, err
}

// noteRewrites remembers how often events of a log were replaced, and reports whether that is new.
func (s *Store) noteRewrites(app string, n uint64) (isNew bool) {
	s.rewriteMu.Lock()
	defer s.rewriteMu.Unlock()
	before, known := s.rewrites[app]
	s.rewrites[app] = max(before, n)
	return known && n > before
}

// forgetOthers keeps what is remembered of the logs alone that have cursors.
func (s *Store) forgetOthers(followed map[string]uint64) {
	s.rewriteMu.Lock()
	defer s.rewriteMu.Unlock()
	for app := range s.rewrites {
		if _, has := followed[app]; !has {
			delete(s.rewrites, app)
		}
	}
}

func values(events []*chime.Event) []chime.Event {
	list := make([]chime.Event, len(events))
	for i, e := range events {
		list[i] = *e
	}
	return list
}
