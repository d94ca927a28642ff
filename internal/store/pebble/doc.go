// Package pebble keeps a store in a folder, in the log-structured merge tree of
// github.com/cockroachdb/pebble.
//
// # One writer, groups of Updates
//
// Updates that wait at the same time are a group. The first of them leads: it runs their functions one
// after another, which makes transactions serializable, applies what they wrote as one batch without
// waiting for the disk, hands the rest of the line over to the next leader, and then waits for a sync
// of the write-ahead log that it shares with other groups. An Update that fails or panics leaves
// nothing in the batch. Batches reach the log in the order of the leaders, so a synced one means that
// all before it are synced too; their events are published in that order before any of their
// Updates return. Whatever was read may not be on disk yet, therefore View, and Updates that wrote
// nothing or failed, wait for the latest commit that they could have seen.
//
// A function finds the writes of its group by key in memory, and small records that are read again and
// again in a cache that Views share: see cache. When it reads a range, the group's writes are applied
// first, and its own are put into an indexed batch.
//
// # Logs
//
// The events of all logs are in one table, under the app instance and the position. Where a log ends is
// looked for when a transaction first needs it and then remembered, so that no commit writes it; a View
// uses what is remembered when its snapshot has the commit that it is about.
//
// # What goes wrong and what is said
//
// A folder in use by another process: store.ErrInUse. A folder of a later version:
// store.ErrNewer, before anything is changed.
//
// A full disk: a store is opened as far as it can be read; when its log does not fit into memory, which a
// death in the middle of a flush can leave, opening waits for room. Below a reserve of free space
// every Update is refused with store.ErrFull before it writes anything; reading goes on, and writing
// too as soon as there is room. A flush or compaction that fails is tried again every second and Updates are refused until one succeeds.
// An error of the write-ahead log itself is permanent: Updates under way answer
// store.ErrUnavailable, because it is unknown what of them reached the disk, and so do reads that
// could see what they wrote; later Updates are refused. Opening the folder again settles what is
// there. An error of the manifest refuses changes permanently, too, but reading goes on.
//
// # Damaged files
//
// Before a folder is opened for writing it is opened for reading and checked, so that a damaged
// one is left as it is. Detected and answered with store.ErrCorrupt: a wrong byte in a block of
// a table or blob file, when it is read; missing tables, manifest, or markers; a wrong byte
// or a cut anywhere in the log or the manifest that makes an acknowledged commit disappear.
//
// The last one needs a help of ours. Pebble takes an unreadable record in its newest log for
// the torn end of a crash unless a later record proves that the place had been synced, and its
// proof counts only a part of what was synced; an unreadable record in the manifest always ends
// it quietly. Both would make acknowledged commits vanish without a word. So commits are
// numbered, each number stands in its commit, and the latest acknowledged one also in a file of
// its own, "acknowledged", written (not synced) after each shared sync. A folder is refused when
// a number is missing between tables and logs, or at their end. After the death of the process
// the file is exact. After a loss of power it may be some seconds old, so that damage to the
// commits of those last seconds may go unnoticed.
//
// Not detected: wrong bytes in places that are never read; changes with a matching checksum; a
// whole folder put back to an earlier state.
package pebble
