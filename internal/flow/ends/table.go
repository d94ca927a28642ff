// Package ends has what processors of channel flows are invoked at: HTTP endpoints, servers that speak AWS
// Lambda's Invoke, and a processor for demonstrations that needs neither. Which processor is where is said
// by patterns over Lambda ARNs.
//
// Every call goes through a guarded client, is signed, and may be made again under the same id.
package ends

import (
	"encoding/json"
	"time"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/outbound"
)

// End is where the processors that a pattern stands for are invoked.
type End struct {
	Pattern chime.Pattern // over Lambda ARNs
	Invoker flow.Invoker
}

// Table finds ends by Lambda ARN: of several patterns that stand for one the first counts.
type Table []End

// Find implements flow.Ends.
func (t Table) Find(lambda string) flow.Invoker {
	for _, e := range t {
		if e.Pattern.Matches(lambda) {
			return e.Invoker
		}
	}
	return nil
}

// Caller is what ends share. Its members are required.
type Caller struct {
	Client *outbound.Client
	Now    func() time.Time // of signatures
}

// maxAnswer bounds the body of an answer, in bytes: a message with all that belongs to it is much smaller.
const maxAnswer = 64 << 10

// verdict is the body of an answer when it is a processor's decision, and nil otherwise: then the processor
// calls back. A decision is a JSON object with at least one of the members of a callback.
func verdict(body []byte) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return nil
	}
	_, message := members["ChannelMessage"]
	_, denial := members["DeleteResource"]
	if !message && !denial {
		return nil
	}
	return body
}
