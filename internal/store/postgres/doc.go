// Package postgres keeps a store in a PostgreSQL database, which several nodes may share.
//
// # Tables
//
// Each store table is an SQL table of app, key and value. app is the id of the app instance that the row belongs to,
// empty for what the account has; key is the rest of the store's key, which sorts as bytes; value is the record. So
// everything of an app instance can lie on one machine of a database that spreads rows by app, text keeps its zero bytes,
// and vacuum works on what changes without reading what does not. The events are real columns beside their record.
// Statements keep to what CockroachDB, YugabyteDB, Aurora and Citus know: no advisory locks, triggers, sequences as
// order, notifications or temporary tables.
//
// # Batches
//
// Updates of one log that wait at the same time are a batch, one transaction of the database. The first of them leads: it
// locks the log's row, takes all that have come meanwhile, runs their functions one after another, and sends what they
// wrote together with the commit. While the commit is under way the next ones gather. Every writer of an app instance
// holds its lock, on whatever node, therefore READ COMMITTED makes transactions serializable. An Update that fails
// or panics leaves nothing in the batch, and is answered after the commit, because it may have read what others of its
// batch wrote. A View is a transaction of its own, REPEATABLE READ and read only.
//
// # Faults
//
// A batch that the database ended (serialization, deadlock, restart, a broken connection) is run again for some seconds.
// Whether a commit whose answer was lost took place is read, under the lock, from the row that each batch writes with its
// number. What stays without an answer is refused with store.ErrUnavailable, and so are later calls until the
// database answers again. A full disk of the database is store.ErrFull. No round trip takes longer than some seconds, so a
// database that is frozen is noticed. A schema of a later version is store.ErrNewer.
//
// # Live events
//
// What a batch appended is handed to the cursors of this node before its Updates return. Where the logs with cursors end
// is looked up every 100 ms to 1 s as well, so that what other nodes appended is found.
package postgres
