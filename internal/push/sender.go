package push

import (
	"context"
	"encoding/json"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
)

// Notification is what a device is sent.
type Notification struct {
	// ID names what one device is sent of one message: a UUID, the same each time it is tried.
	ID         string
	MessageID  string
	ChannelARN string
	Title      string // up to 50 characters, may be empty as the body may
	Body       string // up to 150 characters
	// Call is set for notifications of Type VOIP.
	Call bool
	// Collapse is the same for notifications of one channel: of those a device shows the latest. It has 32
	// characters of base64url, and is empty for calls.
	Collapse string
	// Badge is how many messages the user has not read in all its channels, 1000 for that many and more. It
	// is -1 when it was not counted.
	Badge int
	// Expires is from when on the notification is of no use.
	Expires time.Time
}

// Data is what applications read in a notification of Amazon Pinpoint, which they were written for.
func (n *Notification) Data() map[string]string {
	body, _ := json.Marshal(map[string]string{"chime.message_id": n.MessageID, "chime.channel_arn": n.ChannelARN}) // texts cannot fail
	return map[string]string{
		"pinpoint.openApp": "true", "pinpoint.notification.title": n.Title, "pinpoint.notification.body": n.Body,
		"pinpoint.campaign.campaign_id": "_DIRECT", "pinpoint.notification.silentPush": "0", "pinpoint.jsonBody": string(body),
	}
}

// Lifetime is how long a push service is to keep the notification for a device that is away, from now on.
func (n *Notification) Lifetime(now time.Time) time.Duration { return max(0, n.Expires.Sub(now)) }

// Sender sends notifications through one push service. It is safe for concurrent use.
type Sender interface {
	// Takes reports whether the device is one of the push service, by its type and the form of its token.
	Takes(device *chime.Endpoint) bool
	// Send makes one attempt. Its error is a *Fault, or any other when the push service was not reached.
	Send(ctx context.Context, device *chime.Endpoint, n *Notification) error
}

// FaultKind says what a failed attempt means.
type FaultKind uint8

// The kinds of faults.
const (
	// Unavailable is a push service that cannot be reached or has a fault of its own: all is tried again.
	Unavailable FaultKind = iota
	// Throttled is a push service that accepts no more at the moment: all is tried again.
	Throttled
	// ThrottledDevice is the same for one device.
	ThrottledDevice
	// Denied is a push service that does not accept the credentials: all is tried again.
	Denied
	// Distrusted is an authorization server that does not.
	Distrusted
	// Gone is a device that the push service does not know any more.
	Gone
	// Foreign is a device of another application.
	Foreign
	// Refused is a notification that the push service will never accept.
	Refused
)

// Fault is a failed attempt.
type Fault struct {
	Kind FaultKind
	// Reason is what the push service said, without tokens.
	Reason string
	// After is how long the push service asks to wait; zero: it says nothing.
	After time.Duration
	// Since is when a device is known to be gone; zero: it is now.
	Since time.Time
}

// Error implements error.
func (f *Fault) Error() string { return f.Reason }

// wide reports whether other devices of the push service would fail as well.
func (k FaultKind) wide() bool { return !k.final() && k != ThrottledDevice }

// final reports whether the device is not tried again.
func (k FaultKind) final() bool { return k >= Gone }

// text is what AWS's notices say in the place of the fault (spec 9.2).
func (k FaultKind) text() string {
	switch k {
	case Gone, Foreign:
		return "The specified resource was not found. AppInstanceUserEndpoint will be deactivated."
	case Throttled, ThrottledDevice:
		return "Too many requests sent to Amazon Pinpoint."
	case Denied:
		return "Unable to send messages. Please verify IAM Permissions Policy on ServiceRoleForAmazonChimePushNotification."
	case Distrusted:
		return "Unable to send messages. Please verify IAM Trust Relationships on ServiceRoleForAmazonChimePushNotification."
	}
	return "The request processing has failed because of an unknown error, exception or failure."
}
