// Package person gives out and erases what an app instance has of one person: the operations of the carillon
// API that AWS does not have.
//
// An export is a list: each page reads a bounded number of entries and returns lines of JSON with the token of
// the next. Nothing of it is kept, so there is nothing to remove, and a client that was interrupted goes on
// with its token.
//
// An erasure is a record and a task (follow/jobs). It promises:
//
//   - With its first commit the user is deleted, its sessions end and no page shows its name: what it may
//     still send is refused, so every message of it lies before that commit.
//   - Messages go by redactions or deletions, each in one transaction with its event.
//   - The id becomes that of no user, the same one everywhere: in records, whatever their type, in events of
//     the log and in files of sinks. Until that is done no user can be made with the id.
//   - Afterwards the engine has nothing of it in its files.
//   - Each step can be interrupted anywhere and goes on where it was; what is done twice does nothing.
//   - Transactions are short and rest as long as they took, and what only looks reads outside of them.
package person
