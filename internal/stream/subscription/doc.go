// Package subscription posts events of app instances to webhooks that their owners subscribe: the operations
// of api/carillon on webhooks, and what delivers. It promises:
//
//   - Each event of channels and messages that a subscription selects is posted at least once, from its
//     creation on, signed as Standard Webhooks says, with an id that is the same each time. An event of a
//     channel is not posted before those that came before it in that channel were taken or given up.
//   - What is not taken is tried again with growing waits for Options.Retry, and then failed; it can be sent
//     again. A subscription of which nothing was taken for that long is disabled, which a notice says.
//   - A subscription has one follower of the log. It queues deliveries, up to MaxPending, and then waits;
//     what is not queued stays in the log for as long as follower-retention says. No subscription waits for
//     another, and no channel for another of the same subscription while there is room in its queue.
//   - A delivery names its event and holds nothing of its content, which is read when it is posted: what was
//     redacted, deleted or erased meanwhile is not posted.
//   - Deliveries that are done or failed are kept for Options.Keep. Times to wait and to keep are in store
//     time, which setting the machine's clock does not move.
//   - URLs are reached through package outbound alone. Secrets are sealed in the store and are shown once.
package subscription
