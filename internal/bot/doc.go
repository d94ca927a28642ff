// Package bot has bots do what app instances configured them for (spec 8.5): greet the channels that they
// join, and answer messages there. Which ones it answers, a bot says itself (InvokedBy); where it is asked,
// an End says.
//
// A Follower turns the events of the log into turns, which are records, and a Runner takes them: it asks
// the end, and sends what that answers in the name of the bot. It promises:
//
//   - A bot answers each persistent message once at most, whatever crashes: the record of a turn goes with
//     the commit of the answer. An end may be asked more than once. Each turn ends with an answer, an
//     error reply and a notice, or nothing where the bot may not send any more.
//   - No message of a bot triggers a bot, so bots never talk to each other without end. Neither do CONTROL
//     messages, edits, and messages that a channel flow has not let pass, or denied.
//   - In each conversation, which is a bot in a channel, or a bot and the sender of messages that are
//     targeted to it, turns are taken one after another in the order of the log. Conversations do not wait
//     for each other, and no send waits for a bot.
//   - A bot sends as its own member of the channel: it is authorised, its messages pass channel flows, and
//     one that is hidden, banned or gone sends nothing.
//   - Messages that are not persistent are answered as long as the node runs, by replies of their kind.
package bot
