// Package push sends the notifications of messages to devices (spec 9.2). It promises:
//
//   - The notification of a message is pushed when members get the message: when it is sent, or when its
//     channel flow let it pass. An edit pushes nothing, and neither does a message that was redacted or
//     deleted before it was its turn.
//   - It goes to the devices of the members that see the message, hidden ones included, but for the sender and
//     those that joined later: as the device, the member's preferences and the setting push-quiet allow when
//     it is their turn.
//   - A persistent message is followed in the log, so its notification outlives crashes. How far it came is
//     written after every 256 devices at most, and these are the ones that may be sent it twice after a crash.
//     Each time it has the same id, and but for a call the same collapse key, so that the later one takes the
//     earlier one's place.
//   - A message that is not persistent is in memory alone, and so is its notification: a node that stops
//     forgets it, and beyond 10,000 that wait it is dropped and counted.
//   - While a push service is away its notifications wait in the log, for as long as Options.TTL says, a call
//     for a minute. They delay no other push service and no send. A device that is throttled is tried five
//     times.
//   - A device whose token the push service does not know, and one of an application that there is not, becomes
//     INACTIVE. Each device that is given up is a notice, in the commit that gives it up.
//
// A Sender speaks to one push service: see the packages below.
package push
