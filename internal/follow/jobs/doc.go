// Package jobs works off durable tasks: what a transaction begins and later ones finish, such as the
// removal of all that belonged to a deleted user. It promises:
//
//   - A task that was enqueued is done, over crashes, restarts and a store that refuses changes: it is
//     tried again with growing waits, without end, until its work returns nil.
//   - Tasks do not wait for each other, except that those under an app instance wait for the task of the
//     app instance itself, which usually removes them.
//   - Of several nodes one works on a task at a time, as long as its process lives. But Do also lets a
//     caller do it at once, and a frozen node may go on with what another took over: work has to be
//     such that doing it twice, even at once, does what doing it once does.
package jobs
