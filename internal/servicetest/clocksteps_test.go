package servicetest_test

import (
	"testing"
	"time"

	identityapi "github.com/carillon-chat/carillon/internal/api/identity"
	"github.com/carillon-chat/carillon/internal/api/messaging"
	"github.com/carillon-chat/carillon/internal/servicetest"
)

// steps are what may happen to the clock of a machine between two calls.
var steps = map[string][]time.Duration{
	"back over a multiple of the window": {-2 * time.Second},
	"an hour back":                       {-time.Hour},
	"a day on":                           {24 * time.Hour},
	"a day on and back":                  {24 * time.Hour, -24 * time.Hour},
	"a year back":                        {-365 * 24 * time.Hour},
}

// TestRetriesAreKnownWhateverTheClockDoes: a call that is repeated after the clock was set changes
// nothing and is answered as the first.
func TestRetriesAreKnownWhateverTheClockDoes(t *testing.T) {
	calls := map[string]func(w *servicetest.World) (string, error){
		"send": func(w *servicetest.World) (string, error) {
			resp, err := w.API.SendChannelMessage(t.Context(), send(w, messaging.ChannelMessagePersistenceTypePersistent))
			return resp.MessageID, err
		},
		"send without keeping": func(w *servicetest.World) (string, error) {
			resp, err := w.API.SendChannelMessage(t.Context(), send(w, messaging.ChannelMessagePersistenceTypeNonPersistent))
			return resp.MessageID, err
		},
		"channel": func(w *servicetest.World) (string, error) {
			resp, err := w.API.CreateChannel(t.Context(), &messaging.CreateChannelRequest{
				AppInstanceARN: w.App, Name: "made once", Mode: messaging.ChannelModeUnrestricted,
				Privacy: messaging.ChannelPrivacyPublic, ChimeBearer: w.User("ann"), ClientRequestToken: "the-token",
			})
			return resp.ChannelARN, err
		},
		"app instance": func(w *servicetest.World) (string, error) {
			resp, err := w.Identity.CreateAppInstance(t.Context(), &identityapi.CreateAppInstanceRequest{Name: "made once", ClientRequestToken: "the-token"})
			return resp.AppInstanceARN, err
		},
	}
	for name, step := range steps {
		for what, call := range calls {
			t.Run(what+", "+name, func(t *testing.T) {
				w := servicetest.New(t, "ann", "bob")
				w.AddChannel("ann", "c")
				w.Now = time.Date(2026, 11, 23, 9, 10, 1, 0, time.UTC)
				first, err := call(w)
				if err != nil {
					t.Fatal(err)
				}
				for _, by := range step {
					w.Now = w.Now.Add(by)
					again, err := call(w)
					if err != nil || again != first {
						t.Errorf("repeated: %q, %v; the first call answered %q", again, err, first)
					}
				}
			})
		}
	}
}

func send(w *servicetest.World, kept messaging.ChannelMessagePersistenceType) *messaging.SendChannelMessageRequest {
	return &messaging.SendChannelMessageRequest{
		ChannelARN: w.Channel("c"), ChimeBearer: w.User("ann"), Content: "hello", Type: messaging.ChannelMessageTypeStandard,
		Persistence: kept, ClientRequestToken: "the-token",
	}
}
