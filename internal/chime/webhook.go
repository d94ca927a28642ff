package chime

import "github.com/carillon-chat/carillon/internal/api/messaging"

// Webhook is a subscription of an app instance: events that it selects are posted to its URL.
type Webhook struct {
	ID   string `cbor:"1,keyasint"`
	Name string `cbor:"2,keyasint"`
	URL  string `cbor:"3,keyasint"`
	// What the subscription selects; what is empty selects all.
	DataType   messaging.MessagingDataType `cbor:"4,keyasint,omitempty"`
	EventTypes []string                    `cbor:"5,keyasint,omitempty"`
	Channels   []Pattern                   `cbor:"6,keyasint,omitempty"` // over ARNs
	// Secrets sign, the latest first.
	Secrets []WebhookSecret `cbor:"7,keyasint"`

	Disabled bool   `cbor:"8,keyasint,omitempty"`
	Reason   string `cbor:"9,keyasint,omitempty"` // why it is disabled
	Created  Millis `cbor:"10,keyasint"`
	Updated  Millis `cbor:"11,keyasint"`
	Order    uint64 `cbor:"12,keyasint"` // place of creation

	// Enabled is when it was enabled for the last time, in milliseconds of store time. What was tried before
	// has its whole time again.
	Enabled uint64 `cbor:"13,keyasint,omitempty"`
	// FailingSince is the first attempt of those that have failed since one succeeded, and Failing the same
	// in milliseconds of store time; zero when the latest has succeeded.
	FailingSince Millis `cbor:"14,keyasint,omitempty"`
	Failing      uint64 `cbor:"15,keyasint,omitempty"`
	// Epoch counts how often the subscription was set back. Deliveries of an earlier one are made again.
	Epoch uint64 `cbor:"16,keyasint,omitempty"`
}

// WebhookSecret signs what is posted to a subscription.
type WebhookSecret struct {
	Sealed []byte `cbor:"1,keyasint"`
	Until  Millis `cbor:"2,keyasint,omitempty"` // of a former one
}

// DeliveryStatus is how far a WebhookDelivery has come. Its values are stored.
type DeliveryStatus uint8

// The statuses of deliveries.
const (
	DeliveryPending DeliveryStatus = iota
	DeliveryDone
	DeliveryFailed // it was given up
)

// DeliveryID names a delivery of a subscription: a position of the log, and a number among the records of
// the event there.
type DeliveryID struct {
	Position uint64 `cbor:"1,keyasint"`
	Number   int    `cbor:"2,keyasint,omitempty"`
}

// WebhookDelivery is what became of posting a record of an event. It names the event and has nothing of its
// content: what is posted is made from the log.
type WebhookDelivery struct {
	DeliveryID
	Channel   string         `cbor:"3,keyasint"` // id of the channel
	EventType string         `cbor:"4,keyasint"`
	Time      Millis         `cbor:"5,keyasint"` // of the event
	Status    DeliveryStatus `cbor:"6,keyasint,omitempty"`
	Attempts  int            `cbor:"7,keyasint,omitempty"`
	Last      Millis         `cbor:"8,keyasint,omitempty"`  // attempt
	Next      Millis         `cbor:"9,keyasint,omitempty"`  // attempt, of one that is pending and has failed
	Code      int            `cbor:"10,keyasint,omitempty"` // HTTP status of the last answer
	Error     string         `cbor:"11,keyasint,omitempty"`
	// Queued is when the delivery was queued, and First when it was tried first, in milliseconds of store time.
	Queued uint64 `cbor:"12,keyasint"`
	First  uint64 `cbor:"13,keyasint,omitempty"`
	Epoch  uint64 `cbor:"14,keyasint,omitempty"` // of the subscription, when it was queued
	Part   bool   `cbor:"15,keyasint,omitempty"` // the event has a record for each of several members
}
