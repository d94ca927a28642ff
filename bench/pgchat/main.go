package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pgchat:", err)
		os.Exit(1)
	}
}

const schema = `
CREATE TABLE IF NOT EXISTS members (channel int, "user" int, PRIMARY KEY (channel, "user"));
CREATE INDEX IF NOT EXISTS members_user ON members ("user");
CREATE TABLE IF NOT EXISTS messages (
	id bigserial PRIMARY KEY, channel int NOT NULL, sender int NOT NULL, sent timestamptz NOT NULL DEFAULT now(), text text NOT NULL);
CREATE INDEX IF NOT EXISTS messages_channel ON messages (channel, id DESC);`

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("pgchat", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8080", "address to listen on")
	database := flags.String("database", "", "PostgreSQL, as a connection string")
	secret := flags.String("secret", "", "secret of the tokens")
	if err := flags.Parse(args); err != nil {
		return err
	}
	db, err := open(ctx, *database)
	if err != nil {
		return err
	}
	defer db.Close()
	s := &server{db: db, secret: []byte(*secret), hub: newHub()}
	if err := s.load(ctx); err != nil {
		return err
	}

	web := &http.Server{Addr: *listen, Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return web.Close() // ends the sockets' connections too, which belong to no request any more
	}
}

// dbConns is how many connections the pool has: those that wait for a commit share its sync.
const dbConns = 32

// starting is how long the database may take to start.
const starting = 30 * time.Second

// open connects to the database, waits until it has started, and creates the tables.
func open(ctx context.Context, database string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = dbConns, dbConns
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	db, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}

	// A database that starts refuses connections for a while.
	ctx, cancel := context.WithTimeout(ctx, starting)
	defer cancel()
	for {
		if _, err = db.Exec(ctx, schema); err == nil {
			return db, nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			db.Close()
			return nil, errors.Join(errors.New("the database does not start"), err)
		}
	}
}
