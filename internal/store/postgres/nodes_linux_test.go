package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// TestTwoNodes: Updates of two stores on one database interleave as if there was one, and cursors of both see every event
// once and in order, whichever node appended it.
func TestTwoNodes(t *testing.T) {
	url := database(t, shared(t, pgtest.Latest(t)))
	nodes := []*Store{open(t, url, Options{}), open(t, url, Options{})}
	cursors := []store.Cursor{follow(t, nodes[0]), follow(t, nodes[1])}
	const writers, each = 4, 60
	var working sync.WaitGroup
	for w := range writers {
		working.Go(func() {
			for range each {
				if _, err := add(t.Context(), nodes[w%2]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, c := range cursors {
		working.Go(func() { expect(t, c, 0, writers*each) })
	}
	working.Wait()
	count, err := add(t.Context(), nodes[0])
	if count != writers*each+1 || err != nil {
		t.Errorf("the next count is %d, %v", count, err)
	}
}

// TestRewrittenElsewhere: what one node replaced in the log is not handed out by another, although it has it in memory.
func TestRewrittenElsewhere(t *testing.T) {
	url := database(t, shared(t, pgtest.Latest(t)))
	a, b := open(t, url, Options{}), open(t, url, Options{})
	first, second := follow(t, b), follow(t, b)
	for range 3 {
		if _, err := add(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, first, 0, 3) // so that it is in the memory of b

	err := a.Update(t.Context(), app, func(tx store.Tx) error {
		return tx.RewriteEvents(0, 3, func(e *chime.Event) (bool, error) {
			e.Payload = []byte("gone")
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		fresh, err := b.Follow(app, 0)
		if err != nil {
			return err
		}
		defer fresh.Close()
		events, _, err := fresh.Poll()
		if err == nil && (len(events) != 3 || string(events[2].Payload) != "gone") {
			err = fmt.Errorf("%d events, the last %q", len(events), events[len(events)-1].Payload)
		}
		return err
	})
	if events, _, err := second.Poll(); err != nil || len(events) != 3 || string(events[0].Payload) != "gone" {
		t.Errorf("an old cursor: %d events, %v", len(events), err)
	}
}

// TestNodesStartAtOnce: the tables are made once.
func TestNodesStartAtOnce(t *testing.T) {
	url := database(t, shared(t, pgtest.Latest(t)))
	var starting sync.WaitGroup
	for range 3 {
		starting.Go(func() {
			s, err := Open(context.Background(), url, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
}

// TestNewerTables: a database of a later version is left alone.
func TestNewerTables(t *testing.T) {
	url := database(t, shared(t, pgtest.Latest(t)))
	open(t, url, Options{})
	execute(t, url, "INSERT INTO schema_versions (version_id, is_applied) VALUES (9999, true)")
	if _, err := Open(t.Context(), url, Options{}); !errors.Is(err, store.ErrNewer) {
		t.Errorf("tables of a later version: %v", err)
	}
}

// TestNoPasswordInErrors: what is told about a database that cannot be reached has no password in it.
func TestNoPasswordInErrors(t *testing.T) {
	for _, url := range []string{
		"postgres://user:topsecret@127.0.0.1:1/database?connect_timeout=1", "postgres://user:topsecret@127.0.0.1:x/database",
		"postgres://user:topsecret@127.0.0.1/database?sslmode=often", "user=user password=topsecret host=127.0.0.1 port=1",
	} {
		_, err := Open(t.Context(), url, Options{Limit: time.Second})
		if err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%v", err)
		}
	}
}

// TestWaitingEnds: a caller that goes away while another batch runs does not wait for it.
func TestWaitingEnds(t *testing.T) {
	s := open(t, database(t, shared(t, pgtest.Latest(t))), Options{})
	held, release := make(chan struct{}), make(chan struct{})
	var leading sync.WaitGroup
	leading.Go(func() {
		err := s.Update(context.Background(), app, func(tx store.Tx) error {
			close(held)
			<-release
			return tx.Put(table, store.K("a"), nil)
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() {
		waiting <- s.Update(ctx, app, func(store.Tx) error { return errors.New("it ran") })
	}()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("an Update whose caller has gone: %v", err)
	}
	close(release)
	leading.Wait()
}

// TestLargeBatch writes and reads more rows than a statement and a page have, with what the transaction wrote between
// what was there.
func TestLargeBatch(t *testing.T) {
	s := open(t, database(t, shared(t, pgtest.Latest(t))), Options{})
	const rows = 3*chunkRows + 7
	for _, odd := range []bool{false, true} {
		err := s.Update(t.Context(), app, func(tx store.Tx) error {
			for i := range uint64(rows) {
				if i%2 == 1 != odd {
					continue
				}
				if err := tx.Put(table, store.K("k").Num(i), fmt.Append(nil, i)); err != nil {
					return err
				}
			}
			if !odd {
				return nil
			}
			for _, reverse := range []bool{false, true} {
				rng := store.Prefix(store.K("k"))
				rng.Reverse = reverse
				n := 0
				err := tx.Scan(table, rng, func(_ store.Key, value []byte) (bool, error) {
					want := n
					if reverse {
						want = rows - 1 - n
					}
					n++
					if string(value) != fmt.Sprint(want) {
						return false, fmt.Errorf("row %d is %s", want, value)
					}
					return true, nil
				})
				if err != nil || n != rows {
					return fmt.Errorf("%d of %d rows: %w", n, rows, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := s.Update(t.Context(), app, func(tx store.Tx) error {
		if err := tx.DeleteRange(table, store.Range{From: store.K("k").Num(10), To: store.K("k").Num(rows - 10)}); err != nil {
			return err
		}
		n := 0
		err := tx.Scan(table, store.Range{Reverse: true}, func(store.Key, []byte) (bool, error) { n++; return true, nil })
		if n != 20 {
			err = fmt.Errorf("%d rows are left", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestZeroBytes: text with U+0000 survives wherever a client may put it.
func TestZeroBytes(t *testing.T) {
	s := open(t, database(t, shared(t, pgtest.Latest(t))), Options{})
	const zero = "a\x00b"
	key := store.K(zero, zero, "\x00")
	err := s.Update(t.Context(), zero, func(tx store.Tx) error {
		_, err := tx.Append(chime.Event{Type: "t", Topic: chime.Topic{App: zero, Channel: zero}, Payload: []byte(zero)})
		return errors.Join(err, tx.Put(store.Users.ID, key, []byte(zero)))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.View(t.Context(), zero, func(r store.Reader) error {
		value, err := r.Get(store.Users.ID, key)
		if string(value) != zero {
			t.Errorf("the value is %q", value)
		}
		events, failed := store.ReadEvents(r, zero, 0, 9)
		if len(events) != 1 || events[0].Channel != zero || string(events[0].Payload) != zero {
			t.Errorf("the log has %v", events)
		}
		return errors.Join(err, failed)
	})
	if err != nil {
		t.Error(err)
	}
}

// TestErase removes the rows that are gone from the table's files.
func TestErase(t *testing.T) {
	s := open(t, database(t, shared(t, pgtest.Latest(t))), Options{})
	if err := record(s, "a"); err != nil {
		t.Fatal(err)
	}
	err := s.Update(t.Context(), app, func(tx store.Tx) error { return tx.Delete(table, store.K("a")) })
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Erase(t.Context(), table), s.EraseKeys(t.Context())); err != nil {
		t.Error(err)
	}
	if err := s.Backup(t.TempDir()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a backup: %v", err)
	}
}

// TestTLS: the URL says whether the server has to show a certificate, and whom it is believed.
func TestTLS(t *testing.T) {
	server := shared(t, pgtest.Latest(t))
	url := database(t, server)
	with := func(parameters string) string { return strings.Replace(url, "sslmode=disable", parameters, 1) }
	s := open(t, with("sslmode=verify-full&sslrootcert="+server.Certificate()), Options{})
	if err := record(s, "a"); err != nil {
		t.Fatal(err)
	}
	var encrypted bool
	if err := s.pool.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&encrypted); err != nil || !encrypted {
		t.Errorf("the connection is encrypted: %t, %v", encrypted, err)
	}
	if _, err := Open(t.Context(), with("sslmode=verify-full"), Options{Limit: time.Second}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of an unknown authority: %v", err)
	}
}
