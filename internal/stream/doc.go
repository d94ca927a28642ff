// Package stream exports the events of app instances (spec 9.1). It answers the operations on streaming
// configurations, and hands what they ask for to sinks: a Route says by a pattern over ARNs which streams
// go to which Sink. It promises:
//
//   - A sink gets every event of the log that belongs to a stream, from the position at which the app
//     instance was given the stream until it was taken away: at least once, and in the order of the log
//     within each channel. Each Record has a key that is the same each time it is written.
//   - While a sink fails, what is for it waits in the log, for as long as follower-retention says. It
//     delays no other sink and no send.
//   - A stream that no route matches is kept and exports nothing; it is logged and counted.
//
// A record shows a message as it is when the record is made, so content that was removed meanwhile is
// not exported. Messages that are not persistent are not in the log and are not exported.
package stream
