// Package typing sends the members of a channel that another member is typing. It promises:
//
//   - An app instance has it when its tag or the settings name it, and only sessions that ask for it
//     may call it and get its events: clients of AWS see none.
//   - A call needs what a message would need, by IAM and in the channel, at that moment.
//   - A call is stored nowhere and has no answer. Calls that come too fast are dropped.
package typing
