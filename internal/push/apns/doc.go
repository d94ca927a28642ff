// Package apns sends notifications through Apple's push service, over HTTP/2 and with its provider API: to
// devices of the types APNS and APNS_SANDBOX. The server proves itself by tokens that a key of the developer's
// account signs, or by a certificate.
//
// A notification is an alert; a call is a VoIP push to the device's token for those. What a push service
// answers is read from the reasons that Apple documents: a device is gone with Unregistered, ExpiredToken and
// BadDeviceToken, and of another application with DeviceTokenNotForTopic.
package apns
