package ends

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/carillon-chat/carillon/internal/flow"
	"github.com/carillon-chat/carillon/internal/outbound/webhook"
)

// HTTP is an endpoint that events are posted to, signed as Standard Webhooks says.
type HTTP struct {
	Caller
	URL    *url.URL
	Signer *webhook.Signer
}

// Invoke implements flow.Invoker. The processor has taken the event when it answers 2xx: with a decision
// in the body of a 200, or to call back later.
func (h *HTTP) Invoke(ctx context.Context, call flow.Invocation) (answer []byte, err error) {
	got, err := h.Signer.Post(ctx, h.Client, webhook.Call{
		URL: h.URL.String(), ID: call.Callback, At: h.Now(), Body: call.Event, Limit: maxAnswer,
	})
	if err != nil {
		return nil, err
	}
	switch {
	case got.Status == http.StatusOK:
		return verdict(got.Body), nil
	case got.Succeeded():
		return nil, nil
	}
	return nil, fmt.Errorf("the processor answered %d", got.Status)
}
