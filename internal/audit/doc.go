// Package audit keeps the audit log: a JSON line in the form of CloudTrail for each call of the APIs and
// each connect request, allowed or refused, and for what the service does to resources by itself.
//
// What it promises:
//
//   - A line says when, by which principal and key, from where, what was called on which resources, and
//     what was decided: allowed, or the step that refused. Of requests and answers it has the ARNs and
//     ids (api.Identified), never what callers wrote for others to read, and no credentials but access
//     key ids.
//   - Lines wait in a queue of bounded bytes for one writer, which writes as many as there are at once. A
//     call waits only when the queue is full, for Options.Wait at most; when that was not enough, no
//     later call waits until the writer goes on.
//   - No line is lost without a trace: lines for which there was no room are counted, and a line at their
//     place says how many and of which time. Only lines of the last moments before a kill of the
//     process, or the last second before a loss of power, may be missing, and then the line that says
//     that logging stopped is missing as well.
//   - A Shipper sends the lines of the file to a Sink as well, each at least once and in order, over kills of
//     the process and while the sink is away, and makes no call wait.
//   - Service events follow the log of their app instance: each is written at least once, with the same
//     eventID, over crashes.
//
// The transports hand calls over through interfaces of their own and know nothing of this package; app
// joins them.
package audit
