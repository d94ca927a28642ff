package ends

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/carillon-chat/carillon/internal/flow"
)

// The words of the demo processor.
var (
	deniedWord = regexp.MustCompile(`(?i)\bspam\b`)
	maskedWord = regexp.MustCompile(`(?i)\bdarn\b`)
)

// Demo is a processor for demonstrations, within the program: it denies messages with the word spam and
// masks the word darn.
type Demo struct{ _ byte } // so that each has an address of its own

// Invoke implements flow.Invoker. It answers at once.
func (*Demo) Invoke(_ context.Context, call flow.Invocation) ([]byte, error) {
	var event struct {
		ChannelMessage struct{ Content string }
	}
	if err := json.Unmarshal(call.Event, &event); err != nil {
		return nil, err
	}

	content := event.ChannelMessage.Content
	var answer struct {
		DeleteResource bool
		ChannelMessage struct {
			Content string `json:",omitempty"`
		}
	}
	answer.DeleteResource = deniedWord.MatchString(content)
	if masked := maskedWord.ReplaceAllStringFunc(content, mask); masked != content {
		answer.ChannelMessage.Content = masked
	}
	return json.Marshal(answer)
}

func mask(word string) string { return strings.Repeat("*", len(word)) }
