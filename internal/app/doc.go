// Package app is the composition root: it builds every part of a node from the settings, joins
// them, starts them and stops them in order. It is the one package that knows which storage
// engine and which transports are used.
//
// It promises:
//
//   - New fails, and leaves nothing behind, when the node could not serve: a port is taken, the
//     data folder is in use or not Carillon's, a certificate cannot be read.
//   - Run returns when its context ends or a part fails. Either way the parts stop in the
//     reverse order of their start, each bounded in time: nothing is accepted any more, sockets
//     get a close frame, requests under way are answered, and the store is closed last.
//   - Nothing is global: several nodes run in one process, as tests do.
package app
