package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillon-chat/carillon/internal/store"
)

// Codes of errors that mean something to the engine.
const (
	diskFull          = "53100"
	lockNotAvailable  = "55P03"
	queryCanceled     = "57014" // by statement_timeout
	readOnly          = "25006" // on a replica
	unknownCompletion = "40003"
	idleInTransaction = "25P03"
)

// passing are the classes of errors that a database has for a while: of connections, rollbacks, resources, the
// operator, the system, and authentication, which operators change while nodes run.
var passing = []string{"08", "28", "40", "53", "57", "58"}

// errNoAnswer is a round trip that took too long.
var errNoAnswer = errors.New("the database does not answer")

// isPassing reports whether the same may work a moment later, on another connection.
func isPassing(err error) bool {
	var answered *pgconn.PgError
	if !errors.As(err, &answered) {
		return err != nil && !errors.Is(err, store.ErrCorrupt) // of the connection
	}
	switch answered.Code {
	case diskFull:
		return false
	case lockNotAvailable, queryCanceled, readOnly, idleInTransaction:
		return true
	}
	for _, class := range passing {
		if strings.HasPrefix(answered.Code, class) {
			return true
		}
	}
	return false
}

// isAborted reports whether the error of a commit says that the transaction did not take place. An end of the
// connection says nothing: the commit may be done, or waiting for a replica.
func isAborted(err error) bool {
	var answered *pgconn.PgError
	return errors.As(err, &answered) && answered.Severity == "ERROR" && answered.Code != unknownCompletion
}

// explain is the error for callers.
func explain(err error) error {
	var answered *pgconn.PgError
	switch {
	case err == nil || errors.Is(err, store.ErrUnavailable):
		return err
	case errors.As(err, &answered) && answered.Code == diskFull:
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case errors.As(err, &answered) && strings.HasPrefix(answered.Code, "XX0"):
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	case isPassing(err):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, plain(err))
	}
	return err
}

// plain hides that a round trip was ended by a context of the engine: callers know only their own.
func plain(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return errNoAnswer
	}
	return err
}
