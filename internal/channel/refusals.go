package channel

import (
	"errors"

	"github.com/carillon-chat/carillon/internal/api"
	"github.com/carillon-chat/carillon/internal/channel/reasons"
)

// ErrRole is the refusal of a caller by a rule of roles, when the caller may know the channel.
// Explain adds the reason.
var ErrRole error = api.Forbidden("you are not allowed to do this in the channel")

// require is nil when allowed, else ErrRole.
func require(allowed bool) error {
	if allowed {
		return nil
	}
	return ErrRole
}

// Explain names the caller, the operation and the reason of a refusal by a rule of roles, in the
// words of IAM. Other errors, and nil, stay as they are; so do those of a call that found no
// channel, whose Visit is nil.
func (v *Visit) Explain(operation string, err error) error {
	if v == nil || !errors.Is(err, ErrRole) {
		return err
	}
	return refusal(v.RefARN(v.Actor.Ref), operation, v.ARN(), v.reason(operation))
}

func refusal(caller, operation, resource, reason string) error {
	return api.Forbidden("User: %s is not authorized to perform: %s on resource: %s because %s", caller, operation, resource, reason)
}

func (v *Visit) reason(operation string) string {
	if v.Banned {
		return "it is banned from the channel"
	}
	return reasons.Of(operation, v.Channel.Elastic != nil)
}
