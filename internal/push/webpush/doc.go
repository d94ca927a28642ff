// Package webpush sends notifications to browsers: by Web Push (RFC 8030), encrypted for the browser (RFC 8188,
// RFC 8291) so that its vendor's push service reads nothing, with tokens that name the server by a key (VAPID,
// RFC 8292).
//
// A browser is a device of the type GCM whose DeviceToken is its PushSubscription as JSON, as JSON.stringify
// writes it. Where a subscription leads is said by a user, so a Sender takes those of one push service alone, by
// the names of its hosts: another that is slow or away delays none of them.
package webpush
