// Package cluster knows the nodes that share a store: which of them live, what each of them holds, and
// which is to have the next client. It needs the store alone. It promises:
//
//   - A node has a row, which it writes again three times in the time of its lease. All that it holds
//     it holds by this lease, so a follower or a task costs no renewal of its own.
//   - No two clocks are compared. A node counts as gone when others have looked at its row regularly, by
//     their own monotonic clocks, for as long as its lease lasts and it stayed the same. The node counts
//     from before its latest renewal and has an eighth of the lease left when it ends its work, so that it has
//     ended before another begins. Setting the clock of a machine changes nothing.
//   - A process that stood still may go on for a moment with what another has taken. Its writes are
//     refused by the fencing number of the lease, in the transaction that would write: see Check.
//   - A start has a number that no other start has. A node that is started again is another holder, and
//     a process whose node was started elsewhere under the same id ends with ErrReplaced.
//   - A node that stops gives back all that it holds with one write.
//
// When the store was away for all nodes at once, each ends its work and none takes what others hold
// before it has looked at their rows for a lease again.
package cluster
