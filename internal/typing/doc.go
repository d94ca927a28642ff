// Package typing tells the members of a channel who is typing. It promises:
//
//   - An app instance has it when its tag or the settings name it, and only sockets that ask for it
//     may tell, and are told: clients of AWS see nothing.
//   - It is told for those alone who might send a message there, by IAM and in the channel, at that moment.
//   - It is stored nowhere, has no answer, and too much of it is dropped.
package typing
