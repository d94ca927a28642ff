// Package ops is how the program is watched: a logger, a registry of metrics and the operations
// port, all of them values that app makes and hands on. Nothing here is global, so several
// programs can run in one process, as tests do.
package ops
