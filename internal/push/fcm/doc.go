// Package fcm sends notifications through Firebase Cloud Messaging, with its HTTP v1 interface: to devices of
// the type GCM. The server proves itself by access tokens, which Google gives for a token that the key of a
// service account signs; one is asked for when there is none or the last one is about to end, by one call at
// a time.
//
// A notification has the keys that Amazon Pinpoint's have under data, so that it wakes the application, which
// shows it. With Options.Notification the device shows it by itself.
package fcm
