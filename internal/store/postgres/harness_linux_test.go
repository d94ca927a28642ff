package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
	"github.com/carillon-chat/carillon/internal/store/pgtest"
	"github.com/carillon-chat/carillon/internal/store/storetest"
)

// servers are those that several tests share, by the name of the version.
var servers struct {
	sync.Mutex
	running map[string]*pgtest.Server
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }

// The tables that only tests use.
func init() {
	for table := range store.TableID(4) {
		names[200+table] = fmt.Sprintf("table_%d", 200+table)
	}
}

// tests are those of the package; their servers end with them.
type tests struct{ *testing.M }

func (m tests) Run() int {
	code := m.M.Run()
	for _, s := range servers.running {
		if err := s.Remove(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	return code
}

// shared is a server that other tests use as well.
func shared(t *testing.T, version pgtest.Installation) *pgtest.Server {
	t.Helper()
	servers.Lock()
	defer servers.Unlock()
	if s := servers.running[version.Name]; s != nil {
		return s
	}
	s, err := version.Start()
	if err != nil {
		t.Fatal(err)
	}
	if servers.running == nil {
		servers.running = make(map[string]*pgtest.Server)
	}
	servers.running[version.Name] = s
	return s
}

// database is the URL of an empty database on the server.
func database(t *testing.T, s *pgtest.Server) string {
	t.Helper()
	url, err := s.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// openFree opens a store that has the tables which only tests use.
func openFree(url string, opts Options) (*Store, error) {
	s, err := Open(context.Background(), url, opts)
	if err != nil {
		return nil, err
	}
	for table := range 4 {
		r := relationOf(store.TableID(200 + table))
		text := fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (app bytea NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (app, key))", r.name)
		if _, err := s.pool.Exec(context.Background(), text); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// open opens a store until the test ends.
func open(t *testing.T, url string, opts Options) *Store {
	t.Helper()
	s, err := openFree(url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	for _, version := range pgtest.Installations(t) {
		t.Run(version.Name, func(t *testing.T) {
			server := shared(t, version)
			storetest.Run(t, func(t *testing.T) storetest.Harness {
				url := database(t, server)
				return storetest.Harness{Open: func() (store.Store, error) { return openFree(url, Options{}) }}
			})
		})
	}
}

// execute runs a statement on the database.
func execute(t *testing.T, url, text string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), text, args...); err != nil {
		t.Fatal(err)
	}
}

const (
	table store.TableID = 200
	app                 = "app"
)

// add counts one up and appends an event with the count. The position of the event has to be the count.
func add(ctx context.Context, s *Store) (count uint64, err error) {
	counts := store.Table[uint64]{ID: table, Name: "counts"}
	err = s.Update(ctx, app, func(tx store.Tx) error {
		n, _, err := counts.Get(tx, store.K("n"))
		if err != nil {
			return err
		}
		count = n + 1
		position, err := tx.Append(chime.Event{Type: "t", Topic: chime.Topic{App: app}, Payload: fmt.Append(nil, count)})
		if err == nil && position != count {
			err = fmt.Errorf("the event of count %d has position %d", count, position)
		}
		return errors.Join(err, counts.Put(tx, store.K("n"), count))
	})
	return count, err
}

// expect waits until the cursor has handed out the events up to a position, each once and in order.
func expect(t *testing.T, c store.Cursor, after, upTo uint64) {
	t.Helper()
	for after < upTo {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		events, err := c.Next(ctx)
		cancel()
		if err != nil {
			t.Fatalf("after event %d of %d: %v", after, upTo, err)
		}
		for _, e := range events {
			if after++; e.Position != after || string(e.Payload) != fmt.Sprint(after) {
				t.Fatalf("event %d (%s) came after %d", e.Position, e.Payload, after-1)
			}
		}
	}
}
