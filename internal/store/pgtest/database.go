package pgtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/jackc/pgx/v5"
)

// ServerEnv names the environment variable with the URL of the server on which the nodes of tests have their
// databases. Without it they have the embedded engine.
const ServerEnv = "TEST_POSTGRES_SERVER"

// DatabaseOf is the URL of the database that belongs to a data folder, which is made when it is asked for first. It is
// empty when nodes of tests have no databases.
func DatabaseOf(ctx context.Context, folder string) (string, error) {
	server := os.Getenv(ServerEnv)
	if server == "" {
		return "", nil
	}
	return makeDatabase(ctx, server, fmt.Sprintf("node_%x", sha256.Sum256([]byte(folder)))[:24])
}

// makeDatabase makes a database on a server unless it is there.
func makeDatabase(ctx context.Context, server, name string) (_ string, err error) {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var there bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&there); err != nil {
		return "", err
	}
	if !there {
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
			return "", err
		}
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// TablesWith names the tables of a database that have a text in a column of bytes.
func TablesWith(ctx context.Context, url, text string) (names []string, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	rows, err := conn.Query(ctx, "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'bytea'")
	if err != nil {
		return nil, err
	}
	type column struct{ Table, Name string }
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		return nil, err
	}
	for _, c := range columns {
		var has bool
		query := fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM %s WHERE position($1::bytea IN %s) > 0)", c.Table, c.Name)
		if err := conn.QueryRow(ctx, query, []byte(text)).Scan(&has); err != nil {
			return nil, err
		}
		if has {
			names = append(names, c.Table)
		}
	}
	return names, nil
}
