package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// Options of Open. The zero value is good.
type Options struct {
	// Logger gets what an operator should know; nil for nothing.
	Logger *slog.Logger

	// Announce, if any, is called with what this Store has committed to a log, in the order of the log, for the other
	// Stores of the database: see Announced. It must not block, and the events must not be changed.
	Announce func(app string, events []chime.Event)
	// Interest, if any, is called when the first cursor of a log is opened and after the last was closed: announcements
	// of other logs are of no use. It must not block.
	Interest func(app string, on bool)

	// Limit is how long a round trip may take; 0 stands for 10 s.
	Limit time.Duration
	// Patience is how long a passing fault of the database is waited for before an Update or View is refused; 0 stands
	// for 5 s.
	Patience time.Duration
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Limit == 0 {
		o.Limit = 10 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	return o
}

// connections is how many a pool has at most, unless the URL says so with pool_max_conns.
const connections = 16

// Store is a store.Store in a database.
type Store struct {
	log             *slog.Logger
	limit, patience time.Duration
	announce        func(app string, events []chime.Event) // nil for no other Stores

	pool   *pgxpool.Pool
	writer []byte // id of this Store among those that wrote to the database
	number atomic.Int64
	lines  lines
	feeds  *store.Feeds
	health health
	stats  stats

	closeOnce sync.Once
	closing   chan struct{}
	closeMu   sync.RWMutex // held for reading while the pool is used, for writing by Close
	closed    bool
	// background are the goroutines that Close waits for.
	background sync.WaitGroup

	followed  chan struct{} // has a value when a log may have got its first cursor, or events
	rewriteMu sync.Mutex
	rewrites  map[string]uint64 // of logs with cursors, as last seen
}

// Open opens the store in the database that the URL names, and brings its tables up to date: postgres://user:password@
// host:5432/database?sslmode=verify-full, with what libpq and pgxpool know. Several hosts may be named, of which the one
// that takes writes is used with target_session_attrs=read-write.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the URL of the database: %w", err) // without its password
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = connections
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = opts.Limit
	}
	config.AfterConnect = prepare
	if err := migrate(ctx, config.ConnConfig, opts.Logger); err != nil {
		return nil, fmt.Errorf("the tables of the database: %w", explain(err))
	}

	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	s := &Store{
		log: opts.Logger, announce: opts.Announce, limit: opts.Limit, patience: opts.Patience, pool: pool, writer: make([]byte, 16),
		lines: lines{byApp: make(map[string]*line)}, closing: make(chan struct{}), followed: make(chan struct{}, 1), rewrites: make(map[string]uint64),
	}
	_, _ = rand.Read(s.writer) // never fails
	s.feeds = store.NewFeeds(s.logEnd, s.readLog)
	s.feeds.Interest = opts.Interest
	if err := s.greet(ctx); err != nil {
		pool.Close()
		return nil, explain(err)
	}
	s.background.Go(s.monitor)
	s.background.Go(s.poll)
	return s, nil
}

// CheckURL reports what is wrong with the form of a URL, without its password.
func CheckURL(url string) error {
	_, err := pgxpool.ParseConfig(url)
	return err
}

// settings of each connection, in the order of their use. Databases that do not know one go without.
var settings = []struct{ name, value string }{
	// A node that is frozen or cut off gives up its locks.
	{"idle_in_transaction_session_timeout", "'15s'"},
	{"statement_timeout", "'60s'"},
	{"lock_timeout", "'15s'"},
	// Every statement is made for a primary key: no statistics are needed, and no plan for each call.
	{"plan_cache_mode", "force_generic_plan"},
	{"enable_seqscan", "off"},
	{"enable_bitmapscan", "off"},
	{"enable_sort", "off"},
}

// prepare sets up a new connection. What the URL says goes first.
func prepare(ctx context.Context, conn *pgx.Conn) error {
	for _, set := range settings {
		if _, chosen := conn.Config().RuntimeParams[set.name]; chosen {
			continue
		}
		_, err := conn.Exec(ctx, fmt.Sprintf("SET %s = %s", set.name, set.value), pgx.QueryExecModeSimpleProtocol)
		var unknown *pgconn.PgError
		if err != nil && !errors.As(err, &unknown) {
			return err
		}
	}
	return nil
}

// greet asks the database what an operator should know, and forgets writers that are gone.
func (s *Store) greet(ctx context.Context) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer s.giveBack(conn)
	for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		err := conn.QueryRow(ctx, "SHOW "+name, pgx.QueryExecModeSimpleProtocol).Scan(&value)
		if err == nil && value == "off" {
			s.log.Warn("the database may lose what it has acknowledged", "setting", name, "value", value)
		}
	}
	_, err = conn.Exec(ctx, dropWriter, s.writer)
	c := conn.Conn().Config()
	s.log.Info("opened the database", "host", c.Host, "database", c.Database, "version", conn.Conn().PgConn().ParameterStatus("server_version"))
	return err
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.closing) // what waits for the database gives up
		s.feeds.Close()
		s.closeMu.Lock()
		s.closed = true
		s.closeMu.Unlock()
		s.background.Wait()
		s.pool.Close()
	})
	return nil
}

// Follow implements store.Store.
func (s *Store) Follow(app string, after uint64) (store.Cursor, error) {
	c, err := s.feeds.Follow(app, after)
	if err == nil {
		s.wake()
	}
	return c, err
}

// logEnd is where a log ends.
func (s *Store) logEnd(app string) (uint64, error) {
	var end logEnd
	err := s.View(context.Background(), app, func(r store.Reader) (err error) {
		end, err = readEnd(r.(*view).send, app)
		return err
	})
	if err == nil {
		s.noteRewrites(app, end.rewrites)
	}
	return end.position, err
}

func (s *Store) readLog(app string, after uint64, limit int) (events []*chime.Event, err error) {
	err = s.View(context.Background(), app, func(r store.Reader) error {
		events, err = store.ReadEvents(r, app, after, limit)
		return err
	})
	return events, err
}
