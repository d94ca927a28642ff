// Package notice reports to the operator what failed while no caller waited for it: a processor of a
// channel flow, a bot, a push notification. A notice has the form of an event of EventBridge, so that
// rules that were written for AWS's go on to work (spec 7.6, 8.5, 9.2).
//
// A notice is an event of the log of its app instance. A processor appends it in the transaction that
// writes what became of the failure, such as the fallback of a flow:
//
//	_, err := tx.Append(notice.Event(now, topic, notice.ProcessorInvocationFailure{
//		AppInstanceARN: ..., ChannelARN: ..., MessageID: ..., ProcessorResourceARN: ..., FailureReason: "the function answered 502",
//	}))
//
// What it promises:
//
//   - A notice is sent if that transaction is committed, and otherwise not: a crash loses none and makes
//     none up.
//   - Each sink is a follower of the log. It gets every notice at least once and in the order of the
//     log, is tried again while it fails, and delays no other sink and no processor.
//   - The id of a notice is the same each time it is sent, and in all sinks.
//   - A notice names things by ARNs and ids. FailureReason is what the other end, or the way to it, had
//     to say; the processor leaves out what a sender wrote, keys and the query of URLs.
//
// Without a sink the events are trimmed with the log. What the service does to resources by itself is
// an event of the log too, which the audit log follows: the column ServiceEvent of package chime.
package notice
