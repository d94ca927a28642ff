// Package pgtest starts PostgreSQL servers for tests: each has a private folder, a free port of this machine and a
// superuser without a password, and syncs what it commits.
package pgtest
