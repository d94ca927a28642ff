// Package logfile writes lines to a file that has a bounded size and a bounded time, for logs that are
// kept: each finished part is renamed, compressed with gzip and, beyond a number of them, removed.
//
// What it promises:
//
//   - A file has whole lines alone. What a failed write left of one, on a full disk for example, is taken
//     back, and what a crash left is ended before the next line.
//   - A line is in one part, and parts are in the order of their names.
//   - Parts, compressed or not, can be read by the owner of the process alone (mode 0600).
//   - A crash between renaming, compressing and removing leaves a part whole: the next Open goes on.
//   - Compressing delays no write.
//   - A Tail reads lines in their order while they are written, and over restarts. What it has not read stays,
//     within a bound.
//
// Programs such as logrotate may rename the file themselves; Reopen then begins a new one. Compress and
// SyncFolder are also for other files that are kept by parts.
package logfile
