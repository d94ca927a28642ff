package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// errTwice is what a transaction finds that took place before.
var errTwice = errors.New("a transaction is applied twice")

// record commits one record with its own name, and an event of that name.
func record(s *Store, name string) error {
	return s.Update(context.Background(), app, func(tx store.Tx) error {
		value, err := tx.Get(table, store.K(name))
		if value != nil {
			return errTwice
		}
		if err == nil {
			_, err = tx.Append(chime.Event{Type: "t", Topic: chime.Topic{App: app}, Payload: []byte(name)})
		}
		return errors.Join(err, tx.Put(table, store.K(name), []byte(name)))
	})
}

// load is writers that go on while the database has faults.
type load struct {
	mu           sync.Mutex
	acknowledged map[string]bool
	refused      int
	changed      chan struct{} // closed and replaced at every acknowledgement
	stop         atomic.Bool
	writers      sync.WaitGroup
}

// begin has writers record one thing after another with the stores.
func begin(t *testing.T, writers int, stores ...*Store) *load {
	l := &load{acknowledged: make(map[string]bool), changed: make(chan struct{})}
	for w := range writers {
		l.writers.Go(func() {
			for i := 0; !l.stop.Load(); i++ {
				name := fmt.Sprintf("%d/%d", w, i)
				err := record(stores[w%len(stores)], name)
				l.note(name, err)
				if err != nil && !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("record %s: %v", name, err)
					return
				}
				if err != nil {
					<-time.After(time.Millisecond) // as a client that is told to come again
				}
			}
		})
	}
	return l
}

func (l *load) note(name string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.refused++
		return
	}
	l.acknowledged[name] = true
	close(l.changed)
	l.changed = make(chan struct{})
}

// more waits until as many more are acknowledged.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	l.mu.Lock()
	want := len(l.acknowledged) + n
	for len(l.acknowledged) < want {
		changed := l.changed
		l.mu.Unlock()
		select {
		case <-changed:
		case <-deadline:
			t.Fatal("nothing is acknowledged any more")
		}
		l.mu.Lock()
	}
	l.mu.Unlock()
}

// end stops the writers and shows that everything acknowledged is there, with one event each, and in no more than one
// place: a cursor that was open all the time has seen the same as a new one.
func (l *load) end(t *testing.T, s *Store, open store.Cursor) {
	t.Helper()
	l.stop.Store(true)
	l.writers.Wait()

	found, names := make(map[string]bool), []string(nil)
	var end uint64
	err := s.View(t.Context(), app, func(r store.Reader) error {
		err := r.Scan(table, store.Range{}, func(_ store.Key, value []byte) (bool, error) {
			found[string(value)] = true
			return true, nil
		})
		if err != nil {
			return err
		}
		end, err = r.Position()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range l.acknowledged {
		if !found[name] {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
	if uint64(len(found)) != end {
		t.Errorf("%d records and %d events", len(found), end)
	}

	fresh, err := s.Follow(app, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	names = drain(t, fresh, end)
	once := make(map[string]bool)
	for _, name := range names {
		if once[name] || !found[name] {
			t.Errorf("an event of %s that is double or has no record", name)
		}
		once[name] = true
	}
	for i, name := range drain(t, open, end) {
		if name != names[i] {
			t.Fatalf("event %d of the open cursor is %s, that of a new one %s", i+1, name, names[i])
		}
	}
	t.Logf("%d acknowledged, %d refused, %d found", len(l.acknowledged), l.refused, len(found))
}

// drain reads the events up to a position, and shows that there are no gaps.
func drain(t *testing.T, c store.Cursor, upTo uint64) (payloads []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for uint64(len(payloads)) < upTo {
		events, err := c.Next(ctx)
		if err != nil {
			t.Fatalf("after event %d of %d: %v", len(payloads), upTo, err)
		}
		for _, e := range events {
			if payloads = append(payloads, string(e.Payload)); e.Position != uint64(len(payloads)) {
				t.Fatalf("event %d came after %d", e.Position, len(payloads)-1)
			}
		}
	}
	return payloads
}

func follow(t *testing.T, s *Store) store.Cursor {
	t.Helper()
	c, err := s.Follow(app, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestInjectedErrors has the database fail statements at random, as one that is busy does.
func TestInjectedErrors(t *testing.T) {
	for _, code := range []string{"40001", "40P01", "55P03"} {
		t.Run(code, func(t *testing.T) {
			url := database(t, shared(t, pgtest.Latest(t)))
			s := open(t, url, Options{})
			execute(t, url, fmt.Sprintf(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
				BEGIN IF random() < 0.2 THEN RAISE EXCEPTION 'injected' USING ERRCODE = '%s'; END IF; RETURN NEW; END $$`, code))
			for _, at := range []string{"batches", "events", "table_200"} {
				execute(t, url, "CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON "+at+" FOR EACH STATEMENT EXECUTE FUNCTION fail()")
			}
			open := follow(t, s)
			l := begin(t, 4, s)
			l.more(t, 60)
			l.end(t, s, open)
			if l.refused > 0 {
				t.Errorf("%d were refused", l.refused)
			}
		})
	}
}

// TestEndedConnections ends all connections of the store again and again (57P01).
func TestEndedConnections(t *testing.T) {
	url := database(t, shared(t, pgtest.Latest(t)))
	s := open(t, url, Options{})
	open := follow(t, s)
	l := begin(t, 4, s)
	for range 15 {
		l.more(t, 20)
		execute(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	}
	l.more(t, 20)
	l.end(t, s, open)
	if l.refused > 0 {
		t.Errorf("%d were refused", l.refused)
	}
}

// TestLostCommits cuts connections when a commit was sent: before it arrives, or before its answer does.
func TestLostCommits(t *testing.T) {
	for _, arrives := range []bool{false, true} {
		t.Run(fmt.Sprintf("arrives %t", arrives), func(t *testing.T) {
			server := shared(t, pgtest.Latest(t))
			direct := database(t, server)
			p := startProxy(t, server.Port)
			open(t, direct, Options{}) // makes the tables
			s := open(t, p.url(t, direct), Options{})
			open := follow(t, s)
			l := begin(t, 4, s)
			for range 20 {
				l.more(t, 20)
				p.cut(arrives)
			}
			l.more(t, 20)
			l.end(t, s, open)
			if got := p.cuts.Load(); got != 20 || l.refused > 0 {
				t.Errorf("%d commits were cut, %d were refused", got, l.refused)
			}
		})
	}
}

// TestLostCommitBehindAnother: another node commits between the lost answer and the next attempt.
func TestLostCommitBehindAnother(t *testing.T) {
	server := shared(t, pgtest.Latest(t))
	direct := database(t, server)
	p := startProxy(t, server.Port)
	other := open(t, direct, Options{})
	s := open(t, p.url(t, direct), Options{})
	seen := follow(t, s)
	l := begin(t, 6, s, other)
	for range 20 {
		l.more(t, 30)
		p.cut(true)
	}
	l.more(t, 30)
	l.end(t, other, seen)
	if l.refused > 0 {
		t.Errorf("%d were refused", l.refused)
	}
}

// TestRestarts stops the server in each way while writers run.
func TestRestarts(t *testing.T) {
	server := pgtest.Begin(t)
	url := database(t, server)
	s := open(t, url, Options{Patience: time.Minute})
	open := follow(t, s)
	l := begin(t, 4, s)
	for _, how := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		l.more(t, 50)
		if err := server.Stop(how); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	l.more(t, 50)
	l.end(t, s, open)
}

// TestAwayAndBack: while the server is away calls are refused, and when it is back they work without anything being done.
func TestAwayAndBack(t *testing.T) {
	for name, fault := range map[string]struct{ away, back func(*pgtest.Server) error }{
		"stopped": {func(s *pgtest.Server) error { return s.Stop(syscall.SIGINT) }, (*pgtest.Server).Restart},
		"frozen": {
			func(s *pgtest.Server) error { return s.Signal(syscall.SIGSTOP) },
			func(s *pgtest.Server) error { return s.Signal(syscall.SIGCONT) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := pgtest.Begin(t)
			s := open(t, database(t, server), Options{Limit: time.Second, Patience: time.Second})
			open := follow(t, s)
			l := begin(t, 4, s)
			l.more(t, 50)
			if err := fault.away(server); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() error {
				if s.Refusal() == nil {
					return errors.New("the store does not say that it is not available")
				}
				return nil
			})
			if err := s.View(t.Context(), app, func(store.Reader) error { return nil }); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("a View is answered %v", err)
			}
			if err := record(s, "refused"); !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("an Update is answered %v", err)
			}

			if err := fault.back(server); err != nil {
				t.Fatal(err)
			}
			l.more(t, 50)
			l.end(t, s, open)
			if err := s.Refusal(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFullDisk: nothing is written, and the caller is told.
func TestFullDisk(t *testing.T) {
	url := database(t, shared(t, pgtest.Latest(t)))
	s := open(t, url, Options{})
	execute(t, url, `CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$`)
	execute(t, url, "CREATE TRIGGER full_now BEFORE INSERT ON table_200 FOR EACH STATEMENT EXECUTE FUNCTION no_room()")
	if err := record(s, "a"); !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("an Update on a full disk is answered %v", err)
	}
	execute(t, url, "DROP TRIGGER full_now ON table_200")
	if err := record(s, "a"); err != nil {
		t.Error(err)
	}
}

// eventually waits for what the engine does in its own time.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(10 * time.Millisecond)
	}
}
