package lab

import (
	"fmt"
	"testing"

	"github.com/carillon-chat/carillon/internal/store/pgtest"
)

// PostgreSQL starts a server with a user and a database of that user, and returns its host and port. It ends with the test.
// The test is skipped, with a loud word, where PostgreSQL is not installed.
func PostgreSQL(t testing.TB, user, password, database string) (address string) {
	t.Helper()
	server := pgtest.Begin(t)
	if err := server.Provide(t.Context(), user, password, database); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("127.0.0.1:", server.Port)
}
